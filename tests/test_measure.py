import json
import runpy
from pathlib import Path

ROOT = Path(__file__).parents[1]
commands = runpy.run_path(str(ROOT / "scripts" / "measure.py"))["commands"]


def recorded(plan):
    return [c[c.index("--record") + 1] for c in plan if "--record" in c]


def test_other_runs_are_measured_when_they_are_there(tmp_path):
    arguments = tmp_path / "data", tmp_path / "manifest.csv", tmp_path / "runs" / "v2", tmp_path / "model.h5", 4
    alone = commands(*arguments)
    assert recorded(alone) == ["testing", "validation", "outside", "corruptions"]
    assert [c[0] for c in alone[-2:]] == ["scripts/figures.py", "scripts/model_card.py"]

    with_ct = commands(*arguments, tmp_path / "ct")
    assert recorded(with_ct) == ["testing", "validation", "outside", "corruptions", "ct"]
    assert with_ct[4][1:3] == ["--ct", str(tmp_path / "ct")]

    for name, held_out, protocol in (
        ("a", ["tcga_lgg", "healthy_t1"], "leakfree"),
        ("b", [], "official"),
        ("c", [], "leakfree"),
    ):
        (tmp_path / "runs" / name).mkdir(parents=True)
        facts = {"training": {"held_out_sources": held_out, "protocol": protocol}}
        (tmp_path / "runs" / name / "model.json").write_text(json.dumps(facts))
    plan = commands(*arguments)
    assert recorded(plan) == [*recorded(alone), "held_out_tcga_lgg", "held_out_healthy_t1", "held_out", "official"]
    held_out = plan[4]
    assert held_out[held_out.index("--model") + 1] == str(tmp_path / "runs" / "a" / "model.h5")
    assert held_out[held_out.index("--side") + 1] == "held_out"
    assert held_out[held_out.index("--source") + 1] == "tcga_lgg"
    assert held_out[held_out.index("--record-in") + 1] == str(tmp_path / "model.json")
