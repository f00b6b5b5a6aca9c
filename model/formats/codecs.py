"""Decoders that pydicom takes as plugins, in place of what is missing or unbounded. See docs/formats.md.

`is_available`, `DECODER_DEPENDENCIES` and the functions' signature are those that pydicom asks of a plugin.
"""

from importlib.util import find_spec

import numpy as np
from pydicom.pixels import get_decoder
from pydicom.uid import UID, JPEGLossless, JPEGLosslessSV1, JPEGLSLossless, JPEGLSNearLossless, RLELossless

from model.formats import apart, jpeg_lossless

LABEL = "earlymed"
FUNCTIONS = {
    RLELossless: "decode_rle",
    JPEGLossless: "decode_jpeg_lossless",
    JPEGLosslessSV1: "decode_jpeg_lossless",
    JPEGLSLossless: "decode_jpeg_ls",
    JPEGLSNearLossless: "decode_jpeg_ls",
}
DECODER_DEPENDENCIES = dict.fromkeys(FUNCTIONS, ("numpy",))
JPEG_LS = apart.Decoder()


def is_available(uid: UID) -> bool:
    return uid in FUNCTIONS and (FUNCTIONS[uid] != "decode_jpeg_ls" or find_spec("jpeg_ls") is not None)


def register() -> None:
    """Make the plugins known to pydicom; once is enough, more does no harm."""
    for uid, function in FUNCTIONS.items():
        decoder = get_decoder(uid)
        if LABEL not in decoder.available_plugins:
            decoder.add_plugin(LABEL, (__name__, function))


def decode_jpeg_lossless(data: bytes, runner) -> bytes:
    values = jpeg_lossless.decode(data)
    if values.dtype.itemsize * 8 > runner.bits_allocated:
        raise ValueError("more bits than are allocated")
    runner.set_option("planar_configuration", 0)
    return values.astype(f"<u{runner.bits_allocated // 8}").tobytes()


def decode_jpeg_ls(data: bytes, runner) -> bytes:
    samples, facts = JPEG_LS.decode(data, runner.rows * runner.columns)
    if facts["components"] > 1:
        runner.set_option("planar_configuration", int(facts["interleave_mode"] == 0))
    runner.set_option("bits_allocated", 8 if facts["bits_per_sample"] <= 8 else 16)
    return samples


def decode_rle(data: bytes, runner) -> bytes:
    """PS3.5, annex G: a header of 16 numbers, then one segment for each byte of each sample, its highest byte first.

    pydicom's own decoder unpacks a segment to whatever length it claims; here it ends at the picture's size.
    """
    size, width = runner.rows * runner.columns, runner.bits_allocated // 8
    count, *offsets = np.frombuffer(data[:64], "<u4").tolist()
    if count != width * runner.samples_per_pixel or count > 15:
        raise ValueError("another number of segments than the pixels need")
    ends = [*offsets[1:count], len(data)]
    planes = [unpack_bits(data[a:b], size) for a, b in zip(offsets, ends, strict=False)]
    samples = np.frombuffer(b"".join(planes), np.uint8).reshape(runner.samples_per_pixel, width, size)
    runner.set_option("planar_configuration", 1)
    return samples[:, ::-1].transpose(0, 2, 1).tobytes()  # lowest byte first, one plane after the other


def unpack_bits(data: bytes, size: int) -> bytes:
    """Unpack one PackBits segment to exactly `size` bytes; ValueError when it holds fewer."""
    out, place, end = bytearray(), 0, len(data)
    while len(out) < size and place < end:
        code = data[place]
        if code < 128:
            out += data[place + 1 : place + 2 + code]
            place += 2 + code
        else:
            if code > 128:
                out += data[place + 1 : place + 2] * (257 - code)
            place += 2 if code > 128 else 1
    if len(out) < size:
        raise ValueError("fewer bytes than pixels")
    return bytes(out[:size])
