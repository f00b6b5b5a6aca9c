"""scripts/predict.py in this process, around a classifier with fixed answers: volumes, their studies and their masks."""

import csv
import io
import json
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from PIL import Image

import spheres
from answers import timeless
from fakes import pages, picture, refused
from format_samples import dicom, nifti, zipped


@pytest.fixture
def volumes(tmp_path) -> Path:
    """A NIfTI volume, a DICOM series in a ZIP, pages of a TIFF and a picture."""
    folder = tmp_path / "volumes"
    (folder / "below").mkdir(parents=True)
    (folder / "below" / "head.nii").write_bytes(spheres.nifti())
    (folder / "pages.tif").write_bytes(pages(4))
    (folder / "picture.png").write_bytes(picture())
    (folder / "series.zip").write_bytes(spheres.dicom_zip())
    return folder


def test_studies_follow_the_slices_of_their_file(script, fake, volumes, capsys):
    fake.answer = spheres.outlining().answer
    script.main([str(volumes)])
    plain = timeless(capsys.readouterr().out)
    script.main([str(volumes), "--studies"])
    records = timeless(capsys.readouterr().out)
    assert [record for record in records if "study" not in record] == plain
    at = [i for i, record in enumerate(records) if "study" in record]
    assert at == [24, 29, 55]
    assert [records[i]["file"] for i in at] == [records[i - 1]["file"] for i in at]
    assert records[24]["study"]["volume_ml"] == records[55]["study"]["volume_ml"] == pytest.approx(spheres.ML, rel=0.01)
    assert "study" not in json.dumps(plain)


@pytest.mark.parametrize("format", ["jsonl", "csv"])
def test_a_slice_of_a_zip_has_the_name_of_its_own_file(script, fake, volumes, capsys, format):
    (volumes / "heads.zip").write_bytes(zipped({"left/2.png": picture(), "left/10.png": picture()}))
    script.main([str(volumes / "heads.zip"), str(volumes / "picture.png"), "--format", format])
    out = capsys.readouterr().out
    records = timeless(out) if format == "jsonl" else csv.DictReader(io.StringIO(out))
    assert [record.get("entry") or None for record in records] == ["2.png", "10.png", None]


