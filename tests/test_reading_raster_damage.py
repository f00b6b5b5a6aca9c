"""Pictures that are cut short, damaged, or made to take all there is."""

import struct
import time
import zlib

import numpy as np
import pytest
from pydicom.uid import JPEGBaseline8Bit

from format_samples import encapsulated, encode, ifd
from model.reading import Limits, OverLimit, ReadError, read
from rasters import DEEP, GRAY, HEIGHT, RGB, SMOOTH, SMOOTH_GRAY, WIDTH, chain, exif, png_header


def tiled(side: int) -> bytes:
    """A TIFF of 16 x 16 pixels in one tile of another size, which is compressed."""
    data = zlib.compress(bytes(side * side), 9)
    tags = {256: 16, 257: 16, 258: 8, 259: 8, 262: 1, 277: 1, 322: side, 323: side, 324: 8, 325: len(data)}
    return b"II*\0" + struct.pack("<I", 8 + len(data)) + data + ifd(tags)


def test_pages_of_a_tiff_without_end_are_not_all_looked_at():
    assert len(read(chain(0))) == len(read(chain(40), Limits(max_slices=11))) == 1
    started = time.process_time()
    with pytest.raises(OverLimit, match=r"^Expected at most 1,024 slices\. Received: many more\.$"):
        read(chain(200_000))
    assert time.process_time() - started < 10


def test_the_only_page_of_a_tiff_is_read_whatever_it_calls_itself():
    page = {254: 1, 256: 2, 257: 2, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 2, 279: 4}
    assert read(b"II*\0" + struct.pack("<I", 12) + bytes(range(4)) + ifd(page))[0].tolist() == [[0, 1], [2, 3]]


def test_a_tile_counts_as_large_as_it_is_decoded():
    assert read(tiled(256))[0].shape == (16, 16)
    with pytest.raises(OverLimit, match=r"^Expected at most 64,000,000 pixels\. Received: 16384 x 16384\.$"):
        read(tiled(16_384))


def scans(count: int) -> bytes:
    """A progressive JPEG of so many scans: its last one again and again."""
    whole = encode(SMOOTH_GRAY, "JPEG", progressive=True)
    last = whole[whole.rfind(b"\xff\xda") : -2]
    return whole[:-2] + last * (count - whole.count(b"\xff\xda")) + b"\xff\xd9"


def with_parts(part: bytes, count: int) -> bytes:
    whole = encode(SMOOTH_GRAY, "JPEG")
    return whole[:2] + part * count + whole[2:]


def png_chunks(count: int) -> bytes:
    whole = encode(SMOOTH_GRAY, "PNG")
    return whole[:33] + (struct.pack(">I", 0) + b"abCd" + struct.pack(">I", zlib.crc32(b"abCd"))) * count + whole[33:]


DAMAGED_JPEG = r"^Expected a whole JPEG image\. Received: one that is damaged or cut short\.$"
APP5, COMMENT = b"\xff\xe5\0\2", b"\xff\xfe\xff\xff" + bytes(65533)


@pytest.mark.parametrize(
    ("few", "many"),
    [
        (scans(100), scans(101)),
        (with_parts(APP5, 9_900), with_parts(APP5, 10_001)),
        (with_parts(COMMENT, 250), with_parts(COMMENT, 257)),
        (with_parts(b"\xff", 65_000), with_parts(b"\xff", 65_537)),
        (with_parts(b"\xff", 65_000), with_parts(b"\xff", 30_000_000)),
    ],
    ids=["scans", "segments", "metadata", "fill", "much fill"],
)
def test_a_jpeg_of_endless_parts_is_not_decoded(few, many):
    assert read(few)[0].shape == SMOOTH_GRAY.shape
    started = time.process_time()
    with pytest.raises(ReadError, match=DAMAGED_JPEG):
        read(many)
    assert time.process_time() - started < 2


def test_a_jpeg_of_endless_scans_in_dicom_is_not_decoded():
    data = encapsulated(JPEGBaseline8Bit, [scans(101)], SMOOTH_GRAY, BitsStored=8)
    with pytest.raises(ReadError, match=DAMAGED_JPEG):
        read(data)


def test_a_png_of_endless_chunks_is_not_decoded():
    assert (read(png_chunks(99_000))[0] == SMOOTH_GRAY).all()
    with pytest.raises(ReadError, match=r"^Expected a whole PNG image\. Received: one that is damaged or cut short\.$"):
        read(png_chunks(100_001))


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize(
    "junk",
    [
        b"garbage!!",
        b"",
        b"II*\0\xff\xff\xff\xff",
        b"II*\0\x08\0\0\0\x05\0",
        b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x02\0\0\0\x04abc\0",
    ],
)
def test_broken_exif_does_not_spoil_a_good_jpeg(junk):
    (pixels,) = read(encode(SMOOTH_GRAY, "JPEG", exif=b"Exif\0\0" + junk, quality=95))
    assert np.abs(pixels.astype(int) - SMOOTH_GRAY).max() <= 12


