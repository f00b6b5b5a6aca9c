"""What a command line names, and what would be written over what."""

import os
from pathlib import Path

import pytest

from fakes import pages, picture
from format_samples import dicom, gzipped, nifti, series, zipped
from model.inputs import UsageError, check_targets, find_sources
from model.reading import ReadError
from test_walking import shut
from uploads import TEXT

PNG, NII = picture(), nifti()
SLICES = series()


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(files: dict[str, bytes]) -> None:
    for name, data in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(data)


def check(paths: list[str], masks: str | None, overlays: str | None = None, volume_format: str | None = None) -> None:
    check_targets(find_sources(paths), masks and Path(masks), overlays and Path(overlays), volume_format)


@pytest.mark.parametrize(
    ("name", "picture_name", "base"),
    [
        ("m.jpg", "m.png", "m"),
        ("IM0001", "IM0001.png", "IM0001"),
        ("1.2.840.5.1", "1.2.840.5.1.png", "1.2.840.5.1"),
        ("1.2.840.5.1.dcm", "1.2.840.5.1.png", "1.2.840.5.1"),
        ("slice.001", "slice.001.png", "slice.001"),
        ("head.nii", "head.png", "head"),
        ("head.nii.gz", "head.nii.png", "head"),
    ],
)
def test_names_of_what_is_written(name, picture_name, base):
    write({f"in/SE1/{name}": PNG})
    (alone,), (below,) = find_sources([f"in/SE1/{name}"]), find_sources(["in"])
    assert (alone.picture.as_posix(), alone.base.as_posix()) == (picture_name, base)
    assert (below.picture.as_posix(), below.base.as_posix()) == (f"SE1/{picture_name}", f"SE1/{base}")


MASKS, OVERLAYS, BOTH, VOLUMES = (
    {"masks": "out"},
    {"masks": None, "overlays": "out"},
    {"masks": "out", "overlays": "out/SE1"},
    {"masks": "out", "volume_format": "nifti"},
)


@pytest.mark.parametrize(
    ("files", "paths", "options", "first", "second", "target"),
    [
        ({"a/1.png": PNG, "b/1.png": PNG}, ["a/1.png", "b/1.png"], MASKS, "a/1.png", "b/1.png", "1.png"),
        ({"a/1.png": PNG, "b/1.png": PNG}, ["a", "b"], OVERLAYS, "a/1.png", "b/1.png", "1.png"),
        ({"a/x.jpg": PNG, "a/x.png": PNG}, ["a"], MASKS, "a/x.jpg", "a/x.png", "x.png"),
        ({"a/5.1": dicom(), "a/5.1.dcm": dicom()}, ["a"], MASKS, "a/5.1", "a/5.1.dcm", "5.1.png"),
        ({"stdin.tif": pages(2)}, ["stdin.tif", "-"], MASKS, "stdin.tif", "-", "stdin.png"),
        ({"a/1.png": PNG, "a/SE1/1.png": PNG}, ["a"], BOTH, "a/1.png", "a/SE1/1.png", "SE1/1.png"),
        ({"a/h.nii": NII, "a/h.nii.gz": gzipped(NII)}, ["a"], VOLUMES, "a/h.nii", "a/h.nii.gz", "h.nii.gz"),
        ({"h.nii.gz": NII, "a/h.zip": zipped({"a.nii": NII})}, ["h.nii.gz", "a"], VOLUMES, "h.nii.gz", "a/h.zip", "h.nii.gz"),
        (
            {f"{d}/SE1/{d}{i}": SLICES[i] for d in "ab" for i in range(2)},
            ["a", "b"], VOLUMES, "a/SE1", "b/SE1", "SE1.nii.gz",
        ),
        (
            {"a/SE1/1": SLICES[1], "a/SE1/2": gzipped(SLICES[2]), "a/SE1.nii.gz": NII},
            ["a/SE1", "a/SE1.nii.gz"], VOLUMES, "a/SE1", "a/SE1.nii.gz", "SE1.nii.gz",
        ),
    ],
    ids=["files", "folders", "endings", "UID", "stdin", "mask and overlay", "NIfTI", "ZIP", "series", "file and series"],
)  # fmt: skip
def test_two_inputs_do_not_get_one_name(here, files, paths, options, first, second, target):
    write(files)
    with pytest.raises(UsageError) as caught:
        check(paths, **options)
    assert str(caught.value) == (
        f"expected another name for each picture and mask. Received: {first} and {second}, which both give "
        f"{here / 'out' / target}; give the folder that holds both, rename one, or write them to different folders"
    )
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("files", "paths", "options"),
    [
        ({"a/1.png": PNG, "b/1.png": PNG}, ["."], MASKS),
        ({"a/5.1": PNG, "a/5.2": PNG, "a/s.001": PNG, "a/s.002": PNG}, ["a"], VOLUMES),
        ({"a/1.png": PNG}, ["a/1.png", "a/1.png", "a", "./a"], VOLUMES),
        ({"a/SE1/1": SLICES[1], "a/SE1/2": SLICES[2]}, ["a", "a/SE1"], VOLUMES),
        ({"a/h.json": TEXT, "a/h.nii": NII, "a/h.txt": b""}, ["a"], VOLUMES),
        ({"a/h.nii": NII, "a/h.nii.gz": gzipped(NII)}, ["a"], MASKS),
        ({"a/h.nii.gz": gzipped(NII), "a/h.png": PNG}, ["a"], VOLUMES),
        ({"h/h.nii.gz": gzipped(NII), "h/one.dcm": dicom()}, ["h"], VOLUMES),
        ({"a/1.png": PNG, "b/1.png": PNG}, ["a", "b"], {"masks": None}),
    ],
    ids=["above", "numbers", "again", "series again", "described", "slices", "preview", "no series", "nothing written"],
)
def test_names_that_do_no_harm(files, paths, options):
    """Of one file twice; or where a file beside another is none from which anything is written."""
    write(files)
    check(paths, **options)


