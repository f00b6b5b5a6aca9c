"""Masks of a series whose slices came as files of their own: they are those that the same files get in a ZIP."""

import base64
import gzip
import html
import io
import json
import re
from pathlib import Path

import highdicom
import nibabel
import numpy as np
import pydicom
import pytest

import spheres
from app import create_app
from fakes import refused
from format_samples import VOLUME, dicom, series, zipped
from uploads import API, CUT_PNG, MASK, PNG, TEXT, error_of, send
from web import settings

OUTLINED = spheres.sphere() > spheres.BRIGHT
CUT = "Expected a whole PNG image. Received: one that is damaged or cut short."
LINES = {"Accept": "application/x-ndjson"}


@pytest.fixture
def files() -> list[tuple[str, bytes]]:
    """The 24 files of a sphere, their names in another order than their positions."""
    sphere = spheres.dicom_files(SeriesInstanceUID="1.8")
    turn = np.random.default_rng(3).permutation(len(sphere))
    return [(f"1.2.{n}", sphere[i]) for n, i in enumerate(turn)]


@pytest.fixture
def others() -> list[tuple[str, bytes]]:
    """Eight files of another series, which comes after it."""
    return [(f"1.3.{n}", data) for n, data in enumerate(series(SeriesInstanceUID="1.9", SeriesNumber=2))]


@pytest.fixture
def client(fake):
    fake.answer = spheres.outlining("pituitary").answer
    return create_app({"TESTING": True}, classifier=fake).test_client()


def nifti(data: bytes) -> np.ndarray:
    """Slice by slice, as the series has them."""
    return np.asarray(nibabel.Nifti1Image.from_bytes(gzip.decompress(data)).dataobj).transpose(2, 1, 0)


def seg_of_each(data: bytes, files: list[bytes]) -> np.ndarray:
    """The outline of each of the files, and that the SEG refers to them."""
    ds = pydicom.dcmread(io.BytesIO(data))
    ids = spheres.uids(files)
    referred = [str(ref.ReferencedSOPInstanceUID) for ref in ds.ReferencedSeriesSequence[0].ReferencedInstanceSequence]
    assert sorted(referred) == sorted(ids)
    seg = highdicom.seg.Segmentation.from_dataset(ds)
    return seg.get_pixels_by_source_instance(ids, assert_missing_frames_are_empty=True)[..., 0]


def without_chance(data: bytes) -> list[str]:
    """What a SEG says, but for its own identifiers, how long they are in all, and when it was made."""
    text = re.sub(r"1\.2\.826\.0\.1\.3680043\.10\.511\.3\.\d+", "UID", str(pydicom.dcmread(io.BytesIO(data))))
    chance = r"(Content|Creation|Series) (Date|Time)| DT: |Group Length"
    return [line for line in text.splitlines() if not re.search(chance, line)]


# --- the API


def test_nifti_of_loose_files_is_byte_by_byte_that_of_their_zip(client, files):
    alone = send(client, f"{MASK}?format=nifti", ("a.zip", zipped(files)))
    loose = send(client, f"{MASK}?format=nifti", *files)
    assert (loose.status_code, loose.content_type) == (200, "application/gzip")
    assert loose.data == alone.data
    np.testing.assert_array_equal(nifti(loose.data), OUTLINED)


def test_seg_of_loose_files_is_that_of_their_zip(client, files):
    alone = send(client, f"{MASK}?format=seg", ("a.zip", zipped(files)))
    loose = send(client, f"{MASK}?format=seg", *files)
    assert (loose.status_code, loose.content_type) == (200, "application/dicom")
    in_order = spheres.dicom_files(SeriesInstanceUID="1.8")
    np.testing.assert_array_equal(seg_of_each(loose.data, in_order), OUTLINED)
    assert without_chance(loose.data) == without_chance(alone.data)
    assert any("Plantedname" in line for line in without_chance(loose.data))  # as the standard has it


