"""JPEG Lossless (ITU-T T.81, process 14, selection value 1), which scanners and archives write and Pillow does not read.

The packages that read it are under the GPL or crash on damaged data; see docs/formats.md. This decoder is NumPy: the length
of the code that would begin at every bit is looked up at once, then one short loop steps from code to code.
"""

import re

import numpy as np

CHUNK = 1 << 16  # bytes looked at at once
REACH = 32  # bytes past a chunk that its last codes may need: 4 components of 31 bits each
SOF3, DHT, SOS, DRI, EOI = 0xC3, 0xC4, 0xDA, 0xDD, 0xD9
WITHOUT_LENGTH = {0xD8, 0x01, *range(0xD0, 0xD8)}


def decode(data: bytes) -> np.ndarray:
    """Decode one picture: unsigned 8- or 16-bit (H, W) or, when its components lie interleaved, (H, W, components).

    Raises:
        NotImplementedError: JPEG of another kind, or with a predictor other than the left neighbor.
        ValueError, IndexError: damaged or cut short.
    """
    tables: dict[int, bytes] = {}
    shape, precision, restart, place = None, 0, 0, 2
    while True:
        while data[place] != 0xFF or data[place + 1] == 0xFF:
            place += 1
        marker = data[place + 1]
        place += 2
        if marker in WITHOUT_LENGTH:
            continue
        length = int.from_bytes(data[place : place + 2])
        body = data[place + 2 : place + length]
        place += max(length, 2)
        if marker == SOF3:
            precision, shape = body[0], (int.from_bytes(body[1:3]), int.from_bytes(body[3:5]), body[5])
            if any(body[7 + 3 * i] != 0x11 for i in range(shape[2])):
                raise NotImplementedError("components of different sizes")
        elif marker == DHT:
            tables |= dict(_huffman_tables(body))
        elif marker == DRI:
            restart = int.from_bytes(body[:2])
        elif marker == SOS:
            break
        elif marker == EOI or 0xC0 <= marker <= 0xCF:
            raise NotImplementedError("another kind of JPEG")
    if shape is None or 0 in shape or not 2 <= precision <= 16:
        raise ValueError("no size before the scan")
    if body[0] != shape[2] or body[-3] != 1:
        raise NotImplementedError("another predictor, or components one after the other")
    shift = body[-1] & 15
    chosen = [_look_up(tables[body[2 + 2 * i] >> 4]) for i in range(shape[2])]
    values = _scan(data[place:], shape, chosen, precision - shift, restart)
    return values.astype(np.uint8 if precision <= 8 else np.uint16) << shift


def _huffman_tables(body: bytes):
    """Yield (number, how many codes have each length, and their values). A file may hold many; those used are built."""
    place = 0
    while place + 17 <= len(body):
        end = place + 17 + sum(body[place + 1 : place + 17])
        yield body[place] & 15, body[place + 1 : end]
        place = end


def _look_up(table: bytes) -> tuple[np.ndarray, np.ndarray]:
    """The length of the code and the bits that follow it, each uint8 (65536,) by the next 16 bits; 0 is no code."""
    lengths, extras = np.zeros(1 << 16, np.uint8), np.zeros(1 << 16, np.uint8)
    code, place = 0, 16
    for length, count in enumerate(table[:16], start=1):
        for _ in range(count):
            first, last = code << (16 - length), (code + 1) << (16 - length)
            if last > 1 << 16 or table[place] > 16:
                raise ValueError("an impossible Huffman table")
            lengths[first:last], extras[first:last] = length, table[place]
            code += 1
            place += 1
        code <<= 1
    return lengths, extras


def _scan(data: bytes, shape: tuple[int, int, int], tables: list, bits: int, restart: int) -> np.ndarray:
    height, width, components = shape
    end = re.search(rb"\xff[^\x00\xd0-\xd7\xff]", data)
    parts = re.split(rb"\xff[\xd0-\xd7]", data[: end.start()] if end else data) if restart else [data]
    rows = restart // width if restart else height
    if rows == 0 or restart % width:
        raise NotImplementedError("restarts within a row")
    if height * width * components > 8 * len(data):
        raise ValueError("too few bytes for the picture")
    out = np.empty(shape, np.uint8 if bits <= 8 else np.uint16)
    for index, top in enumerate(range(0, height, rows)):
        block = out[top : top + rows]
        differences = _differences(parts[index].replace(b"\xff\x00", b"\xff"), block.size, tables).reshape(block.shape)
        # T.81, H.1.2.1: the first sample is predicted as half the range, its column from above, the rest from the left.
        differences[0, 0] += 1 << (bits - 1)
        differences[:, 0] = np.cumsum(differences[:, 0], axis=0)
        block[:] = np.cumsum(differences, axis=1) & 0xFFFF
    return out if components > 1 else out[..., 0]


def _differences(data: bytes, count: int, tables: list) -> np.ndarray:
    """The first `count` differences coded in `data`, int64; tables take turns."""
    padded = np.frombuffer(data + bytes(REACH + 4), np.uint8).astype(np.uint32)
    words = (padded[:-2] << 16) | (padded[1:-1] << 8) | padded[2:]
    parts, done, place, turns = [], 0, 0, len(tables)
    while done < count:
        base = place >> 3
        if base >= len(data):
            raise ValueError("cut short")
        near = words[base : base + CHUNK + REACH]
        windows = ((near[:, None] >> np.arange(8, 0, -1, dtype=np.uint32)) & 0xFFFF).ravel()
        # A code that is none has no length; the loop stays on it until the count is full, and it is found below.
        steps = [(lengths + extras % 16)[windows].tobytes() for lengths, extras in tables]  # after a 16 no bits follow
        at, limit = place - 8 * base, 8 * min(CHUNK, len(data) - base)
        places = []
        room = count - done
        while at < limit and len(places) < room:
            for step in steps:
                places.append(at)
                at += step[at]
        parts.append(_values(near, windows, np.array(places).reshape(-1, turns), tables).ravel())
        done += len(places)
        place = 8 * base + at
    if place > 8 * len(data):
        raise ValueError("cut short")
    return np.concatenate(parts)


def _values(words: np.ndarray, windows: np.ndarray, places: np.ndarray, tables: list) -> np.ndarray:
    """Read the bits after each code: T.81, table H.2 and F.2.2.1's EXTEND. (n, components) in and out."""
    out = np.empty(places.shape, np.int64)
    for column, (lengths, extras) in enumerate(tables):
        codes = windows[places[:, column]]
        if not lengths[codes].all():
            raise ValueError("not a code")
        extra = extras[codes].astype(np.int64)
        start = places[:, column] + lengths[codes]
        following = (words[start >> 3].astype(np.int64) >> (8 - (start & 7))) & 0xFFFF
        value = np.where(extra == 16, 0, following >> (16 - extra))
        negative = value < (1 << np.maximum(extra - 1, 0))
        value = np.where(negative & (extra > 0), value - (1 << extra) + 1, value)
        out[:, column] = np.where(extra == 16, 32768, value)
    return out
