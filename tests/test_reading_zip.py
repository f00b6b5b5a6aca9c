"""ZIP: what is in it, what is passed over, and what cannot hurt."""

import io
import struct
import zipfile
from itertools import pairwise

import numpy as np
import pytest

import format_samples as samples
from format_samples import VOLUME, dicom, encode, gzipped, nifti, zipped
from model.formats.archive import display_name, natural
from model.reading import EmptyFile, NotMR, ReadError, UnsupportedFormat, read

GRAY = samples.volume(np.uint8, 255)[3]
PNG = encode(GRAY, "PNG")
UNKNOWN = "Expected PNG, JPEG, WebP, BMP, TIFF, DICOM, NIfTI or ZIP. Received: {} bytes of something else."


def numbered(number: int) -> bytes:
    return encode(np.full((5, 6), number, np.uint8), "PNG")


def test_pictures_come_in_the_order_of_their_numbers_and_are_no_study():
    names = ["b/slice10.png", "b/slice2.png", "a/slice30.png", "b/Slice1.png", "b/slice2b.png"]
    scan = read(zipped({name: numbered(i) for i, name in enumerate(names)}))
    assert [int(pixels[0, 0]) for pixels in scan] == [2, 3, 1, 4, 0]
    assert scan.names == ("slice30.png", "Slice1.png", "slice2.png", "slice2b.png", "slice10.png")
    assert not scan.is_study and scan.series == () and scan.notes == () and scan.failures == ()


@pytest.mark.parametrize(
    "names",
    [
        ("left1.png", "left2.png", "left10.png", "right1.png", "right2.png"),
        ("T1_2.png", "T1_10.png", "T2_1.png"),
        ("a.png", "a1.png", "a1b2.png", "A1b10.png", "a02.png"),
        ("a/z9.png", "a1/b.png", "b/2.png", "b/10.png"),
        ("1.2.840.9.png", "1.2.840.10.png", "1.10.1.png"),
        ("20230101123456789012.png", "20230101123456789013.png", "20230101123456789021.png"),
    ],
)
def test_names_sort_by_their_words_and_then_by_their_numbers(names):
    assert all(natural(first) < natural(second) for first, second in pairwise(names))
    scan = read(zipped({name: numbered(i) for i, name in reversed([*enumerate(names)])}))
    assert [int(pixels[0, 0]) for pixels in scan] == [*range(len(names))]


def test_a_volume_and_a_stack_keep_their_series():
    stack = encode(GRAY, "TIFF", save_all=True, append_images=[samples.Image.fromarray(GRAY)] * 2)
    scan = read(zipped({"c.png": PNG, "b.nii.gz": gzipped(nifti()), "a.tif": stack}))
    assert [(s.start, s.stop) for s in scan.series] == [(0, 3), (3, 11)]
    assert scan.names == ("a.tif",) * 3 + ("b.nii.gz",) * 8 + ("c.png",)
    np.testing.assert_array_equal(np.stack(scan[3:11]), VOLUME)
    np.testing.assert_array_equal(scan.series[1].origin.restore(scan[3:11]), VOLUME.transpose(2, 1, 0)[::-1, ::-1])


def test_pictures_beside_dicom_are_left_out_and_volumes_are_not():
    scan = read(zipped({"viewer/icon.png": PNG, "logo.bmp": encode(GRAY, "BMP"), "IM1": dicom(), "v.nii": nifti()}))
    assert scan.names == ("IM1",) + ("v.nii",) * 8
    assert scan.notes == ("2 pictures beside DICOM files left out.",)


def test_what_systems_and_discs_leave_behind_is_passed_over():
    files = {
        "a/": b"",
        "__MACOSX/a/._one.png": b"\0\5\x16\7",
        "a/.DS_Store": b"\0\0\0\1Bud1",
        "a/Thumbs.db": b"\xd0\xcf\x11\xe0",
        "a/desktop.ini": b"[x]",
        "DICOMDIR": b"x",
        "a/one.png": PNG,
    }
    scan = read(zipped(files))
    assert scan.names == ("one.png",) and scan.notes == () and scan.failures == ()


def test_a_bad_file_does_not_spoil_the_others():
    files = {"a.png": PNG, "b.png": PNG[:100], "c.txt": b"a letter", "d.dcm": dicom()[:600], "e.png": b"", "f.png": PNG}
    scan = read(zipped(files | {"d.dcm": PNG[:90]}))
    assert scan.names == ("a.png", "f.png")
    assert [(name, type(error), str(error)) for name, error in scan.failures] == [
        ("b.png", ReadError, "Expected a whole PNG image. Received: one that is damaged or cut short."),
        ("c.txt", UnsupportedFormat, UNKNOWN.format(8)),
        ("d.dcm", ReadError, "Expected a whole PNG image. Received: one that is damaged or cut short."),
        ("e.png", EmptyFile, "The file is empty. Expected an image."),
    ]
    assert scan.notes == (
        "2 files in the ZIP left out. Expected a whole PNG image. Received: one that is damaged or cut short.",
        "1 file in the ZIP left out. " + UNKNOWN.format(8),
        "1 file in the ZIP left out. The file is empty. Expected an image.",
    )