def test_slice_is_counted_as_the_records_are(client, fake, files, others):
    """Of any file, those that cannot be read among them; only the series that is wanted is analyzed."""
    sent = [*others[:3], ("cut.png", CUT_PNG), *files, *others[3:], ("one.png", PNG), ("head.nii", spheres.nifti())]
    records = send(client, API, *sent).get_json()["records"]
    fake.calls.clear()
    for name, shape in ((others[5][0], VOLUME.shape), (files[0][0], OUTLINED.shape), ("head.nii", OUTLINED.shape)):
        index = next(i for i, record in enumerate(records) if record["file"] == name)
        response = send(client, f"{MASK}?format=nifti&slice={index}", *sent)
        assert nifti(response.data).shape == shape
    assert sum(map(len, fake.calls)) == 8 + 24 + 24


NO_VOLUME = (422, "no_volume")
PICTURE = "Expected a slice of a volume or series. Received: a single picture."


@pytest.mark.parametrize(
    ("query", "files", "status", "message"),
    [
        (
            "nifti&slice=2",
            [*series()[:2], PNG],
            NO_VOLUME,
            "Expected a slice of a volume or series. Received: a single picture.",
        ),
        ("seg", series(), NO_VOLUME, "Expected a valid FrameOfReferenceUID for a DICOM SEG. Received: DICOM without."),
        ("nifti&slice=3", series()[:3], (400, "bad_parameter"), "slice: expected a whole number, 0 to 2. Received: 3."),
        ("nifti", [CUT_PNG, *series()], (422, "unreadable"), CUT),
        ("seg", [CUT_PNG, TEXT], (422, "unreadable"), CUT),
        ("png", series(), (400, "one_file"), "Expected one file. Received: 8."),
    ],
)
def test_what_has_no_mask(client, fake, query, files, status, message):
    sent = [(f"{i}", data) for i, data in enumerate(files)]
    assert error_of(send(client, f"{MASK}?format={query}", *sent)) == (*status, message)
    assert fake.calls == []


# --- many files in one request


def loose_study(count: int, side: int = 16) -> list[tuple[str, bytes]]:
    """DICOM files of `count` slices 2 mm apart, slice i as bright as i, sent in a mixed order."""
    shape = np.tile(np.arange(side, dtype=np.int16), (side, 1))
    values = spheres.FRAME_OF_REFERENCE | {"SeriesInstanceUID": "1.8", "PixelSpacing": [1.0, 1.0]}
    slices = [dicom(shape + 100 * i, position=2.0 * i, number=i + 1, **values) for i in range(count)]
    return [(f"IM{i:04}.dcm", slices[i]) for i in np.random.default_rng(1).permutation(count)]


def test_150_loose_slices_in_one_request_are_one_study(client, fake):
    sent = loose_study(150)
    body = send(client, API, *sent).get_json()
    assert [record["file"] for record in body["records"]] == [name for name, _ in sent]
    (study,) = (record["study"] for record in body["studies"])
    assert (study["start"], study["stop"], study["analyzed"], study["label"]) == (0, 150, 150, "pituitary")
    assert study["files"] == [f"IM{i:04}.dcm" for i in range(150)]
    inside = send(client, API, ("a.zip", zipped(sent))).get_json()["studies"][0]["study"]
    assert {key: value for key, value in study.items() if key != "files"} == inside


def test_the_page_takes_them_without_its_script_and_tells_how_far_it_is_with_it(client):
    sent = loose_study(150)
    page = send(client, "/", *sent).text
    assert "IM0000.dcm … IM0149.dcm" in page and page.count('download="mask.nii.gz"') == 1
    told = [json.loads(line) for line in send(client, "/", *sent, headers=LINES).text.splitlines()]
    steps = [(line["done"], line["of"]) for line in told if "done" in line]
    assert steps[:2] == [(0, 0), (0, 150)] and steps[-1] == (150, 150)
    assert sum("layers" in line for line in told) == 150


