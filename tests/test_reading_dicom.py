"""DICOM: what is refused and how it is told, and the way from stored values to gray ones."""

import logging
import warnings

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import (
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

import format_samples as samples
from format_samples import VOLUME, compressed, dataset, dicom, encapsulated, save
from model.formats import dicom_pixels
from model.reading import NotMR, ReadError, UnsupportedFormat, read

SLICE = VOLUME[3]
GRAY = samples.volume(np.uint8, 255)[3]
RGB = np.dstack([GRAY, GRAY[::-1], GRAY[:, ::-1]])
DEEP = np.random.default_rng(5).integers(0, 65536, (37, 50), np.uint16)
PDF = "1.2.840.10008.5.1.4.1.1.104.1"
COMPRESSED = "Expected a DICOM image of a compression that is read. Received: "


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(dicom(), id="explicit"),
        pytest.param(samples.implicit(), id="implicit"),
        pytest.param(samples.big_endian(), id="big-endian"),
        pytest.param(samples.deflated(), id="deflated"),
        pytest.param(samples.bare(dataset(SLICE)), id="bare, implicit"),
        pytest.param(samples.bare(dataset(SLICE), implicit=False), id="bare, explicit"),
        pytest.param(compressed(RLELossless), id="RLE"),
        pytest.param(compressed(JPEGLSLossless), id="JPEG-LS"),
        pytest.param(compressed(JPEG2000Lossless), id="JPEG 2000"),
        pytest.param(encapsulated(JPEGLosslessSV1, [samples.jpeg_lossless(SLICE.view(np.uint16))], SLICE), id="JPEG Lossless"),
        pytest.param(dicom(SLICE.astype(np.uint16)), id="unsigned"),
        pytest.param(dicom(SLICE.astype(np.int32)), id="32 bits"),
    ],
)
def test_the_stored_values_are_kept(data):
    scan = read(data)
    (pixels,) = scan
    assert pixels.dtype.kind in "iu" and pixels.dtype.isnative
    np.testing.assert_array_equal(pixels, SLICE)
    assert scan.notes == () and scan.spacing == (3.0, 1.5, 1.25)


@pytest.mark.parametrize(
    ("values", "tolerance"), [(samples.jpeg_baseline, 12), (samples.near_lossless, 2), (samples.jpeg_2000, 60)]
)
def test_lossy_compressions_come_close(values, tolerance):
    (pixels,) = read(values())
    expected = GRAY if pixels.dtype == np.uint8 else SLICE
    assert np.abs(pixels.astype(int) - expected).max() <= tolerance


@pytest.mark.parametrize(
    "values",
    [{}, {"PlanarConfiguration": 1, "PixelData": RGB.transpose(2, 0, 1).tobytes()}],
    ids=["pixel by pixel", "plane by plane"],
)
def test_color_is_read(values):
    np.testing.assert_array_equal(read(dicom(RGB, **values))[0], RGB)


def test_ybr_becomes_rgb():
    ybr = np.dstack([GRAY, np.full_like(GRAY, 128), np.full_like(GRAY, 128)])  # gray
    (pixels,) = read(dicom(ybr, PhotometricInterpretation="YBR_FULL"))
    np.testing.assert_allclose(pixels.astype(int), np.dstack([GRAY] * 3), atol=1)


def palette(**values) -> Dataset:
    ds = dataset((GRAY % 4).astype(np.uint8), PhotometricInterpretation="PALETTE COLOR", **values)
    for index, color in enumerate(("Red", "Green", "Blue")):
        setattr(ds, f"{color}PaletteColorLookupTableDescriptor", [4, 0, 16])
        table = np.array([0, 1000, 2000 + index, 65535], "<u2").tobytes()
        setattr(ds, f"{color}PaletteColorLookupTableData", table)
    return ds


