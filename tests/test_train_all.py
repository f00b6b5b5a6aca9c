"""scripts/train_all.py: the steps from the data to what is served, and which are left out when it is called again."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from model.commands import run_in_turn
from model.training.closeups import TRAINED
from scripts import train_all


@pytest.fixture
def call(monkeypatch, tmp_path):
    """Calls it; returns its status and its steps, each of which leaves what the real one would, but for the one that fails."""

    def called(*more: str, failing: str = "") -> tuple[int, list[list[str]]]:
        steps = []

        def run(command, cwd, check):
            steps.append(command[1:])
            if failing in command:
                return SimpleNamespace(returncode=3)
            folder = Path(command[command.index("--run") + 1])
            folder.mkdir(parents=True, exist_ok=True)
            for name in ("model.h5", "model.json") if command[1] == "scripts/train.py" else (TRAINED,):
                (folder / name).write_text(f"{name} of {command[1]}")
            return SimpleNamespace(returncode=0)

        monkeypatch.setattr(subprocess, "run", run)
        given = {"--data": ".", "--manifest": "m.csv", "--run": "run", "--out": "out/served.h5"}
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["train_all.py", *(word for option in given.items() for word in option), *more])
        return train_all.main(), steps

    return called


def test_the_network_then_its_close_up_at_two_sides(call, tmp_path):
    status, (whole, larger, served) = call("--seed", "8")
    assert status == 0
    shared = ["--data", str(tmp_path), "--manifest", str(tmp_path / "m.csv"), "--seed", "8"]
    run = tmp_path / "run"
    assert whole == ["scripts/train.py", *shared, "--run", str(run), "--out", str(run / "model.h5"), "--weights", "imagenet"]
    closeup = ["scripts/train_closeup.py", *shared, "--run"]
    assert larger == [*closeup, str(run / "closeup"), "--model", str(run / "closeup" / "model.h5"), "--side", "144"]
    more = ["--epochs", "3", "--begin", str(run / "closeup" / TRAINED)]
    assert served == [*closeup, str(run / "closeup-served"), "--model", str(tmp_path / "out" / "served.h5"), *more]
    assert (tmp_path / "out" / "served.h5").read_text() == "model.h5 of scripts/train.py"
    assert (tmp_path / "out" / "model.json").read_text() == "model.json of scripts/train.py"


def test_called_again_it_goes_on_with_what_is_not_finished(call):
    status, steps = call(failing="144")
    assert (status, [step[0] for step in steps]) == (3, ["scripts/train.py", "scripts/train_closeup.py"])
    status, steps = call()
    assert (status, ["144" in step for step in steps]) == (0, [True, False])
    status, steps = call(failing="--begin")
    assert (status, len(steps)) == (3, 1)


def test_commands_are_run_in_turn_until_one_fails(tmp_path, capfd):
    say = ["-c", "import os; print(os.path.basename(os.getcwd()))"]
    assert run_in_turn([say, ["-c", "raise SystemExit(4)"], ["-c", "print('never')"]], tmp_path) == 4
    told = capfd.readouterr().out
    assert told.splitlines().count(tmp_path.name) == 1
    assert "$ python -c 'raise SystemExit(4)'" in told and "never" not in told
