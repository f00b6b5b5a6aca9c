"""The way in: what is told by the bytes, the exact word for what is not read, limits, and the Scan."""

import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

import format_samples as samples
from format_samples import PATIENT, VOLUME, dicom, encode, gzipped, nifti, zipped
from model.formats import common
from model.reading import FORMATS, EmptyFile, Limits, NotMR, OverLimit, ReadError, UnsupportedFormat, read

ROOT = Path(__file__).parents[1]
GRAY = samples.volume(np.uint8, 255)[3]
EXPECTED = "Expected PNG, JPEG, WebP, BMP, TIFF, DICOM, NIfTI or ZIP. Received: "


@pytest.mark.parametrize(
    ("data", "received"),
    [
        pytest.param(
            encode(GRAY, "GIF"),
            "GIF, which has too few grays and may be animated. Please save the picture as PNG",
            id="gif",
        ),
        pytest.param(encode(np.dstack([GRAY] * 3), "PPM"), "a Netpbm picture. Please save it as PNG", id="ppm"),
        pytest.param(encode(GRAY, "ICO"), "an icon (ICO)", id="ico"),
        pytest.param(b"%PDF-1.7\n%\xe2\xe3", "a PDF. Please save the picture in it as PNG", id="pdf"),
        pytest.param(b"Rar!\x1a\x07\x01\0", "a RAR archive. Please pack the files as ZIP", id="rar"),
        pytest.param(bytes(257) + b"ustar\x0000", "a TAR archive. Please pack the files as ZIP", id="tar"),
        pytest.param(b"7z\xbc\xaf\x27\x1c\0\x04", "a 7-Zip archive. Please pack the files as ZIP", id="7z"),
        pytest.param(b"NRRD0004\n# x\n", "NRRD. Please convert it to NIfTI", id="nrrd"),
        pytest.param(b"\x89HDF\r\n\x1a\n", "an HDF5 file (MINC, or MATLAB). Please convert it to NIfTI", id="minc"),
        pytest.param(b'<svg xmlns="http://www.w3.org/2000/svg"/>', "a text document (HTML, SVG or XML)", id="svg"),
        pytest.param(b'<?xml version="1.0"?><svg/>', "a text document (HTML, SVG or XML)", id="xml"),
        pytest.param(b"\xef\xbb\xbf\n <!DOCTYPE HTML><html>", "a text document (HTML, SVG or XML)", id="html"),
        pytest.param(b"a letter to the doctor", "22 bytes of something else", id="text"),
        pytest.param(np.random.default_rng(0).bytes(5000), "5,000 bytes of something else", id="garbage"),
        pytest.param(b"\x89PNG", "4 bytes of something else", id="four bytes of a png"),
    ],
)
def test_other_formats_are_refused_by_name(data, received):
    with pytest.raises(UnsupportedFormat) as caught:
        read(data)
    assert str(caught.value) == EXPECTED + received + "."
    assert caught.value.code == "unsupported_format"


def test_an_empty_file_is_told():
    with pytest.raises(EmptyFile, match=r"^The file is empty\. Expected an image\.$") as caught:
        read(b"")
    assert caught.value.code == "empty_file"


def test_every_error_is_a_read_error_and_a_value_error():
    assert all(issubclass(kind, ReadError) for kind in (EmptyFile, UnsupportedFormat, NotMR, OverLimit))
    assert issubclass(ReadError, ValueError) and issubclass(NotMR, UnsupportedFormat)
    codes = [kind.code for kind in (ReadError, EmptyFile, UnsupportedFormat, NotMR)]
    assert codes == ["unreadable", "empty_file", "unsupported_format", "not_mr"]


@pytest.mark.parametrize(
    ("format", "data"),
    [
        ("PNG", encode(GRAY, "PNG")),
        ("JPEG", encode(GRAY, "JPEG")),
        ("WEBP", encode(GRAY, "WEBP")),
        ("BMP", encode(GRAY, "BMP")),
        ("TIFF", encode(GRAY, "TIFF")),
        ("DICOM", dicom()),
        ("NIfTI", nifti()),
        ("ZIP", zipped({"a.png": encode(GRAY, "PNG")})),
    ],
)
def test_the_format_is_told_by_the_bytes(format, data):
    assert read(data).format == format
    assert format in FORMATS


def test_a_dicom_file_whose_preamble_is_a_tiff_is_dicom():
    data = dicom()
    assert read(b"II*\0" + data[4:]).format == "DICOM"


@pytest.mark.parametrize("inner", [encode(GRAY, "PNG"), dicom(), nifti()], ids=["png", "dicom", "nifti"])
def test_a_gzip_is_opened(inner):
    plain, packed = read(inner), read(gzipped(inner))
    assert packed.format == plain.format
    np.testing.assert_array_equal(np.stack(packed), np.stack(plain))