def test_a_palette_is_looked_up():
    (pixels,) = read(save(palette()))
    assert pixels.shape == (40, 36, 3)
    np.testing.assert_array_equal(pixels[..., 1], np.array([0, 1000, 2001, 65535])[GRAY % 4])


def test_a_segmented_palette_is_refused():
    ds = palette(SegmentedRedPaletteColorLookupTableData=bytes(8))
    with pytest.raises(UnsupportedFormat, match=r"^Expected a gray DICOM image\. Received: one with a segmented palette\.$"):
        read(save(ds))


# What is refused, and what is noted


@pytest.mark.parametrize(
    ("values", "kind", "message"),
    [
        ({"Modality": "CT", "SOPClassUID": "1.2"}, NotMR, "Expected an MR image. Received: CT, computed tomography."),
        ({"Modality": "PLANTED", "SOPClassUID": "1.2"}, NotMR, "Expected an MR image. Received: DICOM of another modality."),
        ({"Modality": "CT"}, NotMR, "Expected an MR image. Received: CT, computed tomography."),  # of the class MR Image
        ({"SOPClassUID": PDF}, UnsupportedFormat, "Expected a DICOM image. Received: Encapsulated PDF."),
        ({"PixelData": None}, UnsupportedFormat, "Expected a DICOM image. Received: a DICOM file without one."),
        (
            {"ImageType": ["ORIGINAL", "PRIMARY", "M", "MOSAIC"]},
            UnsupportedFormat,
            "Expected single slices. Received: a mosaic of them. Please export it as single slices.",
        ),
        ({"Rows": 0}, ReadError, "The DICOM file is damaged: its image has no size."),
        ({"Rows": None}, ReadError, "The DICOM file is damaged: its image has no size."),
        ({"Rows": 400}, ReadError, "Expected a whole DICOM file. Received: one that is damaged or cut short."),
    ],
)  # fmt: skip
def test_what_is_no_mr_image_is_refused_with_its_reason(values, kind, message):
    with pytest.raises(ReadError) as caught:
        read(dicom(**values))
    assert (type(caught.value), str(caught.value)) == (kind, message)


@pytest.mark.parametrize("modality", [None, "", "OT", "SC"])
def test_a_file_that_does_not_tell_its_modality_is_read_with_a_note(modality):
    scan = read(dicom(Modality=modality, SOPClassUID="1.2.840.10008.5.1.4.1.1.7"))
    assert scan.notes == ("The DICOM file does not say that it is MR.",)


def test_the_class_of_the_object_tells_that_it_is_mr():
    assert read(dicom(Modality=None)).notes == ()
    assert read(dicom(Modality="MRT")).notes == ()  # a word of the scanner's own


@pytest.mark.parametrize(
    ("part", "note"),
    [
        ("HEAD", None),
        ("Brain W/O", None),
        ("SKULL BASE", None),
        (None, None),
        ("KNEE", "The DICOM file says that it shows a knee, not the head."),
        ("C-SPINE", "The DICOM file says that it shows the cervical spine, not the head."),
        ("PLANTEDNAME", "The DICOM file does not say that it shows the head."),
        ("Cráneo", None),
        ("KOPF", None),
        ("Schädel", None),
        ("tête", None),
        ("IAC", None),
        ("IACs w/wo", None),
        ("CARDIAC", "The DICOM file does not say that it shows the head."),
        ("ILIAC", "The DICOM file does not say that it shows the head."),
    ],
)
def test_another_part_of_the_body_is_noted(part, note):
    assert read(dicom(BodyPartExamined=part)).notes == ((note,) if note else ())


@pytest.mark.parametrize("data", [dicom(), samples.implicit()], ids=["explicit", "implicit"])
@pytest.mark.parametrize("length", [132, 133, 200, 345, 400, 600, 900])
def test_a_file_cut_short_is_damaged_wherever_it_ends(data, length):
    with pytest.raises(ReadError) as caught:
        read(data[:length])
    assert type(caught.value) is ReadError, caught.value  # and not DICOM without an image
    assert str(caught.value) == "Expected a whole DICOM file. Received: one that is damaged or cut short."


