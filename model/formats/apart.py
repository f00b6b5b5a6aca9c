"""JPEG-LS, decoded in a process of its own, which is ended when it takes too long.

CharLS, which pyjpegls wraps, can be led by a damaged scan of a few hundred bytes into a loop of many seconds, in which it lets
no other thread of its process work. Nothing in the file tells beforehand that it will.
"""

import json
import subprocess
import sys
import threading

PATIENCE = 3.0  # seconds for a frame, and more for a large one
PIXELS_PER_SECOND = 2_000_000
LENGTH = 8  # bytes of the number that goes before each message

CHILD = f"""
import json, sys
import jpeg_ls
put, get = sys.stdout.buffer, sys.stdin.buffer
put.write(b"!")
put.flush()
while length := get.read({LENGTH}):
    data = get.read(int.from_bytes(length, "big"))
    try:
        pixels, facts = jpeg_ls.decode_pixel_data(data)
        answer = json.dumps(facts).encode() + b"\\n" + bytes(pixels)
    except Exception:
        answer = b""
    put.write(len(answer).to_bytes({LENGTH}, "big") + answer)
    put.flush()
"""


class Decoder:
    """One process, started when it is first needed and after it was ended; it ends by itself when its parent does."""

    def __init__(self):
        self._process: subprocess.Popen | None = None
        self._turn = threading.Lock()

    def decode(self, data: bytes, pixels: int) -> tuple[bytes, dict]:
        """The samples of one frame, and what pyjpegls says of them (`components`, `interleave_mode`, `bits_per_sample`).

        Args:
            pixels: how many the frame has, for the time it may take.

        Raises:
            ValueError: it cannot be decoded, or not in time.
        """
        with self._turn:
            process = self._running()
            deadline = threading.Timer(PATIENCE + pixels / PIXELS_PER_SECOND, process.kill)
            deadline.start()
            try:
                process.stdin.write(len(data).to_bytes(LENGTH, "big") + data)
                process.stdin.flush()
                length = process.stdout.read(LENGTH)
                answer = process.stdout.read(int.from_bytes(length, "big"))
            except OSError:  # it ended while it was written to
                length = answer = b""
            finally:
                deadline.cancel()
            if not length:
                process.wait()  # one that is still about to end would be taken for one that runs
        facts, _, samples = answer.partition(b"\n")
        if not facts:
            raise ValueError("JPEG-LS that cannot be decoded, or not in time")
        return samples, json.loads(facts)

    def _running(self) -> subprocess.Popen:
        if self._process is None or self._process.poll() is not None:
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
            self._process = subprocess.Popen([sys.executable, "-P", "-c", CHILD], **pipes)
            self._process.stdout.read(1)  # it has imported what it needs
        return self._process
