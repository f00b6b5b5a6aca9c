"""scripts/predict.py in this process, around a classifier with fixed answers: resuming, progress, options."""

import errno
import io
import json
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from answers import timeless
from fakes import ok, pages, picture
from format_samples import dicom, zipped
from model.records import csv_lines
from test_walking import shut


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


def test_a_disk_that_is_full_is_told_in_a_line(script, folder, tmp_path, capsys, monkeypatch):
    def full(path, data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(Path, "write_bytes", full)
    assert script.main([str(folder), "--masks", str(tmp_path / "masks")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"predict\.py: cannot write .*\.png \(No space left on device\)", line)


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
