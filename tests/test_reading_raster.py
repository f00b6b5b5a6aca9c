"""Pictures to slices: every format and mode that is read, and what damaged ones say."""

import struct
import time
import zlib

import numpy as np
import pytest
from PIL import Image
from pydicom.uid import JPEGBaseline8Bit

from format_samples import encapsulated, encode, ifd, tiff
from model.reading import Limits, OverLimit, ReadError, UnsupportedFormat, read
from web.messages import said

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


def png_header(width, height):
    """A PNG that claims a size and holds next to nothing."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")


def palette(transparent=None):
    """A picture of four colors by index, its file's options, and the RGBA that it stands for."""
    colors = np.array([[0, 0, 0], [10, 20, 30], [200, 100, 50], [255, 255, 255]], np.uint8)
    indices = (GRAY % 4).astype(np.uint8)
    image = Image.fromarray(indices)
    image.putpalette(colors.tobytes())
    alpha = np.where(indices == transparent, 0, 255).astype(np.uint8)
    options = {} if transparent is None else {"transparency": transparent}
    return image, options, np.dstack([colors[indices], alpha])


PALETTE, _, PALETTE_RGBA = palette()
HOLED, HOLED_OPTIONS, HOLED_RGBA = palette(transparent=2)
BIT_IMAGE = Image.fromarray(BITS).convert("1", dither=Image.Dither.NONE)

LOSSLESS = [
    pytest.param(encode(GRAY, "PNG"), GRAY, id="png gray"),
    pytest.param(encode(RGB, "PNG"), RGB, id="png rgb"),
    pytest.param(encode(RGBA, "PNG"), RGBA, id="png rgba"),
    pytest.param(encode(LA, "PNG"), LA, id="png gray and alpha"),
    pytest.param(encode(PALETTE, "PNG"), PALETTE_RGBA, id="png palette"),
    pytest.param(encode(HOLED, "PNG", **HOLED_OPTIONS), HOLED_RGBA, id="png palette, one color transparent"),
    pytest.param(encode(BIT_IMAGE, "PNG"), BITS, id="png 1 bit"),
    pytest.param(encode(DEEP, "PNG"), DEEP, id="png 16 bit"),
    pytest.param(encode(RGB, "WEBP", lossless=True), RGB, id="webp rgb"),
    pytest.param(encode(RGBA, "WEBP", lossless=True), RGBA, id="webp rgba"),
    pytest.param(encode(GRAY, "WEBP", lossless=True), np.dstack([GRAY] * 3), id="webp gray"),
    pytest.param(encode(GRAY, "BMP"), GRAY, id="bmp gray"),
    pytest.param(encode(RGB, "BMP"), RGB, id="bmp rgb"),
    pytest.param(encode(PALETTE, "BMP"), PALETTE_RGBA, id="bmp palette"),
    pytest.param(encode(BIT_IMAGE, "BMP"), BITS, id="bmp 1 bit"),
    pytest.param(encode(GRAY, "TIFF"), GRAY, id="tiff gray"),
    pytest.param(encode(RGB, "TIFF", compression="tiff_lzw"), RGB, id="tiff rgb, LZW"),
    pytest.param(encode(RGBA, "TIFF", compression="tiff_adobe_deflate"), RGBA, id="tiff rgba, deflate"),
    pytest.param(encode(LA, "TIFF"), LA, id="tiff gray and alpha"),
    pytest.param(encode(PALETTE, "TIFF"), PALETTE_RGBA, id="tiff palette"),
    pytest.param(encode(BIT_IMAGE, "TIFF"), BITS, id="tiff 1 bit"),
    pytest.param(encode(DEEP, "TIFF"), DEEP, id="tiff 16 bit"),
    pytest.param(encode(DEEP.astype(">u2"), "TIFF"), DEEP, id="tiff 16 bit, big-endian"),
    pytest.param(encode(DEEP.astype(np.int32) - 40000, "TIFF"), DEEP.astype(np.int32) - 40000, id="tiff 32 bit"),
    pytest.param(encode(FLOAT, "TIFF"), FLOAT, id="tiff float"),
]
LOSSY = [
    pytest.param(encode(SMOOTH_GRAY, "JPEG", quality=95), SMOOTH_GRAY, id="jpeg gray"),
    pytest.param(encode(SMOOTH, "JPEG", quality=95), SMOOTH, id="jpeg rgb"),
    pytest.param(encode(SMOOTH, "JPEG", quality=95, progressive=True), SMOOTH, id="jpeg progressive"),
    pytest.param(encode(Image.fromarray(SMOOTH).convert("CMYK"), "JPEG", quality=95), SMOOTH, id="jpeg cmyk"),
    pytest.param(encode(SMOOTH, "WEBP", quality=95), SMOOTH, id="webp lossy"),
]


