"""scripts/gather_bodies.py, with packages made here."""

import io
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

from format_samples import dicom, nifti
from scripts import gather_bodies
from scripts.gather_bodies import PAIR_HEIGHT, SAMPLES, Scan, content, pairs

SIDE = 64
VOLUME = np.random.default_rng(0).integers(-160, 240, (SIDE, SIDE, 20)).astype(np.int16)  # Hounsfield units


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """A wheel with an MR slice and a source distribution with a CT volume."""
    with zipfile.ZipFile(tmp_path / "wheel-1.0-py3-none-any.whl", "w") as wheel:
        pixels = np.random.default_rng(1).integers(0, 900, (SIDE, SIDE)).astype(np.uint16)
        wheel.writestr("wheel/data/knee.dcm", dicom(pixels))
        wheel.writestr("wheel/other/knee.dcm", b"")
    with tarfile.open(tmp_path / "sdist-1.0.tar.gz", "w:gz") as archive:
        data = nifti(VOLUME)
        member = tarfile.TarInfo("sdist-1.0/tests/ct.nii")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    scans = (Scan("mri_knee", "wheel-*.whl", "data/knee.dcm"), Scan("ct_chest", "sdist-*.tar.gz", "tests/ct.nii", "soft"))
    monkeypatch.setattr(gather_bodies, "SCANS", scans)
    return tmp_path


def test_slices_and_pairs_come_in_folders_by_kind(packages, tmp_path, capsys):
    out = tmp_path / "out"
    assert gather_bodies.main(["--packages", str(packages), "--out", str(out)]) == 0
    count = len(list(SAMPLES.glob("*.jpg")))
    expected = {"mri_knee": 1, "ct_chest": 12, "two_slices": count * (count - 1) // 2}
    assert {folder.name: len(list(folder.iterdir())) for folder in out.iterdir()} == expected
    assert capsys.readouterr().out == f"{expected}\n"
    slice_ = np.asarray(Image.open(out / "ct_chest" / "000.png"))
    assert slice_.dtype == np.uint8 and slice_.shape == (SIDE, SIDE)
    window = np.round((np.sort(VOLUME[..., 0], axis=None) + 160.0) * 255 / 400)  # from -160 to 240
    np.testing.assert_allclose(np.sort(slice_, axis=None), window, atol=1)


def test_pictures_can_be_shrunk(packages, tmp_path):
    for folder, side in (("whole", []), ("small", ["--side", "48"])):
        gather_bodies.main(["--packages", str(packages), "--out", str(tmp_path / folder), *side])
    whole, small = (Image.open(tmp_path / folder / "ct_chest" / "000.png") for folder in ("whole", "small"))
    assert small.size == (48, 48)
    np.testing.assert_array_equal(small, whole.resize((48, 48), Image.BILINEAR))
    pair = Image.open(tmp_path / "small" / "two_slices" / "000.png")
    assert pair.width == 48 > pair.height


def test_a_pair_is_two_slices_side_by_side():
    files = sorted(SAMPLES.glob("*.jpg"))[:3]
    pictures = [picture for _, picture in pairs(files)]
    first = Image.open(files[0]).convert("L")
    width = round(first.width * PAIR_HEIGHT / first.height)
    assert len(pictures) == 3 and {picture.height for picture in pictures} == {PAIR_HEIGHT}
    np.testing.assert_array_equal(pictures[0].crop((0, 0, width, PAIR_HEIGHT)), first.resize((width, PAIR_HEIGHT)))


def test_what_is_missing_is_told(packages, tmp_path, capsys):
    with pytest.raises(ValueError, match=r"Expected one data/hip\.dcm in wheel-1\.0-py3-none-any\.whl\. Received: 0"):
        content(packages / "wheel-1.0-py3-none-any.whl", "data/hip.dcm")
    (packages / "sdist-1.0.tar.gz").unlink()
    with pytest.raises(SystemExit):
        gather_bodies.main(["--packages", str(packages), "--out", str(tmp_path / "out")])
    assert f"expected packages in {packages}. Received: none of sdist-*.tar.gz" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    with pytest.raises(SystemExit):
        gather_bodies.main(["--packages", str(packages), "--out", str(packages)])
    assert "expected a new folder as --out" in capsys.readouterr().err
