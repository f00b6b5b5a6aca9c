"""Commands in a namespace of their own: without a network but loopback, and with the repository read-only.

    namespace(["python", "-c", "..."])        # what to give to subprocess.run
    python tests/offline.py COMMAND ...       # inside: readies the namespace, becomes the command

Linux only, and only where this user may make namespaces: `permitted()`.
"""

import fcntl
import functools
import os
import socket
import struct
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SIOCSIFFLAGS = 0x8914
IFF_UP = 0x1
UNSHARE = ["unshare", "--map-root-user", "--net", "--mount"]


@functools.cache
def permitted() -> str:
    """Why no such namespace can be made here; empty when it can."""
    try:
        done = subprocess.run(namespace(["true"]), capture_output=True, text=True, timeout=60)
    except FileNotFoundError:
        return "unshare is not installed"
    return (done.stderr.strip().splitlines() or ["unshare failed"])[-1] if done.returncode else ""


def namespace(command: list[str]) -> list[str]:
    return [*UNSHARE, sys.executable, str(Path(__file__).resolve()), *command]


def main() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", IFF_UP))
    for options in (["--bind"], ["-o", "remount,bind,ro"]):
        subprocess.run(["mount", *options, str(ROOT), str(ROOT)], check=True)
    os.chdir(ROOT)  # again: the working directory was the one below the mount
    os.execvp(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()
