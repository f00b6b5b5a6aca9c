"""Small pictures, and files that claim what they do not hold."""

import struct
import zlib

import numpy as np
from PIL import Image

from format_samples import ifd

HEIGHT, WIDTH = 12, 16
RNG = np.random.default_rng(7)
GRAY = RNG.integers(0, 256, (HEIGHT, WIDTH), np.uint8)
RGB = RNG.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
RGBA = RNG.integers(0, 256, (HEIGHT, WIDTH, 4), np.uint8)
RGBA[..., 3] |= 1  # WebP may drop the color of what is fully transparent
LA = RNG.integers(0, 256, (HEIGHT, WIDTH, 2), np.uint8)
DEEP = RNG.integers(0, 65536, (HEIGHT, WIDTH), np.uint16)
FLOAT = RNG.normal(0, 1000, (HEIGHT, WIDTH)).astype(np.float32)
BITS = np.where(GRAY > 127, 255, 0).astype(np.uint8)
SMOOTH = np.stack(
    np.broadcast_arrays(np.linspace(40, 200, 64), np.linspace(30, 220, 48)[:, None], np.float64(90)), axis=-1
).astype(np.uint8)
SMOOTH_GRAY = np.ascontiguousarray(SMOOTH[..., 0])


def exif(orientation):
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def chain(count: int) -> bytes:
    """A TIFF of an empty page of 2 x 2 pixels, and of it `count` smaller copies."""
    page = {256: 2, 257: 2, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 2, 279: 4}
    out = b"II*\0" + struct.pack("<I", 12) + bytes(4) + ifd(page, 12 + len(ifd(page)) if count else 0)
    parts = [out]
    place, length = len(out), len(ifd(page | {254: 1}))
    for i in range(count):
        parts.append(ifd(page | {254: 1}, place + (i + 1) * length if i < count - 1 else 0))
    return b"".join(parts)


def png_header(width, height):
    """A PNG that claims a size and holds next to nothing."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")


def png16(values: np.ndarray) -> bytes:
    """A PNG of uint16 (H, W, 2..4), which Pillow does not write. W3C PNG, 11.2."""
    height, width, channels = values.shape

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 16, {2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