def test_nothing_that_the_file_says_of_a_person_gets_out(caplog, capfd):
    """Neither by a message, nor by a warning or the log of pydicom, which quotes what it complains of."""
    broken = dataset(SLICE)
    data = save(broken)
    place = data.index(b"PLANTED-4711")
    variants = [
        data[: place + 40],
        data[:-900],
        data.replace(b"19010203", b"Zebulon "),
        data.replace(b"\x10\0\x40\0", b"\x10\0\x30\0"),
    ]
    variants += [
        dicom(Modality="ZEBULON", SOPClassUID="1.2"),
        dicom(BodyPartExamined="ZEBULON"),
        dicom(WindowCenter=3, WindowWidth=0),
    ]
    said = []
    with caplog.at_level(logging.DEBUG), warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        for variant in variants:
            try:
                said += read(variant).notes
            except ReadError as error:
                said.append(repr(error) + repr(error.__cause__))
    assert not logging.getLogger("pydicom").isEnabledFor(logging.CRITICAL)
    text = " ".join([*said, caplog.text, *(str(w.message) for w in warned), *capfd.readouterr()]).lower()
    assert len(said) >= 4
    for planted in ("planted", "zebulon", "4711", "19010203"):
        assert planted not in text


# From stored values to gray ones


def test_values_are_rescaled():
    (pixels,) = read(dicom(RescaleSlope=2.5, RescaleIntercept=-100))
    assert pixels.dtype == np.float32
    np.testing.assert_allclose(pixels, SLICE * 2.5 - 100, rtol=1e-6)


@pytest.mark.parametrize("slope", ["0", "", None])
def test_a_rescale_without_sense_is_none(slope):
    values = {"RescaleIntercept": "0"} if slope is None else {"RescaleSlope": slope, "RescaleIntercept": "5"}
    np.testing.assert_array_equal(read(dicom(**values))[0] - (5 if slope == "" else 0), SLICE)


@pytest.mark.parametrize("pixels", [SLICE, SLICE.astype(np.uint16), SLICE - 500], ids=["signed", "unsigned", "negative"])
def test_monochrome1_is_inverted(pixels):
    plain, inverted = (read(dicom(pixels, PhotometricInterpretation=f"MONOCHROME{n}"))[0] for n in (2, 1))
    np.testing.assert_array_equal(plain, pixels)
    total = plain.astype(np.int64) + inverted
    assert (total == total[0, 0]).all()


def test_monochrome1_is_inverted_after_the_rescale():
    (pixels,) = read(dicom(PhotometricInterpretation="MONOCHROME1", RescaleSlope=2, RescaleIntercept=10))
    np.testing.assert_allclose(pixels, 2 * (SLICE.max() - SLICE) + 10 + 2 * SLICE.min())


def lut(first: int, entries: list[int], bits: int = 16) -> Dataset:
    item = Dataset()
    item.LUTDescriptor, item.LUTData = [len(entries), first, bits], entries
    item["LUTDescriptor"].VR = "US"
    item["LUTData"].VR = "US"
    return item


def test_a_modality_lut_is_looked_up_and_its_ends_go_on():
    (pixels,) = read(dicom(ModalityLUTSequence=[lut(200, [7, 9, 30_000])]))
    expected = np.array([7, 9, 30_000])[np.clip(SLICE.astype(int) - 200, 0, 2)]
    np.testing.assert_array_equal(pixels, expected)


def test_a_voi_lut_follows_the_rescale():
    (pixels,) = read(dicom(RescaleSlope=0.5, RescaleIntercept=0, VOILUTSequence=[lut(0, list(range(1000, 2000, 2)))]))
    np.testing.assert_array_equal(pixels, 1000 + 2 * np.clip(np.rint(SLICE * np.float32(0.5)), 0, 499))


