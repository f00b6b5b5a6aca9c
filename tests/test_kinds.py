"""Images that are no brain MRI slices, counted by kind."""

import numpy as np
import pytest
from PIL import Image

from model.classifier import LOOKS_LIKE_CT, UNLIKE
from model.inputs import UsageError
from model.prediction import Prediction
from model.training.kinds import doubts, refusals
from test_walking import shut


def counted(report: dict[str, dict]) -> dict[str, tuple[int, int]]:
    return {name: (row["hits"], row["of"]) for name, row in report.items()}


class Squeamish:
    """Refuses what is bright, and is not sure of what is dark."""

    def predict(self, slices):
        return [
            Prediction("refused" if s.mean() > 100 else "ok", 0.5, np.zeros(s.shape, bool), uncertain=bool(s.mean() < 20))
            for s in slices
        ]


def test_refusals_are_counted_by_kind(tmp_path):
    for kind, values in {"photos": (200, 210, 50, 10), "x_rays": (220,)}.items():
        (tmp_path / kind).mkdir()
        for number, value in enumerate(values):
            Image.new("L", (64, 64), value).save(tmp_path / kind / f"{number}.png")
    (tmp_path / "photos" / "below").mkdir()
    (tmp_path / "photos" / "below" / "broken.png").write_bytes(b"no image")
    (tmp_path / "photos" / "gone.png").symlink_to("nowhere")
    Image.new("L", (64, 64), 220).save(
        tmp_path / "x_rays" / "pages.tif", save_all=True, append_images=[Image.new("L", (64, 64), 10)] * 2
    )
    (tmp_path / "x_rays" / "notes.txt").write_text("no image")
    report, unreadable, left_out = refusals(Squeamish(), tmp_path)
    assert counted(report) == {"photos": (2, 4), "x_rays": (2, 2), "all": (4, 6), "answered_surely": (1, 6)}
    assert left_out == {"kinds": {".txt": 1}, "further_slices": 2}
    assert unreadable == ["photos/below/broken.png", "photos/gone.png"]
    with pytest.raises(FileNotFoundError, match="Expected images below"):
        refusals(Squeamish(), tmp_path / "nowhere")


class Wary:
    """Refuses what is bright, says of what is dark that it looks like CT, and of one gray that it is unlike what it knows."""

    def predict(self, slices):
        means = [s.mean() for s in slices]
        reasons = ["Bright." if m > 200 else LOOKS_LIKE_CT if m < 50 else UNLIKE if m == 90 else None for m in means]
        status = {"Bright.": "refused", LOOKS_LIKE_CT: "ok", UNLIKE: "ok", None: "ok"}
        return [
            Prediction(status[why], 0.5, np.zeros(s.shape, bool), reason=why) for why, s in zip(reasons, slices, strict=True)
        ]


def test_what_is_refused_or_called_ct_is_counted_by_kind(tmp_path):
    for kind, values in {"ct": (20, 30, 220, 100), "mri": (90, 100)}.items():
        (tmp_path / kind).mkdir()
        for number, value in enumerate(values):
            Image.new("L", (64, 64), value).save(tmp_path / kind / f"{number}.png")
    assert counted(doubts(Wary(), tmp_path).by_kind) == {"ct": (3, 4), "mri": (0, 2)}


@pytest.mark.parametrize("name", ["all", "answered_surely"])
def test_a_kind_has_no_name_of_what_is_told_of_all(tmp_path, name):
    (tmp_path / name).mkdir()
    Image.new("L", (64, 64), 220).save(tmp_path / name / "a.png")
    with pytest.raises(UsageError, match=f"^expected other names of kinds than all and answered_surely. Received: {name}$"):
        refusals(Squeamish(), tmp_path)


def test_images_beside_the_folders_are_of_the_folders_own_name(tmp_path, monkeypatch):
    """Their names, which may be those of persons, do not become names of figures."""
    folder = tmp_path / "photos"
    (folder / "shut").mkdir(parents=True)
    for number, value in enumerate((220, 50)):
        Image.new("L", (64, 64), value).save(folder / f"{number}.png")
    shut(monkeypatch, folder / "shut")
    report, unreadable, _ = refusals(Squeamish(), folder)
    assert counted(report) == {"photos": (1, 2), "all": (1, 2), "answered_surely": (1, 2)}
    assert unreadable == ["shut"]


@pytest.mark.parametrize("count", [refusals, doubts])
def test_images_none_of_which_can_be_read(tmp_path, count):
    (tmp_path / "kind").mkdir()
    for name in ("a.png", "b.jpg"):
        (tmp_path / "kind" / name).write_bytes(b"no image")
    with pytest.raises(FileNotFoundError, match=r"^Expected images that can be read\. Received: 2, none of which can$"):
        count(Squeamish(), tmp_path)
