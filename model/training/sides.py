"""What a run was asked for, and which slice it trains on, validates on, or must not see: `asked.json`, `split.json`."""

import json
from pathlib import Path

from model.training.dataset import Item

SIDES = ("train", "validation", "testing", "held_out")


def remember(run: Path, split: dict[str, list[Item]]) -> None:
    """Keep which slice is on which side: a resumed run must not validate on what it has trained on."""
    run.mkdir(parents=True, exist_ok=True)
    (run / "split.json").write_text(json.dumps({i.path: name for name, items in split.items() for i in items}))


def remembered(run: Path, items: list[Item]) -> dict[str, list[Item]] | None:
    """The split that this run was started with, or None for a new run."""
    file = run / "split.json"
    if not file.is_file():
        return None
    sides = json.loads(file.read_text())
    split = {name: [] for name in SIDES}
    for item in items:
        if item.path in sides:
            split[sides[item.path]].append(item)
    return split


def check_asked(run: Path, asked: dict) -> None:
    """Keep what a new run is asked for, such as its protocol and seed.

    Raises:
        ValueError: when the run was started with something else: its split would not be what model.json tells of it.
    """
    file = run / "asked.json"
    if not file.is_file():
        if not (run / "split.json").is_file():  # an older run tells nothing
            run.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(asked))
        return
    before = json.loads(file.read_text())
    other = [key for key in asked if before.get(key) != asked[key]]
    if other:
        expected, received = (", ".join(f"{key} {what.get(key)}" for key in other) for what in (before, asked))
        raise ValueError(f"{run} was begun with {expected}. Expected the same, or a new run. Received: {received}")


def check_branch(name: str, before: dict[str, list[Item]], split: dict[str, list[Item]]) -> None:
    """Raises ValueError when what a run must not have seen was trained on by the run, called `name`, that it begins with."""
    trained = {i.path for i in before["train"]}
    seen = [i for side in ("validation", "testing", "held_out") for i in split[side] if i.path in trained]
    if seen:
        raise ValueError(
            f"{name} has trained on {len(seen)} slices that this run validates or tests on, such as {seen[0].path}"
        )
