"""scripts/predict.py in this process, around a classifier with fixed answers: pictures, resuming, options."""

import errno
import io
import json
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from answers import timeless
from fakes import ok, pages, picture, refused
from format_samples import dicom, zipped
from model.overlay import mask_png, overlay
from model.reading import read
from model.records import csv_lines
from test_walking import shut


@pytest.fixture
def folder(tmp_path) -> Path:
    """Nine readable files and an unreadable one."""
    folder = tmp_path / "folder"
    folder.mkdir()
    for i in range(9):
        (folder / f"{i}.png").write_bytes(picture(seed=i))
    (folder / "9.txt").write_text("no image")
    return folder


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


@pytest.mark.parametrize("format", ["jsonl", "csv", "table"])
def test_another_modality_is_refused(script, fake, tmp_path, capsys, format):
    """It can be read, and is no brain MRI slice: no failure."""
    (tmp_path / "0.png").write_bytes(picture())
    (tmp_path / "1.dcm").write_bytes(dicom(Modality="CT", SOPClassUID="1.2.840.10008.5.1.4.1.1.2"))
    (tmp_path / "2.zip").write_bytes(zipped({"a.dcm": dicom(Modality="SR", SOPClassUID="1.2")}))
    masks = tmp_path.parent / "masks"
    arguments = ["--format", format, "--studies", "--masks", str(masks), "--volume-masks", "seg"]
    arguments += ["--overlay", str(masks / "overlays")]
    assert script.main([str(tmp_path), *arguments]) == 0
    lines = capsys.readouterr().out.splitlines()[format != "jsonl" :]
    assert len(lines) == 3 and all("refused" in line for line in lines[1:])
    assert "Expected an MR image. Received: CT, computed tomography." in lines[1]
    reason = "The file in the ZIP cannot be read. Expected an MR image. Received: SR, a structured report."
    assert reason in lines[2]
    if format == "jsonl":
        record = json.loads(lines[2])
        assert record.pop("timings_ms")["read"] > 0
        assert record == {
            "file": "2.zip", "slice": 0, "status": "refused", "reason": reason, "in_distribution": 0.0, "model": "fake-1"
        }  # fmt: skip


@pytest.mark.parametrize("jobs", ["1", "4"])
def test_jobs_change_nothing_in_the_records(script, folder, capsys, jobs):
    assert script.main([str(folder), "--jobs", jobs]) == 1
    records = timeless(capsys.readouterr().out)
    assert [r["file"] for r in records] == [*(f"{i}.png" for i in range(9)), "9.txt"]
    assert [r["status"] for r in records] == ["ok"] * 9 + ["error"]


@pytest.mark.parametrize("format", ["jsonl", "csv", "table"])
def test_out_gets_what_stdout_would(script, folder, tmp_path, capsys, format):
    out = tmp_path / "new" / "records"
    assert script.main([str(folder), "--format", format]) == 1
    printed = capsys.readouterr().out
    assert script.main([str(folder), "--format", format, "--out", str(out)]) == 1
    assert capsys.readouterr().out == ""
    written = out.read_text()
    assert timeless(written) == timeless(printed) if format == "jsonl" else written == printed


@pytest.mark.parametrize("format", ["jsonl", "csv"])
def test_resume_makes_a_cut_file_whole(script, fake, folder, tmp_path, format):
    out = folder / "records"  # among the files to be answered, but none of them
    command = [str(folder), "--format", format, "--out", str(out), "--overlay", str(tmp_path / "overlays")]
    assert script.main([*command, "--resume"]) == 1  # nothing to go on with: starts
    whole = out.read_text()
    fake.calls.clear()
    out.write_text(whole[: whole.index("6.png") + 30])  # cut within the record of the seventh file
    assert script.main([*command, "--resume"]) == 1
    again = out.read_text()
    assert timeless(again) == timeless(whole) if format == "jsonl" else again == whole
    assert [len(call) for call in fake.calls] == [4]  # from 5.png on, for nobody knows whether it was whole