def test_folders_for_pictures_hold_no_inputs(here):
    """But where they hold the folder of the inputs itself."""
    write({"out/in/a.png": PNG, "out/in/masks/b.png": PNG, "out/masks": PNG})
    Path("out/in/link").symlink_to(here / "out" / "in" / "masks")
    told = []
    for place in ("out/in/masks", "out/in/link", "out/in"):
        with pytest.raises(UsageError, match=r"^expected another folder for pictures\. Received: .* out/in/.* is an input$"):
            find_sources(["out/in"], pictures=[None, Path(place)])
    for place in ("out/in/masks", "out/in/link"):
        found = find_sources(["out/in"], None, told.append, [Path(place)], resumed=True)
        assert [source.name for source in found] == ["a.png"]
    assert told == ["2 file(s) in out/in passed over, where this run writes its pictures"] * 2
    with pytest.raises(UsageError):
        find_sources(["out/in"], pictures=[Path("out/in")], resumed=True)
    for place in ("out", "elsewhere", "out/in/masks/new"):
        assert len(find_sources(["out/in"], pictures=[Path(place)])) == 3


def test_masks_and_overlays_need_a_folder_each():
    write({"a.png": PNG})
    with pytest.raises(
        UsageError, match=r"^expected a folder for --masks and another for --overlay\. Received: out for both$"
    ):
        check(["a.png"], masks="out", overlays="out/../out")
    check(["a.png"], masks="out", overlays="out/overlays")


def test_linked_folders_hidden_ones_and_pipes(here):
    write({"disk/1.dcm": PNG, "in/a.png": PNG, "in/.git/b.png": PNG})
    Path("in/cd").symlink_to(here / "disk")
    Path("in/me").symlink_to("me")
    os.mkfifo("in/z.jpg")
    found = find_sources(["in"])
    assert [source.name for source in found] == ["a.png", "cd/1.dcm", "me"]
    assert [source.folder.name for source in found] == ["in", "cd", "in"]
    check(["in"], **VOLUMES)  # a link to itself is no reason to stop


def test_a_folder_that_cannot_be_opened_is_a_source_in_its_place(monkeypatch):
    write({"in/a.png": PNG, "in/b/1.png": PNG, "in/c.png": PNG, "shut/1.png": PNG})
    shut(monkeypatch, Path("in/b"), Path("shut"))
    found = find_sources(["in", "shut"])
    assert [source.name for source in found] == ["a.png", "b", "c.png", "shut"]
    for source in found[1::2]:
        with pytest.raises(ReadError, match=r"^The folder cannot be opened \(Permission denied\)\.$"):
            source.content()
    check(["in", "shut"], **VOLUMES)


def test_a_folder_without_files_is_told():
    write({"in/.hidden": PNG, "in/records": PNG, "b/1.png": PNG})
    told = []
    assert [source.name for source in find_sources(["in", "b"], Path("in/records"), told.append)] == ["1.png"]
    assert told == ["no files in in"]


def test_what_is_neither_file_nor_folder(here):
    os.mkfifo("pipe")
    write({"a.png": PNG})
    for path, why in {
        "pipe": "pipe, which is neither a file nor a folder; give - for standard input",
        "": "an empty path",
        "nowhere": "nowhere, which does not exist",
        "a.png/b": "a.png/b (Not a directory)",
    }.items():
        with pytest.raises(UsageError) as caught:
            find_sources([path])
        assert str(caught.value) == f"expected a file, a folder or -. Received: {why}"
