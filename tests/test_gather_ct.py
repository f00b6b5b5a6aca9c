"""Head CT and MRI are gathered by kind; a project of InVesalius is drawn in the usual windows."""

import io
import plistlib
import tarfile
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from model.training.dataset import Item, save_manifest
from model.training.sides import remember
from scripts import gather_ct
from scripts.gather_ct import WINDOWS, drawn, kinds, listed


def project(path, volume, dtype="int16", name="matrix.dat"):
    facts = {"matrix": {"dtype": dtype, "shape": list(volume.shape), "filename": name}}
    with tarfile.open(path, "w:gz") as file:
        for member, data in (("main.plist", plistlib.dumps(facts)), (name, volume.tobytes())):
            info = tarfile.TarInfo(f"folder/{member}")
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    return path


def test_a_volume_is_drawn_in_each_window(tmp_path):
    values = np.array([-1000, 0, 20, 40, 60, 80, 1500], np.int16)
    volume = np.tile(values, (3, 2, 1))
    pictures = {(kind, number): np.asarray(picture) for kind, number, picture in drawn(project(tmp_path / "a.inv3", volume))}
    assert set(pictures) == {(f"ct_{name}_window", number) for name in WINDOWS for number in range(3)}
    assert pictures["ct_brain_window", 1].tolist() == [[0, 0, 64, 128, 191, 255, 255]] * 2
    assert pictures["ct_bone_window", 2][0].tolist() == [0, 64, 66, 69, 71, 74, 255]


@pytest.mark.parametrize(
    "wrong, told", (({"dtype": "uint8"}, "int16. Received: uint8"), ({"name": "other"}, "matrix.dat. Rec"))
)
def test_what_holds_no_hounsfield_units_is_told(tmp_path, wrong, told):
    with pytest.raises(ValueError, match=told):
        list(drawn(project(tmp_path / "a.inv3", np.zeros((1, 2, 2), np.int16), **wrong)))


def test_what_was_trained_on_is_left_out_and_the_rest_is_told_apart():
    split = {"train": "ab", "validation": "c", "testing": "de", "held_out": "f"}
    split = {side: [SimpleNamespace(path=name) for name in names] for side, names in split.items()}
    items = [SimpleNamespace(path=name) for name in "abcdefgh"]
    found = [(kind, item.path) for kind, item in kinds(items, split, set("adg"))]
    assert found == [
        ("mri_validation", "c"),
        ("ct_testing", "d"),
        ("mri_testing", "e"),
        ("mri_held_out", "f"),
        ("ct_not_trained_on", "g"),
    ]


def test_the_list_names_slices_of_the_kaggle_set_and_of_br35h():
    ct = listed()
    assert len(ct) == 85
    assert {name.split("/")[0] for name in ct} == {"brain_tumor_mri", "br35h_tumor"}
    assert sum("/Testing/" in name for name in ct) == 34


def test_pictures_lie_in_folders_by_kind(tmp_path, monkeypatch, capsys):
    items = [Item(f"set/{name}.jpg", "kaggle", "Training", "notumor") for name in "abc"]
    (tmp_path / "data" / "set").mkdir(parents=True)
    for item in items:
        (tmp_path / "data" / item.path).write_bytes(item.path.encode())
    save_manifest(items, tmp_path / "manifest.csv")
    remember(tmp_path / "run", {"train": items[:1], "validation": items[1:2], "testing": items[2:]})
    monkeypatch.setattr(gather_ct, "listed", lambda: {"set/a.jpg", "set/c.jpg"})
    volume = project(tmp_path / "a.inv3", np.zeros((2, 3, 4), np.int16))
    options = {"data": "data", "manifest": "manifest.csv", "run": "run", "out": "ct"}
    arguments = [part for name, path in options.items() for part in (f"--{name}", str(tmp_path / path))]
    assert gather_ct.main([*arguments, "--volume", str(volume)]) == 0
    out = tmp_path / "ct"
    found = {str(file.relative_to(out)): file.read_bytes() for file in out.rglob("*.jpg")}
    assert found == {"mri_validation/set_b.jpg": b"set/b.jpg", "ct_testing/set_c.jpg": b"set/c.jpg"}
    drawn_files = sorted(str(file.relative_to(out)) for file in out.rglob("*.png"))
    assert drawn_files == sorted(f"ct_{name}_window/00{number}.png" for name in WINDOWS for number in range(2))
    assert "'ct_brain_window': 2" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        gather_ct.main(arguments)  # nothing is mixed with what is there
    assert "expected a new folder as --out" in capsys.readouterr().err


def test_pictures_can_be_shrunk(tmp_path, monkeypatch):
    item = Item("set/b.jpg", "kaggle", "Testing", "notumor")
    (tmp_path / "data" / "set").mkdir(parents=True)
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (100, 80), np.uint8))
    picture.save(tmp_path / "data" / item.path, quality=95)
    save_manifest([item], tmp_path / "manifest.csv")
    remember(tmp_path / "run", {"testing": [item]})
    monkeypatch.setattr(gather_ct, "listed", set)
    volume = project(tmp_path / "a.inv3", np.zeros((1, 30, 60), np.int16))
    options = {"data": "data", "manifest": "manifest.csv", "run": "run", "out": "ct", "volume": volume.name}
    arguments = [part for name, path in options.items() for part in (f"--{name}", str(tmp_path / path))]
    assert gather_ct.main([*arguments, "--side", "50"]) == 0
    small = Image.open(tmp_path / "ct" / "mri_testing" / "set_b.png")
    np.testing.assert_array_equal(small, Image.open(tmp_path / "data" / item.path).resize((40, 50), Image.BILINEAR))
    assert Image.open(tmp_path / "ct" / "ct_bone_window" / "000.png").size == (50, 25)
