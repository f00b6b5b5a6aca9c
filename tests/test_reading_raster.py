"""Pictures to slices: every format and mode that is read, and what damaged ones say."""

import re
import struct
import warnings

import numpy as np
import pytest
from PIL import Image

from format_samples import encode, tiff
from model.reading import Limits, OverLimit, ReadError, UnsupportedFormat, read
from rasters import BITS, DEEP, FLOAT, GRAY, LA, RGB, RGBA, SMOOTH, SMOOTH_GRAY, exif, png16
from web.messages import said


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
ALMOST = GRAY ^ (np.arange(GRAY.size) == GRAY.size - 1).reshape(GRAY.shape).astype(np.uint8)  # in the last pixel another
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
    pytest.param(encode(GRAY, "WEBP", lossless=True), GRAY, id="webp gray"),
    pytest.param(encode(np.dstack([GRAY] * 3), "PNG"), GRAY, id="png gray, stored as rgb"),
    *(
        pytest.param(encode(np.dstack(channels), "PNG"), np.dstack(channels), id=f"png rgb, gray but for its {which} channel")
        for which, channels in (("second", [GRAY, ALMOST, GRAY]), ("third", [GRAY, GRAY, ALMOST]))
    ),
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


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_several_channels_of_16_bits_are_read_with_8_or_not_at_all(app, channels):
    """Pillow keeps the upper 8, which of a scan of 12 bits leave 16 grays."""
    values = np.repeat(DEEP[..., None], channels, 2)
    if channels != 3:
        values[..., -1] = 65535
    scan = read(png16(values))
    np.testing.assert_array_equal(scan[0][..., 0] if scan[0].ndim == 3 else scan[0], DEEP >> 8)
    message = (
        "Expected one channel of gray where a picture has 16 bits. Received: several, which use few of their values. "
        "Please save it as gray."
    )
    values[..., : 3 if channels > 2 else 1] >>= 4
    with pytest.raises(UnsupportedFormat, match=re.escape(message) + "$"):
        read(png16(values))


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


@pytest.mark.parametrize("place", [0, 200], ids=["in the file", "beyond it"])
def test_a_directory_whose_values_are_not_there_is_damaged(place):
    """Wherever it lies: here before the pixels, of 64 bits, and a table of 99 numbers of another tag."""
    tags = {256: 4, 257: 4, 258: 64, 259: 1, 262: 1, 277: 1, 278: 4, 279: 128, 339: 3, 273: 8 + 2 + 11 * 12 + 4}
    entries = [(tag, 4, 1, value) for tag, value in tags.items()] + [(700, 1, 99, 8 + place)]
    directory = b"".join(struct.pack("<HHII", *entry) for entry in sorted(entries))
    data = b"II*\0" + struct.pack("<IH", 8, len(entries)) + directory + bytes(4) + bytes(128)
    kind, message = (ReadError, "cut short") if place else (UnsupportedFormat, "Expected a TIFF of numbers that are read")
    with pytest.raises(ReadError, match=message) as caught:
        read(data)
    assert type(caught.value) is kind


def test_no_warning_of_others_becomes_an_error_meanwhile(monkeypatch):
    """Python's filters of warnings are those of all threads."""
    actions, real = [], warnings.simplefilter
    monkeypatch.setattr(warnings, "simplefilter", lambda action, *rest: (actions.append(action), real(action, *rest)))
    with pytest.raises(UnsupportedFormat):
        read(tiff(FLOAT.astype(np.float64)))
    assert set(actions) == {"ignore"}


def test_pages_of_one_size_are_one_series():
    pages = [GRAY, GRAY[::-1], GRAY[:, ::-1]]
    scan = read(encode(pages[0], "TIFF", save_all=True, append_images=[Image.fromarray(p) for p in pages[1:]]))
    assert scan.is_study and scan.spacing is None and scan.affine is None
    assert [(s.start, s.stop) for s in scan.series] == [(0, 3)]
    np.testing.assert_array_equal(np.stack(scan), pages)


def test_pages_of_one_series_are_all_gray_or_all_rgb():
    gray = np.dstack([GRAY] * 3)
    for further, shape in ((RGB, RGB.shape), (gray, GRAY.shape)):
        pages = read(encode(gray, "TIFF", save_all=True, append_images=[Image.fromarray(further)]))
        assert [page.shape for page in pages] == [shape, shape]


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