@pytest.mark.parametrize(("data", "expected"), LOSSLESS)
def test_values_are_kept(data, expected):
    slices = read(data)
    assert len(slices) == 1
    assert slices[0].dtype.kind == expected.dtype.kind
    assert slices[0].dtype.itemsize == expected.dtype.itemsize
    np.testing.assert_array_equal(slices[0], expected)


@pytest.mark.parametrize(("data", "expected"), LOSSY)
def test_lossy_formats_come_close(data, expected):
    (pixels,) = read(data)
    assert pixels.dtype == np.uint8
    assert pixels.shape == expected.shape
    assert np.abs(pixels.astype(int) - expected).mean() < 2.5
    assert np.abs(pixels.astype(int) - expected).max() <= 12


# A JPEG with a second picture in it (a telephone's preview) is a JPEG; Pillow names it MPO.
def test_a_jpeg_of_several_pictures_gives_the_first():
    data = encode(SMOOTH, "MPO", save_all=True, append_images=[Image.fromarray(SMOOTH[::-1])], quality=95)
    assert data.startswith(b"\xff\xd8\xff")
    assert np.abs(read(data)[0].astype(int) - SMOOTH).max() <= 12


@pytest.mark.parametrize("format", ["PNG", "WEBP"])
def test_an_animation_is_refused(format):
    data = encode(RGB, format, save_all=True, append_images=[Image.fromarray(RGB[::-1])])
    with pytest.raises(UnsupportedFormat) as caught:
        read(data)
    assert str(caught.value) == f"Expected one picture. Received: an animated {format} of 2 pictures."


WHOLE = DEEP.astype(np.int64)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (tiff(DEEP), WHOLE),
        (tiff(65535 - DEEP, photometric=0), WHOLE),
        (tiff(65535 - DEEP, photometric=0, orientation=3), WHOLE[::-1, ::-1]),
        (tiff(255 - GRAY, photometric=0), GRAY),
        (tiff(-FLOAT, photometric=0), FLOAT),
        (tiff((WHOLE - 2**15).astype(np.int16)), WHOLE - 2**15),
        (tiff((WHOLE * 65000).astype(np.uint32)), WHOLE * 65000),
        (tiff((WHOLE * 30000 - 2**30).astype(np.int32)), WHOLE * 30000 - 2**30),
        (tiff(GRAY.view(np.int8)), GRAY.view(np.int8)),
    ],
)
def test_numbers_of_a_tiff_are_those_that_it_means(data, expected):
    """Pillow leaves to others whether they are signed, and whether 0 is white, of more than 8 bits."""
    np.testing.assert_array_equal(read(data)[0], expected)