def test_a_gzip_of_several_members_is_one_file():
    data = nifti()
    np.testing.assert_array_equal(np.stack(read(gzipped(data[:999]) + gzipped(data[999:]))), VOLUME)


@pytest.mark.parametrize("padding", [b"", b"\0", bytes(99_999)])
def test_zeros_between_and_after_the_members_of_a_gzip_are_skipped(padding):
    data = nifti()
    np.testing.assert_array_equal(np.stack(read(gzipped(data[:999]) + padding + gzipped(data[999:]) + padding)), VOLUME)


@pytest.mark.parametrize("members", [1, 300])
def test_unpacking_takes_time_in_proportion_to_the_packed_size(members, monkeypatch):
    """zlib copies what it is given and does not take."""
    given, real = [], zlib.decompressobj

    class Counting:
        def __init__(self, wbits):
            self.stream = real(wbits)

        def decompress(self, data, most):
            given.append(len(data))
            return self.stream.decompress(data, most)

        def __getattr__(self, name):
            return getattr(self.stream, name)

    part = np.random.default_rng(0).bytes(12_000_000 // members)
    packed = gzipped(part) * members
    monkeypatch.setattr(common.zlib, "decompressobj", Counting)
    assert common.inflate(packed, 31, common.Budget(Limits(), len(packed))) == part * members
    assert len(packed) <= sum(given) <= 2 * len(packed)


def test_what_a_few_bytes_unpack_to_is_whole():
    """More than comes at once, of a stream that has all of its bytes already."""
    data = bytes(12 * 2**20 + 7)
    for wbits, rest in ((31, b""), (-15, b"rest")):
        packer = zlib.compressobj(9, wbits=wbits)
        packed = packer.compress(data) + packer.flush()
        assert common.inflate(packed + rest, wbits, common.Budget(Limits(), len(packed))) == data
        for cut in (1, 8, len(packed) // 2):
            with pytest.raises(EOFError):
                common.inflate(packed[:-cut], wbits, common.Budget(Limits(), len(packed)))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (gzipped(nifti()) + b"garbage", "Expected a whole gzip file. Received: one that is damaged or cut short."),
        (gzipped(gzipped(nifti())), "Expected one file in a gzip. Received: a gzip in a gzip."),
        (gzipped(zipped({"a.png": encode(GRAY, "PNG")})), "Expected files in a ZIP. Received: a ZIP in a ZIP."),
        (gzipped(b"a letter"), EXPECTED + "8 bytes of something else."),
        (gzipped(nifti())[:-9], "Expected a whole gzip file. Received: one that is damaged or cut short."),
        (gzipped(nifti())[:-8] + b"checksum", "Expected a whole gzip file. Received: one that is damaged or cut short."),
    ],
)
def test_what_a_gzip_cannot_be(data, message):
    with pytest.raises(ReadError) as caught:
        read(data)
    assert str(caught.value) == message


# Limits


def test_each_limit_has_its_default():
    assert Limits() == Limits(max_bytes=512 * 2**20, max_pixels=64_000_000, max_slices=1024, max_files=1024, max_ratio=200)


def test_a_study_of_150_slices_of_512_pixels_is_within_the_limits():
    budget = common.Budget(Limits(), 150 * 512 * 512 * 2)
    for _ in range(150):
        budget.take(512, 512)


SERIES = zipped({f"{i}.dcm": one for i, one in enumerate(samples.series())})


@pytest.mark.parametrize(
    ("data", "limits", "message"),
    [
        (b"x" * 101, {"max_bytes": 100}, "Expected at most 100 bytes. Received: 101."),
        (dicom(), {"max_pixels": 1439}, "Expected at most 1,439 pixels. Received: 36 x 40."),
        (nifti(), {"max_pixels": 11519}, "Expected at most 11,519 pixels. Received: 8 slices of 36 x 40."),
        (SERIES, {"max_pixels": 11519}, "Expected at most 11,519 pixels. Received: 11,520 so far."),
        (dicom(VOLUME), {"max_slices": 7}, "Expected at most 7 slices. Received: 8."),
        (nifti(), {"max_slices": 7}, "Expected at most 7 slices. Received: 8."),
        (SERIES, {"max_slices": 7}, "Expected at most 7 slices. Received: 8."),
        (SERIES, {"max_files": 7}, "Expected at most 7 files in a ZIP. Received: 8."),
        (SERIES, {"max_files": 1}, "Expected at most 1 files in a ZIP. Received: many more."),
        (SERIES, {"max_bytes": len(SERIES)}, f"Expected at most {len(SERIES):,} bytes when unpacked. Received: more."),
        (gzipped(nifti()), {"max_bytes": 9999}, "Expected at most 9,999 bytes when unpacked. Received: more."),
        (samples.deflated(), {"max_bytes": 1400}, "Expected at most 1,400 bytes when unpacked. Received: more."),
    ],
)
def test_limits_are_kept(data, limits, message):
    with pytest.raises(OverLimit) as caught:
        read(data, Limits(**limits))
    assert str(caught.value) == message