@pytest.mark.parametrize(
    ("data", "max_pixels", "message"),
    [
        pytest.param(encode(GRAY, "PNG"), 191, "Expected at most 191 pixels. Received: 16 x 12.", id="one too many"),
        pytest.param(
            png_header(8001, 8001), 64_000_000, "Expected at most 64,000,000 pixels. Received: 8001 x 8001.", id="8001"
        ),
        pytest.param(
            png_header(10_000, 10_000), 64_000_000, "Expected at most 64,000,000 pixels. Received: 10000 x 10000.", id="bomb"
        ),
        pytest.param(
            png_header(2**31 - 1, 2**31 - 1),
            64_000_000,
            "Expected at most 64,000,000 pixels. Received: many more.",
            id="largest header",
        ),
    ],
)
def test_too_many_pixels_are_refused_before_they_are_decoded(data, max_pixels, message):
    with pytest.raises(OverLimit) as caught:
        read(data, Limits(max_pixels=max_pixels))
    assert str(caught.value) == message
    assert caught.value.code == "unreadable"


def test_exactly_the_largest_number_of_pixels_is_read():
    np.testing.assert_array_equal(read(encode(GRAY, "PNG"), Limits(max_pixels=HEIGHT * WIDTH))[0], GRAY)


SAMPLES = {
    "PNG": encode(RGB, "PNG"),
    "PNG 16 bit": encode(DEEP, "PNG"),
    "JPEG": encode(SMOOTH, "JPEG", exif=exif(6)),
    "WEBP": encode(SMOOTH, "WEBP"),
    "BMP": encode(RGB, "BMP"),
    "TIFF": encode(RGB, "TIFF"),
    "TIFF LZW": encode(SMOOTH, "TIFF", compression="tiff_lzw"),
}


def read_or_refuse(data):
    """The slice's shape, or None for a ReadError; any other exception goes through and fails the test."""
    try:
        slices = read(data, Limits(max_pixels=100_000))
    except ReadError as error:
        assert str(error).endswith((".", ")"))
        return None
    assert len(slices) == 1
    assert slices[0].ndim in (2, 3)
    assert slices[0].size > 0
    return slices[0].shape


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", SAMPLES)
def test_a_file_cut_short_is_read_or_refused(name):
    whole = SAMPLES[name]
    assert read_or_refuse(whole) is not None
    lengths = sorted({*range(1, min(80, len(whole))), *(len(whole) * k // 16 for k in range(1, 16)), len(whole) - 1})
    refused = [read_or_refuse(whole[:length]) is None for length in lengths]
    assert all(refused[:20])
    assert refused[lengths.index(len(whole) // 2)]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    ("name", "eighths", "message"),
    [
        ("PNG", 4, "Expected a whole PNG image. Received: one that is damaged or cut short."),
        ("JPEG", 7, "Expected a whole JPEG image. Received: one that is damaged or cut short."),
        ("JPEG", 2, "Expected a whole JPEG image. Received: one that is damaged or cut short."),
        ("WEBP", 4, "Expected a whole WEBP image. Received: one that is damaged or cut short."),
        ("BMP", 4, "Expected a whole BMP image. Received: one that is damaged or cut short."),
        ("TIFF", 6, "Expected a whole TIFF image. Received: one that is damaged or cut short."),
    ],
)
def test_a_file_cut_short_says_so(name, eighths, message):
    with pytest.raises(ReadError, match=f"^{message}$") as caught:
        read(SAMPLES[name][: len(SAMPLES[name]) * eighths // 8])
    assert caught.value.code == "unreadable"


# The design: 415 is not a format it reads, 422 a file of that format that cannot be read.
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    ("name", "length"), [("PNG", 20), ("TIFF", 12), ("TIFF LZW", len(SAMPLES["TIFF LZW"]) * 3 // 4), ("BMP", 20)]
)
def test_a_cut_file_whose_magic_is_right_is_unreadable_not_unsupported(name, length):
    with pytest.raises(ReadError, match="damaged") as caught:
        read(SAMPLES[name][:length])
    assert caught.value.code == "unreadable"


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", SAMPLES)
def test_corrupted_bytes_are_read_or_refused(name):
    whole = np.frombuffer(SAMPLES[name], np.uint8)
    rng = np.random.default_rng(len(whole))
    outcomes = set()
    for turn in range(600):
        data = whole.copy()
        reach = 60 if turn % 2 else len(data)  # half of them hit the header
        places = rng.integers(0, reach, rng.integers(1, 12))
        data[places] = rng.integers(0, 256, len(places))
        outcomes.add(read_or_refuse(data.tobytes()) is None)
    assert outcomes >= {True}


def test_an_error_of_another_type_than_oserror_is_a_read_error():
    whole = SAMPLES["PNG"]
    body = whole[16:20]  # an IHDR of four bytes, its checksum right: Pillow raises ValueError
    short = whole[:8] + struct.pack(">I", 4) + b"IHDR" + body + struct.pack(">I", zlib.crc32(b"IHDR" + body))
    with pytest.raises(ReadError, match=r"^Expected a whole PNG image\. Received: one that is damaged or cut short\.$"):
        read(short + whole[33:])


# No slice can come of it, and preprocess would raise ValueError where callers wait for ReadError.
def test_a_float_image_without_a_finite_value_is_unreadable():
    with pytest.raises(ReadError, match="finite"):
        read(encode(np.full((HEIGHT, WIDTH), np.nan, np.float32), "TIFF"))
