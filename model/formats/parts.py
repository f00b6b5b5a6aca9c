"""How many parts a JPEG or PNG consists of, asked before it is decoded.

Decoders take every part in turn. One of a few bytes may cost them a pass over the whole picture, or a hundred times its
size in memory, so that a file within all other limits would keep them at work for hours.
"""

import re

from model.formats.common import SMALL, damaged

MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")  # T.81, B.1.1.2; neither a stuffed byte nor a restart within a scan
START_OF_IMAGE, END_OF_IMAGE, START_OF_SCAN, TEMPORARY = 0xD8, 0xD9, 0xDA, 0x01
MAX_SCANS = 100  # as libtiff allows; progressive pictures have about ten
MAX_SEGMENTS = 10_000  # photographs have some dozens
MAX_FILL = 2**16  # bytes that stand between segments and mean nothing
MAX_CHUNKS = 100_000  # of a PNG; common writers begin a new one every 8 to 64 kB


def check_jpeg(data: bytes) -> None:
    """
    Raises:
        ReadError: more scans, segments, metadata or fill bytes than a picture has.
    """
    place, scans, segments, metadata, fill = 2, 0, 0, 0, 0
    while found := MARKER.search(data, place):
        marker = data[found.end() - 1]
        if marker == END_OF_IMAGE:
            return
        length = 0 if marker in (START_OF_IMAGE, TEMPORARY) else int.from_bytes(data[found.end() : found.end() + 2])
        if not scans:  # after the first, what stands between segments is the picture
            fill += found.start() - place
            metadata += length
        scans += marker == START_OF_SCAN
        segments += 1
        if scans > MAX_SCANS or segments > MAX_SEGMENTS or metadata > SMALL or fill > MAX_FILL:
            raise damaged("JPEG image")
        place = found.end() + length


def check_png(data: bytes) -> None:
    """
    Raises:
        ReadError: more chunks than a picture has.
    """
    place, chunks = 8, 0
    while place < len(data):
        place += 12 + int.from_bytes(data[place : place + 4])  # its length, kind and checksum beside what it holds
        chunks += 1
        if chunks > MAX_CHUNKS:
            raise damaged("PNG image")


CHECKS = {"JPEG": check_jpeg, "PNG": check_png}
