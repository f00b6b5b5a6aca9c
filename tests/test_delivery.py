"""What `Saved Model.txt` says of the trained model, and how it is written anew."""

import hashlib
import re
import shutil
from pathlib import Path

import pytest

from model.delivery import SavedModel, read_saved_model_txt, write_saved_model_txt

ROOT = Path(__file__).resolve().parent.parent
SHA256 = hashlib.sha256(b"some weights").hexdigest()


def test_the_repository_s_own_text():
    saved = read_saved_model_txt(ROOT / "Saved Model.txt")
    assert list(saved) == ["model.h5", "original.h5"]
    assert saved["model.h5"].path == "model/model.h5"
    assert saved["original.h5"] == SavedModel(
        name="original.h5",
        path="model/original.h5",
        size=None,
        sha256=None,
        link="https://drive.google.com/uc?id=1C-1VND4LD8-lK9o2Rdc05SzCxr2EyYEs",
    )


@pytest.mark.skipif(not (ROOT / "model" / "model.h5").exists(), reason="no model has been trained yet")
def test_the_repository_s_own_model_is_the_one_its_text_speaks_of():
    data = (ROOT / "model" / "model.h5").read_bytes()
    saved = read_saved_model_txt(ROOT / "Saved Model.txt")["model.h5"]
    assert (saved.size, saved.sha256) == (len(data), hashlib.sha256(data).hexdigest())


def test_write_changes_two_lines(tmp_path):
    text, model = tmp_path / "Saved Model.txt", tmp_path / "model.h5"
    shutil.copy(ROOT / "Saved Model.txt", text)
    model.write_bytes(b"weights")
    before = text.read_text("utf-8").splitlines()
    write_saved_model_txt(model, text)
    after = text.read_text("utf-8").splitlines()
    sha256 = hashlib.sha256(b"weights").hexdigest()
    assert [line for old, line in zip(before, after, strict=True) if old != line] == ["size: 7", f"sha256: {sha256}"]
    assert read_saved_model_txt(text)["model.h5"].size == 7
    assert read_saved_model_txt(text)["original.h5"].sha256 is None
    write_saved_model_txt(model, text)
    assert text.read_text("utf-8").splitlines() == after
    assert sorted(path.name for path in tmp_path.iterdir()) == ["Saved Model.txt", "model.h5"]


BLOCK = f"name: model.h5\npath: model/model.h5\nsize: 5\nsha256: {SHA256}\nlink: none yet\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BLOCK.replace("size: 5", "size: 5 MB"), "model.h5 has no valid size. Received: '5 MB'"),
        (BLOCK.replace("size: 5", "size: 0"), "model.h5 has no valid size. Received: '0'"),
        (BLOCK.replace("size: 5\n", ""), "model.h5 has no valid size. Received: None"),
        (BLOCK.replace(SHA256, SHA256[1:]), f"model.h5 has no valid sha256. Received: '{SHA256[1:]}'"),
        (BLOCK.replace("none yet", "ftp://x"), "model.h5 has no valid link. Received: 'ftp://x'"),
        (BLOCK.replace("path: model/model.h5\n", ""), "model.h5 has no valid path. Received: None"),
        (BLOCK + "size: 6\n", "expected each key once, after a name. Received: a stray 'size: 6'"),
        ("size: 6\n" + BLOCK, "expected each key once, after a name. Received: a stray 'size: 6'"),
    ],
)
def test_text_that_cannot_be_trusted(tmp_path, text, message):
    path = tmp_path / "Saved Model.txt"
    path.write_text(text, "utf-8")
    with pytest.raises(ValueError, match=re.escape(f"{path}: {message}") + "$"):
        read_saved_model_txt(path)
    with pytest.raises(ValueError, match=re.escape(message)):
        write_saved_model_txt(path, path)
    assert path.read_text("utf-8") == text


def test_text_with_windows_line_ends(tmp_path):
    path = tmp_path / "Saved Model.txt"
    path.write_bytes(BLOCK.replace("\n", "\r\n").encode())
    assert read_saved_model_txt(path)["model.h5"] == SavedModel("model.h5", "model/model.h5", 5, SHA256, None)