def test_many_reasons_are_told_in_a_few_words():
    scan = read(zipped({"a.png": PNG} | {f"{i}.txt": b"x" * (i + 1) for i in range(6)}))
    assert len(scan.failures) == 6 and len(scan.notes) == 4
    assert scan.notes[3] == "3 files in the ZIP left out for other reasons."


def test_a_damaged_slice_of_a_series_leaves_the_rest():
    files = samples.series()
    files[4] = files[4][:-300]
    scan = read(zipped({f"{i}.dcm": one for i, one in enumerate(files)}))
    assert len(scan) == 7 and len(scan.failures) == 1 and len(scan.notes) == 2


def test_notes_of_many_files_are_told_once():
    files = samples.series(BodyPartExamined="KNEE")
    scan = read(zipped({f"{i}": one for i, one in enumerate(files)}))
    assert scan.notes == ("The DICOM file says that it shows a knee, not the head.",)


@pytest.mark.parametrize(
    ("data", "kind", "message"),
    [
        (zipped({}), ReadError, "Expected a ZIP of images. Received: one without files."),
        (zipped({"a/": b""}), ReadError, "Expected a ZIP of images. Received: one without files."),
        (
            zipped({"a": dicom(Modality="CT", SOPClassUID="1.2"), "b": b"x"}),
            NotMR,
            "None of the 2 files in the ZIP can be read. Expected an MR image. Received: CT, computed tomography.",
        ),
        (
            zipped({"[Content_Types].xml": b"", "word/media/image1.png": PNG}),
            UnsupportedFormat,
            "Expected a ZIP of images. Received: an office document. Please save its pictures as PNG.",
        ),
        (
            zipped({"a.zip": zipped({"a.png": PNG})}),
            UnsupportedFormat,
            "The file in the ZIP cannot be read. Expected files in a ZIP. Received: a ZIP in a ZIP.",
        ),
        (
            samples.encrypted(),
            ReadError,
            "The file in the ZIP cannot be read. Expected a ZIP without a password. Received: an encrypted file.",
        ),
        (samples.linked(), ReadError, "The file in the ZIP cannot be read. Expected a file. Received: a link to one."),
        (
            zipped({"a.png": PNG}, method=zipfile.ZIP_BZIP2),
            ReadError,
            "The file in the ZIP cannot be read. Expected a ZIP that is stored or deflated. Received: another compression.",
        ),
        (zipped({"a.png": PNG})[:-30], ReadError, "Expected a whole ZIP file. Received: one that is damaged or cut short."),
        (b"PK\x03\x04" + bytes(40), ReadError, "Expected a whole ZIP file. Received: one that is damaged or cut short."),
    ],
    ids=["empty", "folder", "CT", "office", "zip", "password", "link", "bzip2", "cut short", "zeros"],
)
def test_what_a_zip_cannot_be(data, kind, message):
    with pytest.raises(ReadError) as caught:
        read(data)
    assert (type(caught.value), str(caught.value)) == (kind, message)


def test_a_wrong_checksum_is_told():
    data = bytearray(zipped({"a.png": PNG, "b.png": PNG}, zipfile.ZIP_STORED))
    data[data.index(PNG) + 60] ^= 1
    scan = read(bytes(data))
    assert scan.names == ("b.png",)
    assert str(scan.failures[0][1]) == "Expected a whole file in the ZIP. Received: one that is damaged or cut short."


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("/root/.ssh/a.png", "a.png"),
        ("C:\\scans\\a.png", "a.png"),
        ("a/b\n\x1b[31mred\x00.png", "b[31mred.png"),
        ("Müller.png", "Müller.png"),
        ("x" * 200 + ".png", "x" * 79 + "…"),
    ],
)
def test_names_are_shown_without_folders_and_control_characters(path, shown):
    assert display_name(path) == shown
    info = zipfile.ZipInfo("placeholder")
    info.filename = path.split("\x00")[0]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(info, PNG)
    assert len(read(buffer.getvalue())) == 1


def test_a_directory_of_a_million_entries_is_refused_before_it_is_read(monkeypatch):
    monkeypatch.setattr(zipfile, "ZipFile", lambda *a: pytest.fail("opened"))
    entry = b"PK\x01\x02" + bytes(42)
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 65535, 65535, 46 * 300_000, 0, 0)
    with pytest.raises(ReadError, match=r"^Expected at most 1,024 files in a ZIP\. Received: many more\.$"):
        read(b"PK\x03\x04" + entry * 300_000 + end)


def test_entries_that_share_their_bytes_are_counted_each():
    """A bomb without nesting: many entries of the directory point at one stream."""
    plain = zipped({"a.png": bytes(9 * 2**20)})
    place = plain.index(b"PK\x01\x02")
    stop = plain.index(b"PK\x05\x06")
    entry, count = plain[place:stop], 60
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, count, count, len(entry) * count, place, 0)
    with pytest.raises(ReadError):
        read(plain[:place] + entry * count + end)


def test_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    read(zipped({"a.png": PNG, "../b.png": PNG}))
    assert list(tmp_path.rglob("*")) == []
