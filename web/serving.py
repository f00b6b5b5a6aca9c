"""Waitress around the app: one listening socket, uploads kept off the disk, an orderly end."""

import ctypes
import gc
import io
import itertools
import os
import signal
import socket
import sys
from collections.abc import Mapping
from weakref import WeakSet

import waitress
from flask import Flask
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser

from web.following import stop_all
from web.settings import MOST_RECEIVED

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # of glibc's mallopt
ARENAS = 1
MAPPED = 2**21  # bytes from which a piece of memory is given back to the system as soon as it is free: more than a usual slice
KEPT = 2**22  # bytes that a heap may keep at its end; one that gave them back would ask for them again with the next slice
TIDIED_EVERY = 64  # answers; for milliseconds whoever asks for memory waits, and what was given back is soon fetched again
NEVER = 2**62  # answers carry the picture; waitress would put large ones into temporary files


class NotHeld(io.BytesIO):
    """Stands, empty, for a body that there was no room for; the app asks a client to come back that sent one."""


class Room:
    """How many bytes all bodies may hold at one time, those of requests that wait for their turn too.

    Only the thread that receives asks for room, and a body counts no longer than it exists: there is nothing to lock, and
    nothing that a client which goes away could leave behind.
    """

    def __init__(self, limit: int):
        self.limit = limit
        self.bodies: WeakSet[Body] = WeakSet()

    @classmethod
    def of(cls, config: Mapping) -> "Room":
        """As the settings have it, but for one whole request at least: else the largest would be put off for ever."""
        return cls(max(config["MAX_HELD_BYTES"], config["MAX_CONTENT_LENGTH"]))

    def left(self) -> int:
        return self.limit - sum(body.held for body in self.bodies)


class Body:
    """A request's body in memory. It counts every byte, but holds none once there are more than `limit` or than is room for.

    Waitress spools large bodies to temporary files. A scan must not touch the disk, and a body past the limit is
    refused by the app whatever it holds.

    Attributes:
        size: bytes that came.
        held: bytes that are in memory.
    """

    def __init__(self, limit: int, room: Room):
        self.limit, self.room = limit, room
        self.size = self.held = 0
        self.file = io.BytesIO()
        room.bodies.add(self)

    def __len__(self) -> int:
        return self.size

    def append(self, data: bytes) -> None:
        whole = self.held == self.size
        self.size += len(data)
        if whole and self.size <= self.limit and len(data) <= self.room.left():
            self.file.write(data)
            self.held = self.size
        elif self.held:
            self.file, self.held = io.BytesIO(), 0

    def getfile(self) -> io.BytesIO:
        if self.held < self.size <= self.limit:
            return NotHeld()
        self.file.seek(0)
        return self.file

    def close(self) -> None:
        self.file.close()
        self.held = 0


class Parser(HTTPRequestParser):
    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)
        if self.body_rcv is not None:
            self.body_rcv.buf = Body(self.adj.inbuf_overflow, self.adj.room)


def give_back() -> None:
    """Every free page of glibc's heap to the system; with another C library nothing is done.

    By itself glibc gives back what lies at the heap's end. What slices of many sizes leave further down adds up.
    """
    glibc("malloc_trim", 0)


def glibc(function: str, *arguments: int) -> None:
    """Call one of glibc's functions; with another C library, which has no such function, do nothing."""
    try:
        getattr(ctypes.CDLL(None), function)(*arguments)
    except (AttributeError, OSError, TypeError):
        return


class Channel(HTTPChannel):
    parser_class = Parser

    def service(self) -> None:
        super().service()
        if not next(self.server.answers) % TIDIED_EVERY:
            give_back()


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Opened before the model is loaded, so that a port in use is told at once.

    Raises:
        OSError: the port is in use or not allowed, or the host is not an address of this computer.
    """
    family, *_ = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    return socket.create_server((host, port), family=family)


def keep_memory_flat() -> None:
    """Let all threads share one of glibc's heaps, keep large slices out of it, and usual ones in.

    By default it makes up to eight heaps for each core, and keeps what was freed in each: a fifth more memory once several
    people have asked. And it takes what was freed for the measure of what belongs in a heap, until slices of all sizes lie
    there and leave gaps between what stays. But what is given back is handed out page by page when it is asked for again:
    were that so for every slice of 512 x 512 and all that is computed of it, an answer would take longer (to see it:
    `MALLOC_MMAP_THRESHOLD_=131072 MALLOC_TRIM_THRESHOLD_=131072 python scripts/benchmark.py --quick`). With two heaps, memory
    grew. Whoever set MALLOC_ARENA_MAX, MALLOC_MMAP_THRESHOLD_ or MALLOC_TRIM_THRESHOLD_ is left alone.
    """
    choices = (
        ("MALLOC_ARENA_MAX", M_ARENA_MAX, ARENAS),
        ("MALLOC_MMAP_THRESHOLD_", M_MMAP_THRESHOLD, MAPPED),
        ("MALLOC_TRIM_THRESHOLD_", M_TRIM_THRESHOLD, KEPT),
    )
    for name, option, value in choices:
        if name not in os.environ:
            glibc("mallopt", option, value)


def stop_on_signals() -> None:
    """Ctrl-C and SIGTERM end the process with exit code 0, also while the model is still being loaded."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(0))


def address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(app: Flask, listener: socket.socket) -> None:
    """Answer requests until a signal comes; answers in work get five seconds to end, then they are given up."""
    server = waitress.create_server(
        app,
        sockets=[listener],
        ident=None,
        # Room for all who work or wait, and a few more who hear at once that it is busy or healthy.
        threads=app.config["MAX_CONCURRENT"] + app.config["MAX_WAITING"] + 4,
        inbuf_overflow=app.config["MAX_CONTENT_LENGTH"],
        outbuf_overflow=NEVER,
        max_request_body_size=MOST_RECEIVED,  # an oversize body is read and dropped so far, so that its client hears why
        channel_request_lookahead=1,  # so that web/pages.py hears of a client that went away
    )
    server.channel_class = Channel
    server.answers = itertools.count(1)
    server.adj.room = Room.of(app.config)
    gc.freeze()  # what the start made stays, and no answer waits while all of it is looked through for garbage
    try:
        server.run()
    finally:  # also after a second signal, which does not wait those five seconds
        stop_all()