@pytest.mark.parametrize("little_endian", [True, False])
@pytest.mark.parametrize("dtype", ["u1", "u2"])
def test_a_lut_given_as_bytes(dtype, little_endian):
    item = Dataset()
    item.LUTDescriptor = [3, 10, 8]
    item.add_new("LUTData", "OW", np.array([5, 6, 250], dtype if little_endian else f">{dtype}").tobytes())
    values = np.array([[0, 10, 11, 12, 99]])
    np.testing.assert_array_equal(dicom_pixels.look_up(values, item, little_endian), [[5, 5, 6, 250, 250]])


SPIKED = SLICE.copy()
SPIKED[0, :10] = 30_000  # burnt-in text, say


def test_a_window_that_holds_the_slice_tames_its_outliers():
    (pixels,) = read(dicom(SPIKED, WindowCenter=600, WindowWidth=1200))
    assert pixels.max() == pytest.approx(600 - 0.5 + 1199 / 2)
    inside = SPIKED < 1000
    np.testing.assert_array_equal(pixels[inside], SPIKED[inside])


@pytest.mark.parametrize(
    ("center", "width"), [(300, 100), (550, 60), (900, 400), (600, 0), (600, 0.5)], ids=["low", "narrow", "high", "0", "0.5"]
)
def test_a_narrow_window_cuts_nothing_away(center, width):
    np.testing.assert_array_equal(read(dicom(WindowCenter=center, WindowWidth=width))[0], SLICE)


def test_the_first_of_several_windows_counts():
    (pixels,) = read(dicom(SPIKED, WindowCenter=[600, 300], WindowWidth=[1200, 10]))
    assert pixels.max() == pytest.approx(1199)


def test_a_sigmoid_has_no_ends_to_clip_at():
    (pixels,) = read(dicom(SPIKED, WindowCenter=600, WindowWidth=1200, VOILUTFunction="SIGMOID"))
    assert pixels.max() == 30_000


def test_linear_exact_has_its_ends_half_a_unit_further():
    (pixels,) = read(dicom(SPIKED, WindowCenter=600, WindowWidth=1200, VOILUTFunction="LINEAR_EXACT"))
    assert pixels.max() == 1200


@pytest.mark.parametrize("slope", [1, -1])
def test_padding_becomes_the_darkest_value(slope):
    padded = SLICE.copy()
    padded[:5] = -2000
    (pixels,) = read(dicom(padded, PixelPaddingValue=-2000, RescaleSlope=slope, RescaleIntercept=0))
    assert (pixels[:5] == (slope * SLICE[5:]).min()).all()
    np.testing.assert_array_equal(pixels[5:], slope * SLICE[5:])


def test_values_that_are_not_finite_are_refused_or_mended():
    values = SLICE.astype(np.float32)
    values[2, 3] = np.nan
    ds = dataset(values, PixelData=None, FloatPixelData=values.tobytes())
    for keyword in ("BitsStored", "HighBit", "PixelRepresentation"):
        delattr(ds, keyword)
    (pixels,) = read(save(ds))
    assert pixels[2, 3] == 0 and np.isfinite(pixels).all()
    ds.FloatPixelData = np.full_like(values, np.inf).tobytes()
    with pytest.raises(ReadError, match=r"^Expected an image with finite values\. Received: none\.$"):
        read(save(ds))


def test_unused_high_bits_are_left_out():
    dirty = (DEEP & 0x0FFF) | 0xA000
    np.testing.assert_array_equal(read(dicom(dirty, BitsStored=12, HighBit=11))[0], DEEP & 0x0FFF)


def test_a_file_without_a_transfer_syntax_is_read():
    ds = dataset(SLICE)
    ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    data = save(ds)
    start = data.index(b"\x02\0\x10\0UI")
    np.testing.assert_array_equal(read(data[:start] + data[start + 26 :])[0], SLICE)