def test_exactly_what_the_limits_allow_is_read():
    unpacked = sum(len(one) for one in samples.series())
    limits = Limits(max_bytes=unpacked, max_pixels=VOLUME.size, max_slices=8, max_files=8)
    assert len(read(SERIES, limits)) == 8


def bomb(wbits: int, size: int = 64 * 2**20) -> bytes:
    """`size` zeros, a thousand times smaller."""
    packer = zlib.compressobj(9, wbits=wbits)
    block = bytes(2**20)
    return b"".join(packer.compress(block) for _ in range(size >> 20)) + packer.flush()


def deflated_bomb() -> bytes:
    plain = samples.deflated()
    start = plain.index(b"1.2.840.10008.1.2.1.99")
    return plain[: start + 22] + bomb(-15)


def far_deflated_bomb() -> bytes:
    """5,000 bytes of file meta information before its transfer syntax."""
    data = deflated_bomb()
    start = data.index(b"\x02\0\x10\0UI")
    return data[:start] + b"\x02\0\x03\0OB\0\0" + (5000).to_bytes(4, "little") + bytes(5000) + data[start:]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(bomb(31), id="gzip"),
        pytest.param(zipped({"a.png": bytes(64 * 2**20)}), id="zip of one"),
        pytest.param(zipped({f"{i}.png": bytes(8 * 2**20) for i in range(8)}), id="zip of ten"),
        pytest.param(deflated_bomb(), id="deflated dicom"),
        pytest.param(far_deflated_bomb(), id="deflated dicom whose syntax comes late"),
    ],
)
def test_a_bomb_is_stopped_while_it_unpacks(data, monkeypatch):
    budgets = []
    real = common.Budget.unpack
    monkeypatch.setattr(common.Budget, "unpack", lambda self, count: (budgets.append(self), real(self, count))[1])
    with pytest.raises(OverLimit, match=r"^Expected a file that unpacks to at most 200 times its size\. Received: more\.$"):
        read(data)
    assert len(data) < 100_000
    assert budgets[-1].unpacked < 20 * 2**20


def test_an_empty_volume_that_shrinks_a_thousandfold_is_read():
    data = gzipped(nifti(np.zeros((256, 256, 60), np.int16)))
    assert len(data) * 200 < 256 * 256 * 60 * 2
    assert len(read(data)) == 60


# The Scan


def test_a_scan_is_a_sequence_of_its_slices():
    scan = read(nifti())
    assert len(scan) == 8 and scan[2] is scan.slices[2] and len(list(scan)) == 8 and len(scan[2:5]) == 3
    assert scan.is_study


def test_facts_of_the_whole_are_those_of_the_only_series():
    scan = read(nifti())
    assert scan.spacing == scan.series[0].spacing == pytest.approx((3.0, 1.5, 1.25))
    assert scan.series[0].voxel_ml == pytest.approx(3.0 * 1.5 * 1.25 / 1000)
    two = read(zipped({"a.nii": nifti(), "b.nii": nifti()}))
    assert two.spacing is None and two.affine is None and two.is_study and len(two.series) == 2


def test_a_single_slice_is_no_study_but_has_a_spacing():
    scan = read(dicom())
    assert not scan.is_study and scan.spacing == (3.0, 1.5, 1.25)


@pytest.mark.parametrize("data", [dicom(), zipped({f"{PATIENT}.dcm": dicom()}), samples.save(samples.enhanced())])
def test_printing_a_scan_tells_nothing_of_the_patient(data):
    scan = read(data)
    (series,) = scan.series
    text = f"{scan!r} {scan} {series!r} {series.origin!r} {scan.notes}"
    for planted in ("Plantedname", "Zebulon", "PLANTED-4711", "19010203", "1.2.3.4"):
        assert planted not in text
    assert series.origin.datasets[0].PatientID == "PLANTED-4711"  # reached only by asking for it


def test_importing_the_readers_imports_neither_pydicom_nor_nibabel():
    code = "import sys, model.reading, app; print(*(m for m in sys.modules if m.split('.')[0] in ('pydicom', 'nibabel')))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "")
