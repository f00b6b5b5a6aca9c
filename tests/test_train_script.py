"""scripts/train.py and what goes on from its model: calibrate.py, train_closeup.py."""

import hashlib
import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from model.classifier import Classifier
from model.engines import keras_engine
from model.engines.network_file import CLASSIFIER, CLOSEUP, weight_paths
from model.training.calibration import OUTLINE_WEIGHT
from model.training.dataset import assign, load_manifest
from model.training.export import (
    GATE_SLACK,
    counts,
    version_of,
)
from model.training.network import build
from synthetic import head, write_tree

ROOT = Path(__file__).parents[1]


def test_train_script_goes_from_folders_to_a_model_that_answers(tmp_path, monkeypatch, capfd):
    """The smoke run of the README, on slices made here, small, and without the network: prepare, train, load, answer."""
    data = write_tree(tmp_path / "data", per_class=8)
    keras.applications.VGG16(include_top=False, weights=None).save_weights(tmp_path / "base.weights.h5")
    out, manifest = tmp_path / "model.h5", tmp_path / "manifest.csv"
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": ""}

    def command(name, *arguments):
        return [str(ROOT / "scripts" / name), "--data", str(data), *map(str, arguments)]

    def script(*arguments):
        done = subprocess.run(
            [sys.executable, *command(*arguments)], capture_output=True, text=True, env=environment, cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr

    def here(*arguments, status=0):
        """In this process, where TensorFlow is loaded already."""
        monkeypatch.setattr(sys, "argv", command(*arguments))
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(sys.argv[0], run_name="__main__")
        said = capfd.readouterr().err
        assert ended.value.code == status, said
        return said

    monkeypatch.chdir(tmp_path)

    script("prepare_data.py", "--out", manifest)
    options = ["--manifest", manifest, "--run", tmp_path / "run", "--out", out, "--limit", 8, "--precision", "float32"]
    stages = ["--until", "head", "--sizes", 64]
    script("train.py", *options, *stages, "--weights", tmp_path / "base.weights.h5", "--protocol", "official")
    classifier = Classifier.load(out)
    assert classifier.info["input_size"] == 64
    assert [stage["name"] for stage in classifier.info["training"]["stages"]] == ["head"]
    assert classifier.info["training"]["protocol"] == "official"
    assert classifier.predict([head(1)[0]])[0].status in ("ok", "refused")

    # The last stage can go on from the mean of such weights and says where they are from.
    gone_on = ["--manifest", manifest, "--run", tmp_path / "next", "--out", tmp_path / "next" / "model.h5", "--limit", 8]
    gone_on += ["--sizes", 64, "--precision", "float32", "--protocol", "official"]
    gone_on += ["--go-on", tmp_path / "run" / "head.weights.h5", tmp_path / "run" / "head.weights.h5"]
    (tmp_path / "run" / "split.json").unlink()  # what model.json says of the training will do, when it is of these slices
    assert "No such file" in here("train.py", *gone_on, status=2)
    before = json.loads((tmp_path / "model.json").read_text())
    (tmp_path / "run" / "model.json").write_text(json.dumps(before))
    assert "Expected the slices of that training" in here("train.py", *gone_on, status=2)
    before["training"]["slices"] = counts(assign(load_manifest(manifest), "official", 1, []))
    (tmp_path / "run" / "model.json").write_text(json.dumps(before))
    here("train.py", *gone_on)
    facts = json.loads((tmp_path / "next" / "model.json").read_text())["training"]
    assert [stage["name"] for stage in facts["stages"]] == ["head", "contrast"]
    assert [row["stage"] for row in facts["history"]] == ["head", "contrast"]
    assert facts["went_on_from"] == ["run/head.weights.h5", "run/head.weights.h5"]
    assert facts["averaged"] == ["run/head.weights.h5"] * 8 + ["next/contrast.weights.h5"] * 8
    assert not (tmp_path / "run" / "split.json").exists()  # what is gone on from is read alone
    assert "expected --until to be one of ['contrast']" in here("train.py", *gone_on, "--until", "base", status=2)
    full = build(64, None)
    trained = keras.Model(full.input, {name: full.output[name] for name in ("probabilities", "mask")})
    kernels = []
    for file in (tmp_path / "run" / "head.weights.h5", tmp_path / "next" / "contrast.weights.h5"):
        trained.load_weights(file)
        kernels.append(trained.get_layer("class_hidden").get_weights()[0])
    served = keras.saving.load_model(tmp_path / "next" / "model.h5", compile=False).get_layer("class_hidden").get_weights()[0]
    assert np.abs(kernels[1] - kernels[0]).max() > 1e-4
    assert served == pytest.approx((kernels[0] + kernels[1]) / 2, abs=2e-5, rel=1e-3)

    # Its calibration can be fitted anew: on the slices that it was trained beside, and on no others.
    calibrate = ["calibrate.py", "--manifest", manifest, "--model", out]
    assert "Expected the slices of that training" in here(*calibrate, status=2)  # that was of eight slices
    exported_facts = (tmp_path / "model.json").read_text()
    facts = json.loads(exported_facts)
    facts["training"]["slices"] = counts(assign(load_manifest(manifest), "official", 1, []))
    facts |= {"version": "1.20200101.abcdef12", "temperature": 9.0, "tumor_offset": 9.0, "mask_temperature": 9.0}
    facts["gate"] = {"threshold": 9.0}
    facts["figures"] = {"testing": {"model": facts["version"]}, "held_out": {"model": "of another network"}}
    (tmp_path / "model.json").write_text(json.dumps(facts))
    here(*calibrate)
    anew = json.loads((tmp_path / "model.json").read_text())
    assert 0.3 <= anew["temperature"] <= 5.0
    assert 1.0 <= anew["mask_temperature"] <= 2.5
    assert abs(anew["tumor_offset"]) <= 2.0
    assert anew["outline_weight"] == OUTLINE_WEIGHT
    assert anew["gate"].keys() == json.loads(exported_facts)["gate"].keys()
    assert anew["gate"]["threshold"] == pytest.approx(GATE_SLACK * anew["gate"]["doubtful"], rel=1e-4) != 9.0
    assert anew["version"] == version_of(anew) != version_of(facts)  # of the same weights, but other thresholds
    assert anew["figures"] == {"held_out": {"model": "of another network"}}
    assert anew["sha256"] == facts["sha256"]

    # So can what 8 bits have to cover, which changes the answers of one engine only.
    rows = {name: {"passed": True} for name in ("openvino", "openvino-int8")}
    (tmp_path / "model.json").write_text(
        json.dumps(anew | {"int8_ranges": {}, "engines": {"model": anew["version"], "engines": rows}})
    )
    here(*calibrate, "--ranges")
    measured = json.loads((tmp_path / "model.json").read_text())
    exported_ranges = json.loads(exported_facts)["int8_ranges"]
    assert {name: len(of_layer["channels"]) for name, of_layer in measured["int8_ranges"].items()} == {
        name: len(of_layer["channels"]) for name, of_layer in exported_ranges.items()
    }
    assert all(of_layer["most"] > 0 for of_layer in measured["int8_ranges"].values())
    assert measured["engines"] == {"model": anew["version"], "engines": {"openvino": {"passed": True}}}
    assert {k: v for k, v in measured.items() if k not in ("int8_ranges", "engines")} == {
        k: v for k, v in anew.items() if k != "int8_ranges"
    }

    # What it outlines can be drawn anew by the close-up's network, which learns from it and goes into the same file.
    closeup = ["train_closeup.py", "--manifest", manifest, "--model", out, "--run", tmp_path / "closeup"]
    closeup += ["--limit", 4, "--epochs", 1, "--side", 32]
    before, facts = keras.saving.load_model(out, compile=False), json.loads((tmp_path / "model.json").read_text())
    facts["figures"] = {"testing": {"model": facts["version"]}, "held_out": {"model": "of another network"}}
    (tmp_path / "model.json").write_text(json.dumps(facts | {"mask_temperature": 2.5}))
    here(*closeup)
    drawn = json.loads((tmp_path / "model.json").read_text())
    assert drawn["version"] != facts["version"] and drawn["sha256"] == hashlib.sha256(out.read_bytes()).hexdigest()
    assert drawn["figures"] == {"held_out": {"model": "of another network"}}
    assert 1.0 <= drawn["closeup"].pop("temperature") <= 2.5
    slices = {"train": 4, "validation": 4}
    assert drawn["closeup"] == {"side": 32, "epochs": 1, "seed": 1, "begin": None, "slices": slices}
    drawing = keras_engine.read(out, CLOSEUP).get_weights()
    assert "was begun with model" in here(*closeup, status=2)  # that was of what the file outlined before

    # Its training can go on at another side, and its weights are then those that it begins with, but for what it learns.
    weights = tmp_path / "closeup" / "trained.weights.h5"
    here(*closeup, "--run", tmp_path / "larger", "--side", 48, "--begin", weights, "--seed", 2)  # its own would be others
    anew = json.loads((tmp_path / "model.json").read_text())["closeup"]
    assert (anew["side"], anew["begin"]) == (48, hashlib.sha256(weights.read_bytes()).hexdigest())
    larger = keras_engine.read(out, CLOSEUP).get_weights()
    differ = [float(np.abs(a - b).max()) for a, b in zip(larger, drawing, strict=True)]
    assert 0 < max(differ) < 1e-2
    drawn, drawing = json.loads((tmp_path / "model.json").read_text()), larger
    other = [*closeup, "--run", tmp_path / "other"]
    assert "cannot use" in here(*other, "--begin", tmp_path / "none.weights.h5", status=2)
    assert "The side must be a multiple of 16, at least 32. Received: 50" in here(*other, "--side", 50, status=2)
    assert not (tmp_path / "other").exists()
    assert all(drawn[name] == facts[name] for name in ("training", "gate", "temperature"))
    assert CLASSIFIER.ranges_of(drawn["int8_ranges"]) == facts["int8_ranges"]
    ranges = CLOSEUP.ranges_of(drawn["int8_ranges"])
    assert len(ranges["block5_conv3"]["channels"]) == 2 * 512 and ranges["block5_conv3"]["most"] > 0

    # So can its gate, and then the file is written anew, with the weights that were trained.
    here(*calibrate, "--gate")
    kept = json.loads((tmp_path / "model.json").read_text())
    assert kept["closeup"]["side"] == 48 and CLOSEUP.ranges_of(kept["int8_ranges"]) == ranges
    assert all(map(np.array_equal, keras_engine.read(out, CLOSEUP).get_weights(), drawing))
    with h5py.File(out) as file:
        layer = file["closeup/model_weights/block5_conv3"]
        assert isinstance(layer.get(weight_paths(layer)["kernel"], getlink=True), h5py.SoftLink)
    after = keras.saving.load_model(out, compile=False)
    for layer in before.layers:
        same = [
            np.array_equal(a, b) for a, b in zip(layer.get_weights(), after.get_layer(layer.name).get_weights(), strict=True)
        ]
        assert all(same) != (layer.name in ("gate", "others")), layer.name  # once fitted on eight slices, now on all
    assert Classifier.load(out).info["training"] == facts["training"]


SCRIPTS = {  # and what each needs besides
    "train.py": {"--run": "run", "--out": "model.h5", "--precision": "float32"},
    "train_closeup.py": {"--run": "run"},
    "calibrate.py": {},
}


@pytest.mark.parametrize(
    ("script", "options", "told"),
    [
        *((name, ["--manifest", "no.csv"], "cannot use no.csv (No such file or directory)") for name in SCRIPTS),
        *((name, ["--data", "no"], "argument --data: expected a folder. Received: 'no', which is none") for name in SCRIPTS),
        *(
            (name, [option, number], f"argument {option}: expected a whole number, 1 or more. Received: '{number}'")
            for name in list(SCRIPTS)[:2]
            for option, number in (("--epochs", "0"), ("--limit", "-1"))
        ),
    ],
)
def test_what_cannot_be_is_told_in_a_line_before_the_work(tmp_path, monkeypatch, capsys, script, options, told):
    monkeypatch.chdir(tmp_path)
    given = SCRIPTS[script] | {"--data": ".", "--manifest": "manifest.csv"} | dict([options])
    monkeypatch.setattr(sys, "argv", [str(ROOT / "scripts" / script), *(word for option in given.items() for word in option)])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(sys.argv[0], run_name="__main__")
    assert ended.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1] == f"{script}: error: {told}"
    assert not list(tmp_path.iterdir())
    assert keras.config.dtype_policy().name == "float32"  # whatever follows in this process
