"""scripts/predict.py in this process, around a classifier with fixed answers: the masks and overlays that it writes."""

import json

import numpy as np
import pytest
from PIL import Image

from answers import timeless
from fakes import ok, pages, picture, refused
from format_samples import dicom
from model.overlay import mask_png, overlay
from model.reading import read


def test_overlays_and_masks_of_every_slice(script, fake, tmp_path, capsys):
    fake.answer = ok("pituitary", tumor=True)
    (tmp_path / "scan.tif").write_bytes(pages(3))
    overlays, masks = tmp_path / "overlays", tmp_path / "masks"
    arguments = [str(tmp_path / "scan.tif"), "--overlay", str(overlays), "--masks", str(masks)]
    assert script.main(arguments) == 0
    for i, name in enumerate(("scan.png", "scan_0001.png", "scan_0002.png")):
        slice_ = read(pages(3))[i]
        prediction = fake.answer(slice_)
        assert (overlays / name).read_bytes() == overlay(slice_, prediction)
        assert (masks / name).read_bytes() == mask_png(prediction.mask)
    assert len(list(tmp_path.rglob("*.png"))) == 6
    assert [json.loads(line)["slice"] for line in capsys.readouterr().out.splitlines()] == [0, 1, 2]


def test_a_refused_slice_has_no_pictures(script, fake, folder, tmp_path):
    fake.answer = refused()
    script.main([str(folder), "--overlay", str(tmp_path / "overlays"), "--masks", str(tmp_path / "masks")])
    assert not (tmp_path / "overlays").exists() and not (tmp_path / "masks").exists()


def test_files_named_by_numbers_have_their_own_masks_and_a_resumed_run_the_same(script, fake, tmp_path):
    """As DICOM files are named by their UID."""
    fake.answer = ok("pituitary", tumor=True)
    names, masks, out = [f"1.2.840.5.{i}" for i in (1, 2, 10)], tmp_path / "masks", tmp_path / "records"
    (tmp_path / "in").mkdir()
    for name in names:
        (tmp_path / "in" / name).write_bytes(picture())
    command = [str(tmp_path / "in"), "--masks", str(masks), "--out", str(out), "--resume"]
    assert script.main(command) == 0
    whole = {path.name: path.read_bytes() for path in masks.iterdir()}
    assert sorted(whole) == sorted(f"{name}.png" for name in names)
    lines = out.read_text().splitlines(keepends=True)
    for cut in (0, 1, 2):
        for path in masks.iterdir():
            path.unlink()
        out.write_text("".join(lines[:cut]))
        assert script.main(command) == 0
        again = {path.name: path.read_bytes() for path in masks.iterdir()}
        answered = max(0, cut - 1)  # the last file of a run that was cut is answered once more
        assert again == {f"{name}.png": whole[f"{name}.png"] for name in sorted(names)[answered:]}


def test_a_resumed_run_writes_nothing_over_the_pictures_that_are_there(script, fake, tmp_path, capsys):
    """The same as a run that was not interrupted, in its pictures, what it says and its exit status."""
    (tmp_path / "in").mkdir()
    contents = {"scan.tif": pages(3), "scan0.jpg": picture("JPEG"), "scan_0001.jpg": picture("JPEG", (20, 10))}
    contents |= {"scan_0002.jpg": picture("JPEG", (30, 10)), "z.jpg": picture("JPEG")}
    for name, data in contents.items():
        (tmp_path / "in" / name).write_bytes(data)
    second = read(pages(3))[1]
    fake.answer = lambda pixels: (refused() if np.array_equal(pixels, second) else ok())(pixels)
    masks, out = tmp_path / "masks", tmp_path / "records"
    command = [str(tmp_path / "in"), "--masks", str(masks), "--out", str(out), "--resume"]
    said = "predict.py: scan_0002.jpg: no picture of slice 0. scan.tif has scan_0002.png already\n"
    assert script.main(command) == 1 and capsys.readouterr().err == said
    whole = {path.name: path.read_bytes() for path in masks.iterdir()}
    assert sorted(whole) == ["scan.png", "scan0.png", "scan_0001.png", "scan_0002.png", "z.png"]
    sizes = {name: Image.open(masks / name).size for name in whole}
    assert (sizes["scan_0001.png"], sizes["scan_0002.png"]) == ((20, 10), (16, 12))  # the second page was refused
    lines = out.read_text().splitlines(keepends=True)
    for cut in range(len(lines) + 1):
        out.write_text("".join(lines[:cut]))
        assert script.main(command) == 1
        assert capsys.readouterr().err == (said if cut < len(lines) else "")
        assert {path.name: path.read_bytes() for path in masks.iterdir()} == whole


