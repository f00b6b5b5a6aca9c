"""Start `python app.py`, send it a slice by page and API, end it, print what came as JSON. Needs no package.

python tests/ask_server.py tests/samples/SLICE.jpg
"""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

BOUNDARY = "earlymed-test"
OUTSIDE = ("192.0.2.1", 80)  # RFC 5737: for documents only; nobody answers, but without a network it fails at once


def main() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen([sys.executable, "app.py"], env=os.environ | {"PORT": str(port)})
    try:
        wait(server, f"http://127.0.0.1:{port}/healthz")
        image = Path(sys.argv[1]).read_bytes()
        record = json.loads(post(f"http://127.0.0.1:{port}/api/v1/predict", image))
        page = post(f"http://127.0.0.1:{port}/", image)
        peak = next(line for line in Path(f"/proc/{server.pid}/status").read_text().splitlines() if "VmHWM" in line)
    finally:
        server.terminate()
        server.wait(30)
    print(json.dumps({"record": record, "page": page, "peak_kb": int(peak.split()[1]), "network": network()}))


def wait(server: subprocess.Popen, url: str, seconds: float = 180) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            if server.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"The server did not answer; its exit status: {server.poll()}")
            time.sleep(0.05)


def post(url: str, image: bytes) -> str:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="slice.jpg"\r\n\r\n'
    body = head.encode() + image + f"\r\n--{BOUNDARY}--\r\n".encode()
    kind = f"multipart/form-data; boundary={BOUNDARY}"
    with urllib.request.urlopen(urllib.request.Request(url, body, {"Content-Type": kind}), timeout=60) as answer:
        return answer.read().decode()


def network() -> bool:
    """Whether there is a way out of this computer."""
    with socket.socket() as way_out:
        way_out.settimeout(1)
        try:
            way_out.connect(OUTSIDE)
        except TimeoutError:
            return True
        except OSError as error:
            return "unreachable" not in str(error).lower()
    return True


if __name__ == "__main__":
    main()