def test_as_many_files_as_slices_may_come(client, fake):
    """Werkzeug's own limit, 1,000 parts of a form, is not in the way; it would call them too many bytes."""
    assert settings.defaults()["MAX_FILES"] == settings.defaults()["MAX_SLICES"] == 1024
    assert "1,024 files at most and 96 MB in all" in client.get("/").text
    answer = send(client, API, *[("a.txt", TEXT)] * 1023, ("one.png", PNG))
    assert [record["status"] for record in answer.get_json()["records"]] == ["error"] * 1023 + ["ok"]
    for count, received in ((1025, "1,025"), (2049, "more")):
        expected = (413, "too_many_files", f"Expected at most 1,024 files at once. Received: {received}.")
        assert error_of(send(client, API, *[("a.txt", TEXT)] * count)) == expected


def test_all_files_together_unpack_to_no_more_than_one_may(fake):
    """Without that, a thousand small gzips could fill the memory; one that is refused leaves the others their room."""
    packed = gzip.compress(dicom(np.zeros((64, 64), np.int16)))
    whole = len(gzip.decompress(packed))
    limits = {"MAX_UNPACKED_BYTES": 2 * whole + whole // 2}
    bomb = gzip.compress(bytes(3 * whole))
    sent = [("1", packed), ("bomb", bomb), ("2", packed), ("3", packed)]
    records = send(create_app(limits, classifier=fake).test_client(), API, *sent).get_json()["records"]
    assert [record["status"] for record in records] == ["ok", "error", "ok", "error"]
    assert records[3]["reason"] == f"Expected at most {limits['MAX_UNPACKED_BYTES']:,} bytes when unpacked. Received: more."


# --- the page


def test_the_page_offers_the_nifti_of_the_zip(client, files):
    def offered(*sent) -> list[bytes]:
        found = re.findall(
            r'download="mask.nii.gz" href="data:application/gzip;base64,([^"]+)"', send(client, "/", *sent).text
        )
        return [base64.b64decode(one) for one in found]

    assert offered(*files) == offered(("a.zip", zipped(files))) != []


def test_the_pages_script_asks_for_the_seg_with_the_files_of_the_series(client, files):
    sent = [("one.png", PNG), *files, ("two.png", PNG)]
    told = [json.loads(line) for line in send(client, "/", *sent, headers=LINES).text.splitlines()]
    found = [re.search(r'data-seg="([^"]+)" data-uploads="([\d ]+)"', line.get("html", "")) for line in told]
    ((address, uploads),) = [(html.unescape(one[1]), [*map(int, one[2].split())]) for one in found if one]
    assert sorted(uploads) == list(range(1, 25))
    asked = send(client, address, *[sent[i] for i in uploads])
    np.testing.assert_array_equal(seg_of_each(asked.data, spheres.dicom_files(SeriesInstanceUID="1.8")), OUTLINED)


# --- predict.py


@pytest.fixture
def disc(tmp_path, files, others) -> Path:
    """Both series in a folder whose name has dots, on top and below it, and beside each a ZIP of them."""
    disc = tmp_path / "disc"
    for folder in (disc / "1.2.840", disc / "1.2.840" / "below.2"):
        folder.mkdir(parents=True)
        for name, data in [*files, *others]:
            (folder / name).write_bytes(data)
    (tmp_path / "all.zip").write_bytes(zipped([*files, *others]))
    return disc / "1.2.840"


@pytest.mark.parametrize("studies", [["--studies"], []])
def test_predict_writes_the_niftis_of_the_zip(script, client, disc, tmp_path, capsys, studies):
    out = tmp_path / "masks"
    command = ["--masks", str(out), "--volume-masks", "nifti", *studies]
    assert script.main([str(disc), str(tmp_path / "all.zip"), *command]) == 0
    assert sorted(path.relative_to(out).as_posix() for path in out.rglob("*.nii.gz")) == [
        "1.2.840.nii.gz", "1.2.840_0024.nii.gz", "all.nii.gz", "all_0024.nii.gz", "below.2.nii.gz", "below.2_0024.nii.gz"
    ]  # fmt: skip
    for end in (".nii.gz", "_0024.nii.gz"):
        assert (out / f"1.2.840{end}").read_bytes() == (out / f"below.2{end}").read_bytes() == (out / f"all{end}").read_bytes()
    np.testing.assert_array_equal(nifti((out / "1.2.840.nii.gz").read_bytes()), OUTLINED)
    assert capsys.readouterr().err == ""


def test_predict_writes_the_seg_of_the_zip(script, client, disc, tmp_path, capsys):
    """The second series lacks a frame of reference, which is said of both alike."""
    out = tmp_path / "masks"
    script.main([str(disc / "below.2"), str(tmp_path / "all.zip"), "--masks", str(out), "--volume-masks", "seg"])
    segs = [(out / name).read_bytes() for name in ("below.2.seg.dcm", "all.seg.dcm")]
    assert without_chance(segs[0]) == without_chance(segs[1])
    np.testing.assert_array_equal(seg_of_each(segs[0], spheres.dicom_files(SeriesInstanceUID="1.8")), OUTLINED)
    why = "no mask of the volume. Expected a valid FrameOfReferenceUID for a DICOM SEG. Received: DICOM without."
    names = (disc / "below.2", tmp_path / "all.zip")
    assert capsys.readouterr().err.splitlines() == [f"predict.py: {name}: {why}" for name in names]
    assert len(list(out.glob("*.dcm"))) == 2


def test_a_refused_slice_is_empty_and_a_refused_series_has_no_mask(script, client, fake, disc, tmp_path):
    outline, dark = spheres.outlining().answer, refused("Too little.")
    fake.answer = lambda pixels: (outline if (pixels > spheres.BRIGHT).sum() > 400 else dark)(pixels)
    out = tmp_path / "masks"
    script.main([str(disc / "below.2"), str(tmp_path / "all.zip"), "--masks", str(out), "--volume-masks", "nifti"])
    assert sorted(path.name for path in out.glob("*.nii.gz")) == ["all.nii.gz", "below.2.nii.gz"]
    assert (out / "below.2.nii.gz").read_bytes() == (out / "all.nii.gz").read_bytes()
    empty = OUTLINED.sum((1, 2)) <= 400
    np.testing.assert_array_equal(nifti((out / "all.nii.gz").read_bytes()), OUTLINED & ~empty[:, None, None])


def test_a_resumed_run_writes_the_same_masks(script, client, fake, disc, tmp_path, capsys):
    """Wherever it was interrupted; also without --studies."""
    out, masks = tmp_path / "records", tmp_path / "masks"
    command = [str(disc / "below.2"), "--out", str(out), "--resume", "--masks", str(masks), "--volume-masks", "nifti"]
    script.main(command)
    whole = {path.name: path.read_bytes() for path in masks.glob("*.nii.gz")}
    lines = out.read_text().splitlines(keepends=True)
    assert len(whole) == 2 and len(lines) == 32
    for cut in (0, 1, 17, 31):
        for path in masks.glob("*.nii.gz"):
            path.unlink()
        out.write_text("".join(lines[:cut]))
        script.main(command)
        assert {path.name: path.read_bytes() for path in masks.glob("*.nii.gz")} == whole
        assert len(out.read_text().splitlines()) == 32


def test_a_folders_mask_is_not_written_over_an_input(script, client, disc, tmp_path, capsys):
    (disc / "below.2.nii.gz").write_bytes(spheres.nifti())
    with pytest.raises(SystemExit) as ended:
        script.main([str(disc), "--masks", str(disc), "--volume-masks", "nifti"])
    assert ended.value.code == 2 and "in which" in capsys.readouterr().err