def test_a_run_with_pictures_among_the_inputs_can_be_resumed(script, fake, folder, tmp_path, capsys):
    out, masks = tmp_path / "records", folder / "masks"
    command = [str(folder), "--masks", str(masks), "--overlay", str(masks / "overlays"), "--out", str(out)]
    assert script.main(command) == 1
    whole, pictures = out.read_text(), sorted(masks.rglob("*.png"))
    assert len(pictures) == 18
    for cut in (0, 1, 5):
        out.write_text("".join(whole.splitlines(keepends=True)[:cut]))
        capsys.readouterr()
        assert script.main([*command, "--resume"]) == 1
        assert timeless(out.read_text()) == timeless(whole)
        assert sorted(masks.rglob("*.png")) == pictures
        assert (
            capsys.readouterr().err == f"predict.py: 18 file(s) in {folder} passed over, where this run writes its pictures\n"
        )


@pytest.mark.parametrize("resume", [[], ["--resume"]])
@pytest.mark.parametrize("option", ["--masks", "--overlay"])
def test_a_folder_for_pictures_that_holds_inputs_is_refused(script, fake, folder, tmp_path, capsys, option, resume):
    """A resumed run could not tell them from its pictures."""
    (folder / "masks" / "below").mkdir(parents=True)
    (folder / "masks" / "below" / "a.jpg").write_bytes(picture())
    for place, first in (("masks", "masks/below/a.jpg"), ("", "0.png")):
        with pytest.raises(SystemExit) as ended:
            script.main([str(folder), option, str(folder / place), "--out", str(tmp_path / "records"), *resume])
        assert ended.value.code == 2
        said = f"error: expected another folder for pictures. Received: one in which {folder / first} is an input\n"
        assert capsys.readouterr().err.endswith(said)
    assert fake.calls == [] and not (tmp_path / "records").exists()


@pytest.mark.parametrize("resume", [[], ["--resume"]])
def test_pictures_of_two_inputs_are_not_written_over_each_other(script, fake, tmp_path, capsys, resume):
    for name in ("patient1", "patient2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "IM0001.dcm").write_bytes(dicom())
    inputs = [str(tmp_path / "patient1"), str(tmp_path / "patient2")]
    for option in ("--masks", "--overlay"):
        command = [option, str(tmp_path / "pictures"), "--out", str(tmp_path / "records"), *resume]
        with pytest.raises(SystemExit) as caught:
            script.main([*inputs, *command])
        assert caught.value.code == 2
        message = " ".join(capsys.readouterr().err.split())
        assert f"Received: {inputs[0]}/IM0001.dcm and {inputs[1]}/IM0001.dcm, which both give" in message
    assert fake.calls == [] and sorted(path.name for path in tmp_path.iterdir()) == ["patient1", "patient2"]
    assert script.main([str(tmp_path), *command]) == 0  # their names in the folder above differ
    written = sorted(path.relative_to(tmp_path / "pictures").as_posix() for path in (tmp_path / "pictures").rglob("*.png"))
    assert written == ["patient1/IM0001.png", "patient2/IM0001.png"]


@pytest.mark.parametrize("option", ["--masks", "--overlay"])
def test_a_folder_that_cannot_be_made_is_told_before_the_work(script, fake, folder, tmp_path, capsys, option):
    (tmp_path / "taken").write_text("")
    for place in (tmp_path / "taken", tmp_path / "taken" / "below"):
        with pytest.raises(SystemExit) as ended:
            script.main([str(folder), option, str(place)])
        assert ended.value.code == 2 and fake.calls == []
        message = f"error: expected a folder for pictures that can be written to. Received: {place}\n"
        assert capsys.readouterr().err.endswith(message)


@pytest.mark.parametrize("option", ["--masks", "--overlay"])
def test_a_name_that_is_too_long_for_a_picture_does_not_end_the_run(script, fake, tmp_path, capsys, option):
    (tmp_path / "in").mkdir()
    long = "1." + 253 * "9"  # with .png it is too long
    for name in (long, "2.png"):
        (tmp_path / "in" / name).write_bytes(picture())
    pictures = tmp_path / "pictures"
    assert script.main([str(tmp_path / "in"), option, str(pictures)]) == 1
    said = capsys.readouterr()
    assert [(r["file"], r["status"]) for r in timeless(said.out)] == [(long, "ok"), ("2.png", "ok")]
    assert said.err == f"predict.py: cannot write {pictures}/{long}.png (File name too long)\n"
    assert [path.name for path in pictures.iterdir()] == ["2.png"]
