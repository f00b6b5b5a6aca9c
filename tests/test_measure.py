import json
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
commands = runpy.run_path(str(ROOT / "scripts" / "measure.py"))["commands"]


def recorded(plan):
    return [c[c.index("--record") + 1] for c in plan if "--record" in c]


def asked(tmp_path):
    (tmp_path / "data" / "not_brain_mri").mkdir(parents=True)
    return tmp_path / "data", tmp_path / "manifest.csv", tmp_path / "runs" / "v2", tmp_path / "model.h5", 4


def run(tmp_path, name, held_out=(), protocol="leakfree"):
    folder = tmp_path / "runs" / name
    folder.mkdir(parents=True)
    (folder / "model.json").write_text(json.dumps({"training": {"held_out_sources": [*held_out], "protocol": protocol}}))
    return folder


def test_what_the_model_itself_has_shown(tmp_path):
    alone = commands(*asked(tmp_path))
    assert recorded(alone) == ["testing", "validation", "outside", "corruptions"]
    assert [c[0] for c in alone[-2:]] == ["scripts/figures.py", "scripts/model_card.py"]


def test_other_things_are_asked_when_they_are_there(tmp_path):
    arguments = asked(tmp_path)
    with_ct = commands(*arguments, tmp_path / "ct")
    assert recorded(with_ct) == ["testing", "validation", "outside", "corruptions", "ct"]
    assert with_ct[4][1:3] == ["--ct", str(tmp_path / "ct")]
    with_bodies = commands(*arguments, bodies=tmp_path / "bodies")
    assert recorded(with_bodies) == ["testing", "validation", "outside", "corruptions", "bodies"]
    assert with_bodies[4][1:3] == ["--outside", str(tmp_path / "bodies")]
    (tmp_path / "data" / "not_brain_mri").rmdir()
    assert recorded(commands(*arguments)) == ["testing", "validation", "corruptions"]


def test_other_runs_are_measured_when_they_are_named(tmp_path):
    arguments = asked(tmp_path)
    alone = recorded(commands(*arguments))
    beside = [run(tmp_path, "a", ["tcga_lgg", "healthy_t1"]), run(tmp_path, "b", protocol="official")]
    assert recorded(commands(*arguments)) == alone  # runs that only lie there say nothing of this model
    plan = commands(*arguments, beside=beside)
    assert recorded(plan) == [*alone, "held_out_tcga_lgg", "held_out_healthy_t1", "held_out", "official"]
    held_out = plan[4]
    assert held_out[held_out.index("--model") + 1] == str(tmp_path / "runs" / "a" / "model.h5")
    assert held_out[held_out.index("--side") + 1] == "held_out"
    assert held_out[held_out.index("--source") + 1] == "tcga_lgg"
    assert held_out[held_out.index("--record-in") + 1] == str(tmp_path / "model.json")


def test_two_runs_cannot_show_the_same(tmp_path):
    arguments = asked(tmp_path)
    beside = [run(tmp_path, name, ["tcga_lgg"]) for name in ("v9-unseen", "v13-unseen")]
    with pytest.raises(ValueError, match=r"Received: more than one for held_out_tcga_lgg$"):
        commands(*arguments, beside=beside)
