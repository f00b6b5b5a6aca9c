"""scripts/draw_samples.py draws into the folder of the samples, and not when it is asked what it does."""

import pytest

from scripts import draw_samples


@pytest.fixture
def folder(monkeypatch, tmp_path):
    monkeypatch.setattr(draw_samples, "FOLDER", tmp_path)
    return tmp_path


def test_help_writes_nothing(folder, capsys):
    with pytest.raises(SystemExit) as end:
        draw_samples.main(["--help"])
    assert end.value.code == 0
    assert "a letter, which the model refuses" in " ".join(capsys.readouterr().out.split())
    assert list(folder.iterdir()) == []


def test_the_letter_and_its_thumbnail_are_drawn(folder):
    draw_samples.main([])
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*")) == ["letter.png", "thumbs/letter.jpg"]
