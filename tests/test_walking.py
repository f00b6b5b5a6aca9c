"""The one walk of all command lines: what it finds, in which order, and what it does not wait for."""

import os
from pathlib import Path

import pytest

from model.walking import walk


@pytest.fixture
def here(tmp_path) -> Path:
    return tmp_path / "here"


def put(*files: Path) -> None:
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"")


def names(folder: Path) -> list[str]:
    return [file.relative_to(folder).as_posix() for file in walk(folder).files]


def shut(monkeypatch, *folders: Path) -> None:
    """As for one who may not open them; the tests may run as one who may open everything."""
    listing = Path.iterdir

    def iterdir(path):
        if path in folders:
            raise PermissionError(13, "Permission denied", str(path))
        return listing(path)

    monkeypatch.setattr(Path, "iterdir", iterdir)


def test_files_come_in_the_order_of_their_paths(here):
    put(*(here / name for name in ("b.png", "a/2.png", "a/10.png", "a.png", "a-b/1.png", "c/d/e")))
    assert names(here) == ["a/10.png", "a/2.png", "a-b/1.png", "a.png", "b.png", "c/d/e"]
    assert walk(here).files == sorted(file for file in here.rglob("*") if file.is_file())


def test_what_is_hidden_is_passed_over_but_not_a_hidden_folder_that_was_given(here):
    put(here / "a.png", here / "._a.png", here / ".git" / "b.png", here / ".thumbs" / "c" / "d.png")
    assert names(here) == ["a.png"]
    assert names(here / ".git") == ["b.png"]


def test_linked_folders_are_walked_and_loops_end(here, tmp_path):
    put(tmp_path / "disk" / "series" / "1.dcm", here / "own.png")
    (here / "cd").symlink_to(tmp_path / "disk")
    (here / "one.dcm").symlink_to(tmp_path / "disk" / "series" / "1.dcm")
    (tmp_path / "disk" / "series" / "back").symlink_to(here)
    (here / "again").symlink_to(tmp_path / "disk" / "series")  # the same files under another name are not left out
    assert names(here) == ["again/1.dcm", "cd/series/1.dcm", "one.dcm", "own.png"]


def test_a_link_that_leads_nowhere_is_a_file_that_cannot_be_read(here):
    put(here / "a.png")
    (here / "gone.png").symlink_to(here / "nowhere")
    (here / "round.png").symlink_to(here / "round.png")
    assert names(here) == ["a.png", "gone.png", "round.png"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names here")
def test_a_pipe_is_not_waited_for(here):
    put(here / "a.png")
    os.mkfifo(here / "z.jpg")
    assert names(here) == ["a.png"]


def test_a_folder_that_cannot_be_opened_is_told(here, monkeypatch):
    put(here / "a.png", here / "shut" / "b.png")
    shut(monkeypatch, here / "shut")
    assert names(here) == ["a.png"]
    assert walk(here).closed == {here / "shut": "Permission denied"}
    assert walk(here / "nowhere").closed == {here / "nowhere": "No such file or directory"}