def test_studies_in_csv_and_table(script, fake, volumes, capsys):
    fake.answer = spheres.outlining().answer
    script.main([str(volumes), "--studies", "--format", "csv"])
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["file"] for row in rows if row["status"] == "study"] == ["below/head.nii", "pages.tif", "series.zip"]
    assert float(rows[24]["volume_ml"]) == pytest.approx(spheres.ML, rel=0.01) and rows[24]["slice"] == ""
    script.main([str(volumes), "--studies", "--format", "table"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[25].split() == [
        "below/head.nii", "glioma", "0.970", "study", "of", "24", "slices,", "33.5", "ml,", "best", rows[24]["best_slice"]
    ]  # fmt: skip
    assert lines[24].split()[:2] == ["below/head.nii", "23"]
    assert lines[30].split()[:2] == ["pages.tif", "notumor"] and "ml" not in lines[30]


def test_studies_are_not_lost_when_they_are_asked_for_later(script, fake, volumes, tmp_path, capsys):
    out = tmp_path / "records"
    command = [str(volumes), "--out", str(out), "--resume"]
    assert script.main(command) == 0
    before = out.read_text()
    with pytest.raises(SystemExit) as ended:
        script.main([*command, "--studies"])
    assert ended.value.code == 2
    message = "error: Expected records with studies. Received: those of below/head.nii without\n"
    assert capsys.readouterr().err.endswith(message)
    assert out.read_text() == before


@pytest.mark.parametrize("format", ["jsonl", "csv"])
def test_resume_with_studies(script, fake, volumes, tmp_path, format):
    out = tmp_path / "records"
    command = [str(volumes), "--studies", "--format", format, "--out", str(out), "--resume"]
    script.main(command)
    whole = out.read_text()
    lines = whole.splitlines(keepends=True)
    for cut in (20, 30, len(lines) - 1):  # within a volume, after a study, before the last one's study
        out.write_text("".join(lines[:cut]))
        script.main(command)
        again = out.read_text()
        assert timeless(again) == timeless(whole) if format == "jsonl" else again == whole


def test_masks_of_volumes_as_nifti(script, fake, volumes, tmp_path, capsys):
    fake.answer = spheres.outlining().answer
    masks = tmp_path / "masks"
    assert script.main([str(volumes), "--masks", str(masks), "--volume-masks", "nifti"]) == 0
    written = sorted(path.relative_to(masks).as_posix() for path in masks.rglob("*.nii.gz"))
    assert written == ["below/head.nii.gz", "series.nii.gz"]
    image = nibabel.load(volumes / "below" / "head.nii")
    mask = nibabel.load(masks / "below" / "head.nii.gz")
    np.testing.assert_array_equal(mask.affine, image.affine)
    np.testing.assert_array_equal(np.asarray(mask.dataobj), np.asarray(image.dataobj) > spheres.BRIGHT)
    assert len(list(masks.rglob("*.png"))) == 24 + 4 + 1 + 24
    said = "predict.py: pages.tif: no mask of the volume. Expected NIfTI, or DICOM slices"
    assert said in capsys.readouterr().err


def test_masks_of_volumes_as_seg(script, fake, volumes, tmp_path, capsys):
    fake.answer = spheres.outlining().answer
    masks = tmp_path / "masks"
    assert script.main([str(volumes), "--masks", str(masks), "--volume-masks", "seg"]) == 0
    (written,) = masks.rglob("*.dcm")
    assert written == masks / "series.seg.dcm"
    assert pydicom.dcmread(written).pixel_array.sum() == (spheres.sphere() > spheres.BRIGHT).sum()
    assert "below/head.nii: no mask of the volume. Expected DICOM" in capsys.readouterr().err


def test_masks_of_several_volumes_in_a_file_carry_the_number_of_their_first_slice(script, fake, tmp_path):
    (tmp_path / "two.nii.zip").write_bytes(zipped({"a.nii": spheres.nifti(), "b.nii": nifti()}))
    command = [str(tmp_path / "two.nii.zip"), "--masks", str(tmp_path / "masks"), "--volume-masks", "nifti"]
    assert script.main(command) == 0
    assert sorted(p.name for p in (tmp_path / "masks").glob("*.nii.gz")) == ["two.nii.gz", "two_0024.nii.gz"]
    assert nibabel.load(tmp_path / "masks" / "two_0024.nii.gz").shape == (36, 40, 8)


def test_a_slice_with_the_name_of_another_input_is_not_written_over_it(script, fake, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "head.nii").write_bytes(spheres.nifti())
    (tmp_path / "in" / "head_0001.png").write_bytes(picture())
    masks = tmp_path / "masks"
    paths = [str(tmp_path / "in"), str(tmp_path / "in" / "head.nii")]  # the volume twice, which is no other input
    assert script.main([*paths, "--masks", str(masks)]) == 1
    out, err = capsys.readouterr()
    assert err == "predict.py: head_0001.png: no picture of slice 0. head.nii has head_0001.png already\n"
    assert len(out.splitlines()) == 24 + 1 + 24
    assert len(list(masks.iterdir())) == 24
    assert Image.open(masks / "head_0001.png").size == Image.open(masks / "head.png").size
    assert script.main([*paths[1:], "--masks", str(masks)]) == 0


TWO = zipped({"a.nii": nifti(), "b.nii": nifti()})  # 8 slices each
OTHER = nifti(affine=np.eye(4))
SERIES = {f"SE/{i}": dicom(position=3.0 * i, number=i + 1, SeriesInstanceUID=f"1.2.{i // 2}") for i in range(4)}


@pytest.mark.parametrize(
    ("contents", "paths", "said"),
    [
        ({"head.zip": TWO, "head_0008.nii": OTHER}, ["in"], "head_0008.nii: {} head.zip has head_0008"),
        (
            {"head.zip": TWO, "head_0008.nii": OTHER}, ["in/head_0008.nii", "in/head.zip"],
            "in/head.zip: {} in/head_0008.nii has head_0008",
        ),
        (SERIES | {"SE_0002.nii": OTHER}, ["in"], "SE_0002.nii: {} SE has SE_0002"),
        (SERIES | {"SE_0002.nii": OTHER}, ["in/SE_0002.nii", "in/SE"], "in/SE: {} in/SE_0002.nii has SE_0002"),
    ],
    ids=["ZIP", "ZIP later", "series", "series later"],
)  # fmt: skip
def test_no_mask_of_a_volume_is_written_over_another(script, fake, tmp_path, monkeypatch, capsys, contents, paths, said):
    monkeypatch.chdir(tmp_path)
    files = {f"in/{name}": data for name, data in contents.items()} | {"y.nii": OTHER}
    for name, data in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(data)
    command = [*paths, "y.nii", "--masks", "masks", "--volume-masks", "nifti", "--out", "records"]
    line = f"predict.py: {said.format('no mask of the volume.')}.nii.gz already\n"
    assert script.main(command) == 1
    assert line in capsys.readouterr().err
    assert len(list(Path("masks").glob("*.nii.gz"))) == 3


def test_a_volume_of_which_every_slice_is_refused_has_no_mask(script, fake, volumes, tmp_path):
    fake.answer = refused()
    script.main([str(volumes), "--masks", str(tmp_path / "masks"), "--volume-masks", "nifti"])
    assert not (tmp_path / "masks").exists()


@pytest.mark.parametrize("name", ["a.png", "a.nii.gz"])
def test_masks_are_not_written_over_the_input(script, fake, tmp_path, capsys, name):
    (tmp_path / name).write_bytes(picture())
    with pytest.raises(SystemExit) as caught:
        script.main([str(tmp_path), "--masks", str(tmp_path), "--volume-masks", "nifti"])
    assert caught.value.code == 2
    assert "expected another folder for pictures" in capsys.readouterr().err
    assert (tmp_path / name).read_bytes() == picture()
    assert fake.calls == []