@pytest.mark.parametrize("values", [FLOAT.astype(np.float64), FLOAT.astype(np.float16), DEEP.astype(np.uint64)])
def test_a_tiff_of_other_numbers_is_not_called_damaged(app, values):
    message = (
        "Expected a TIFF of numbers that are read, such as whole ones of 16 bits or floats of 32. "
        "Received: one of other numbers or channels. "
        "Please save it as PNG."
    )
    with pytest.raises(UnsupportedFormat) as caught:
        read(tiff(values))
    assert str(caught.value) == message
    with app.test_request_context(headers={"Accept-Language": "es"}):
        assert "lang" not in said(message)
    with pytest.raises(ReadError, match="cut short"):
        read(tiff(values)[:-90])


def test_pages_of_one_size_are_one_series():
    pages = [GRAY, GRAY[::-1], GRAY[:, ::-1]]
    scan = read(encode(pages[0], "TIFF", save_all=True, append_images=[Image.fromarray(p) for p in pages[1:]]))
    assert scan.is_study and scan.spacing is None and scan.affine is None
    assert [(s.start, s.stop) for s in scan.series] == [(0, 3)]
    np.testing.assert_array_equal(np.stack(scan), pages)


def test_pages_of_several_sizes_are_read_and_are_no_series():
    scan = read(encode(GRAY, "TIFF", save_all=True, append_images=[Image.fromarray(GRAY[:5])]))
    assert [pixels.shape for pixels in scan] == [(12, 16), (5, 16)]
    assert not scan.is_study and scan.series == ()


def test_every_page_is_turned_by_its_own_exif():
    turned = Image.fromarray(GRAY)
    turned.encoderinfo = {"tiffinfo": {0x0112: 6}}
    scan = read(encode(GRAY, "TIFF", save_all=True, append_images=[turned]))
    np.testing.assert_array_equal(scan[0], GRAY)
    np.testing.assert_array_equal(scan[1], np.rot90(GRAY, -1))


def test_smaller_copies_of_a_page_are_left_out():
    small = Image.fromarray(GRAY[:6, :8])
    small.encoderinfo = {"tiffinfo": {254: 1}}
    (pixels,) = read(encode(GRAY, "TIFF", save_all=True, append_images=[small]))
    np.testing.assert_array_equal(pixels, GRAY)


def test_pages_count_together():
    data = encode(GRAY, "TIFF", save_all=True, append_images=[Image.fromarray(GRAY)] * 3)
    assert len(read(data, Limits(max_slices=4, max_pixels=4 * GRAY.size))) == 4
    with pytest.raises(OverLimit, match=r"^Expected at most 3 slices\. Received: 4\.$"):
        read(data, Limits(max_slices=3))
    with pytest.raises(OverLimit, match=r"^Expected at most 767 pixels\. Received: 768 so far\.$"):
        read(data, Limits(max_pixels=4 * GRAY.size - 1))


@pytest.mark.parametrize(
    ("orientation", "turn"),
    [
        (1, lambda a: a),
        (2, np.fliplr),
        (3, lambda a: np.rot90(a, 2)),
        (4, np.flipud),
        (5, lambda a: a.swapaxes(0, 1)),
        (6, lambda a: np.rot90(a, -1)),
        (7, lambda a: np.rot90(a, 2).swapaxes(0, 1)),
        (8, np.rot90),
    ],
)
@pytest.mark.parametrize(
    ("pixels", "format"), [(GRAY, "PNG"), (RGB, "TIFF"), (DEEP, "PNG"), (DEEP, "TIFF"), (FLOAT, "TIFF"), (RGBA, "WEBP")]
)
def test_exif_orientation_is_applied(orientation, turn, pixels, format):
    options = {"lossless": True} if format == "WEBP" else {}
    np.testing.assert_array_equal(read(encode(pixels, format, exif=exif(orientation), **options))[0], turn(pixels))


def test_exif_orientation_of_a_jpeg():
    (pixels,) = read(encode(SMOOTH_GRAY, "JPEG", exif=exif(6), quality=95))
    assert pixels.shape == (64, 48)
    assert np.abs(pixels.astype(int) - np.rot90(SMOOTH_GRAY, -1)).max() <= 12


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