def test_resume_knows_names_that_look_like_formulas(script, fake, tmp_path):
    for name in ("+b.png", "=1;+1.png", "c.png"):
        (tmp_path / name).write_bytes(picture())
    command = [str(tmp_path), "--format", "csv", "--out", str(tmp_path / "records"), "--resume"]
    assert script.main(command) == 0
    whole = (tmp_path / "records").read_text()
    assert [line.split(",0,ok")[0] for line in whole.splitlines()[1:]] == ["'+b.png", '"\'=1;+1.png"', "c.png"]
    fake.calls.clear()
    assert script.main(command) == 0
    assert len(fake.calls[0]) == 1  # the last file alone, which may not be complete
    assert (tmp_path / "records").read_text() == whole


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


def test_resume_remembers_that_a_file_could_not_be_read(script, tmp_path):
    for name, data in (("a.txt", b"no image"), ("b.png", picture()), ("c.png", picture())):
        (tmp_path / name).write_bytes(data)
    command = [str(tmp_path), "--out", str(tmp_path / "records"), "--resume"]
    assert script.main(command) == 1
    assert script.main(command) == 1
    assert len((tmp_path / "records").read_text().splitlines()) == 3


def test_interrupted_run_keeps_what_it_has_and_can_be_resumed(script, fake, folder, tmp_path, capsys, monkeypatch):
    out = tmp_path / "records.jsonl"
    save = script.save_pictures

    def interrupt(answer, *folders):
        if answer.source.name == "4.png":
            raise KeyboardInterrupt
        save(answer, *folders)

    monkeypatch.setattr(script, "save_pictures", interrupt)
    assert script.main([str(folder), "--out", str(out)]) == 130
    assert capsys.readouterr().err == "predict.py: interrupted. The same command with --resume goes on.\n"
    assert len(out.read_text().splitlines()) == 4
    monkeypatch.setattr(script, "save_pictures", save)
    assert script.main([str(folder), "--out", str(out), "--resume"]) == 1
    assert [r["file"] for r in timeless(out.read_text())] == [*(f"{i}.png" for i in range(9)), "9.txt"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--resume"], "--resume needs --out FILE, and --format jsonl or csv"),
        (["--resume", "--out", "new", "--format", "table"], "--resume needs --out FILE, and --format jsonl or csv"),
        (["--out", "records"], "expected a new file for --out, or --resume. Received: records, which has records already"),
        (["--out", "records", "--resume"], "Expected one JSON record on each line. Received: b'file,slice"),
        (["--out", "records", "--resume", "--format", "csv"], "Expected answers of the model fake-1. Received: records with"),
        (["--out", "folder/0.png/x"], "expected a file for --out. Received: folder/0.png/x (File exists)"),
        (["--out", "folder"], "expected a file for --out. Received: folder (Is a directory)"),
        (["--out", "folder", "--resume"], "expected a file for --out. Received: folder (Is a directory)"),
        (["--volume-masks", "nifti"], "--volume-masks needs --masks DIR"),
        (["--volume-masks", "png", "--masks", "new"], "invalid choice: 'png'"),
        (["--jobs", "0"], "argument --jobs: expected a whole number, 1 or more. Received: '0'"),
        (["--jobs", "two"], "argument --jobs: expected a whole number, 1 or more. Received: 'two'"),
    ],
)
def test_bad_usage_of_the_newer_options(script, folder, tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    before = csv_lines([ok()(np.zeros((9, 9))).record("a.png", 0, "other")])
    Path("records").write_text(before)
    with pytest.raises(SystemExit) as caught:
        script.main(["folder", *arguments])
    assert caught.value.code == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert Path("records").read_text() == before


@pytest.mark.parametrize("option", ["--masks", "--overlay"])
def test_a_folder_that_cannot_be_made_is_told_before_the_work(script, fake, folder, tmp_path, capsys, option):
    (tmp_path / "taken").write_text("")
    for place in (tmp_path / "taken", tmp_path / "taken" / "below"):
        with pytest.raises(SystemExit) as ended:
            script.main([str(folder), option, str(place)])
        assert ended.value.code == 2 and fake.calls == []
        message = f"error: expected a folder for pictures that can be written to. Received: {place}\n"
        assert capsys.readouterr().err.endswith(message)


def test_a_disk_that_is_full_is_told_in_a_line(script, folder, tmp_path, capsys, monkeypatch):
    def full(path, data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(Path, "write_bytes", full)
    assert script.main([str(folder), "--masks", str(tmp_path / "masks")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"predict\.py: cannot write .*\.png \(No space left on device\)", line)


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


def test_a_folder_that_cannot_be_opened_is_an_error(script, folder, tmp_path, capsys, monkeypatch):
    (folder / "2").mkdir()
    shut(monkeypatch, folder / "2")
    (folder / "9.txt").unlink()
    assert script.main([str(folder)]) == 1
    records = timeless(capsys.readouterr().out)
    assert [r["file"] for r in records][1:4] == ["1.png", "2", "2.png"]
    assert records[2] | {"model": ""} == {
        "file": "2", "slice": 0, "status": "error", "reason": "The folder cannot be opened (Permission denied).", "model": ""
    }  # fmt: skip


def test_an_empty_folder_is_told(script, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert script.main([str(tmp_path / "empty")]) == 0
    assert capsys.readouterr() == ("", f"predict.py: no files in {tmp_path / 'empty'}\n")


def test_progress_counts_files_and_what_was_answered_before(script, folder, tmp_path, monkeypatch):
    shown = []

    class Bar:
        def __init__(self, **options):
            shown.append(options["initial"])
            assert (options["total"], options["unit"], options["file"]) == (10, "file", sys.stderr)

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

        def update(self, count):
            shown.append(count)

    monkeypatch.setattr(script, "tqdm", Bar)
    (folder / "0.png").write_bytes(pages(2))
    command = [str(folder), "--out", str(tmp_path / "records.jsonl"), "--resume"]
    script.main(command)
    assert shown == [0, 0.5, 0.5, *[1] * 9]  # 0.png has two slices
    shown.clear()
    script.main(command)
    assert shown == [9, 1]


def test_progress_within_a_study_is_shown_with_rate_and_remaining_time(script, fake, tmp_path, monkeypatch):
    """On a terminal, also where there is one file only."""

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    bar, now = script.tqdm, {"delay": 0, "mininterval": 0}
    monkeypatch.setattr(script, "tqdm", lambda **options: bar(**options | now))
    (tmp_path / "head.tif").write_bytes(pages(4))
    assert script.main([str(tmp_path / "head.tif"), "--out", str(tmp_path / "records")]) == 0
    shown = [re.sub(r"\|.*\|", "|", step) for step in terminal.getvalue().split("\r") if step.strip()]
    assert list(dict.fromkeys(step[:4] for step in shown)) == ["  0%", " 25%", " 50%", " 75%", "100%"]
    assert all(re.search(r"\| \d/1 \[\d\d:\d\d<(\?|\d\d:\d\d), .+(file/s|s/file)\]", step) for step in shown), shown


def test_names_that_are_not_unicode_come_out_as_they_are(script, tmp_path):
    """Such names come from disks of another age."""
    (tmp_path / "folder").mkdir()
    try:
        (tmp_path / "folder" / "m\udcfcller.png").write_bytes(picture())
    except OSError:
        pytest.skip("this file system has Unicode names only")
    for format in ("csv", "table"):
        assert script.main([str(tmp_path / "folder"), "--format", format, "--out", str(tmp_path / format)]) == 0
        assert b"m\xfcller.png" in (tmp_path / format).read_bytes()


def test_threads_are_for_the_number_of_files_unless_the_environment_says(script, fake, monkeypatch, tmp_path):
    monkeypatch.delenv("EARLYMED_THREADS", raising=False)
    asked = []
    monkeypatch.setattr(script.Classifier, "load", lambda path, threads: asked.append(threads) or fake)
    monkeypatch.setattr(script, "threads_for", lambda files, jobs: 10 * files + jobs)
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(picture())
    script.main([str(tmp_path), "--jobs", "3"])
    monkeypatch.setenv("EARLYMED_THREADS", "2")
    script.main([str(tmp_path), "--jobs", "3"])
    assert asked == [23, None]  # None: what the environment says
