"""scripts/build_space.py: what it may replace."""

import pytest

from scripts.build_space import ROOT, empty


def test_a_folder_that_is_no_space_is_left_as_it_is(tmp_path):
    for name in ("app.py", "README.md", "notes.txt"):
        (tmp_path / name).write_text("mine")
    with pytest.raises(FileExistsError, match=r"^Expected a new or empty folder, or a Space\. Received: .* with .* in it$"):
        empty(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["README.md", "app.py", "notes.txt"]


def test_the_project_itself_is_no_space(monkeypatch):
    def kept(path, *_):
        raise AssertionError(f"{path} would be gone")

    monkeypatch.setattr("shutil.rmtree", kept)
    monkeypatch.setattr("pathlib.Path.unlink", kept)
    with pytest.raises(FileExistsError):
        empty(ROOT)


@pytest.mark.parametrize(
    "inside", [[], [".gitattributes", "README.md"], ["app.py", "style.css", "words.py", "Saved Model.txt"]]
)
def test_what_is_fresh_or_an_older_space_is_emptied_but_for_its_history(tmp_path, inside):
    (tmp_path / ".git").mkdir()
    for name in inside:
        (tmp_path / name).write_text("old")
    empty(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".git"]
