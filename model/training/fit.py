"""Train the network stage by stage; a killed run goes on from its last finished epoch."""

import csv
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import keras

from model.training import recipe
from model.training.arrays import Arrays
from model.training.averaging import average
from model.training.batches import TrainingBatches, ValidationBatches
from model.training.dataset import Item
from model.training.losses import admissible_cross_entropy, dice_cross_entropy
from model.training.network import build, freeze
from model.training.optimizer import DiscriminativeAdamW


def fit(
    data: Path,
    train: list[Item],
    validation: list[Item],
    run: Path,
    weights: str | Path | None,
    seed: int,
    stages: Iterable[recipe.Stage] = recipe.STAGES,
    samples: int = recipe.EPOCH_SAMPLES,
    start: Sequence[Path] = (),
) -> keras.Model:
    """Train, or go on with the training that `run` holds.

    Args:
        data: the folder the items' paths are relative to.
        run: the folder of this run: `state.keras` (network and optimizer after the last epoch), `state.json`,
            `STAGE.weights.h5` with what each stage ended with, `STAGE-EPOCH.weights.h5` with what a mean is taken of,
            `log.csv`; `arrays-SIZE.npz` beside it is shared between runs.
        weights: of the VGG16 base, see `network.build`.
        start: weights of other runs, whose mean is what to begin with instead, see `averaging.average`.

    Returns:
        The network of the last stage with the weights of its best validation loss, or their mean over the epochs that the
        stage names; outputs `probabilities` and `mask`.

    Raises:
        FileNotFoundError: when weights that a stage begins with are neither in `run` nor beside `start`.
    """
    run.mkdir(parents=True, exist_ok=True)
    state_file, network_file = run / "state.json", run / "state.keras"
    state = {"stage": 0, "epoch": 0, "best": None, "since_best": 0}
    network = None
    if state_file.is_file():
        state = json.loads(state_file.read_text())
        network = keras.saving.load_model(network_file)
        print(f"resuming at stage {state['stage'] + 1}, epoch {state['epoch'] + 1}")
    stages = list(stages)
    for number in range(state["stage"], len(stages)):
        stage = stages[number]
        best_file = run / f"{stage.name}.weights.h5"
        mean_from = min(stage.mean_from, stage.epochs)
        train_arrays, validation_arrays = (Arrays.load(data, items, stage.size, run.parent) for items in (train, validation))
        stripped = train_arrays.stripped(seed)
        if state["epoch"] == 0 and state["best"] is None:
            network = _start(stage, network, weights, max(1, samples // recipe.BATCH), _averaged(stage, network, run, start))
        while state["epoch"] < stage.epochs and state["since_best"] < recipe.PATIENCE:
            history = network.fit(
                TrainingBatches(train_arrays, stripped, samples, (seed, number, state["epoch"]), stage.exchange),
                validation_data=ValidationBatches(validation_arrays),
                initial_epoch=state["epoch"],
                epochs=state["epoch"] + 1,
                verbose=1 if sys.stdout.isatty() else 2,  # a bar for a person, a line an epoch for a log
            ).history
            row = {"stage": stage.name, "epoch": state["epoch"] + 1} | {k: round(v[0], 5) for k, v in history.items()}
            _append(run / "log.csv", row)
            better = state["best"] is None or row["val_loss"] < state["best"]
            if better and not mean_from:
                network.save_weights(best_file)
            if 0 < mean_from <= row["epoch"]:
                network.save_weights(_snapshot(run, stage, row["epoch"]))
            state |= {
                "epoch": state["epoch"] + 1,
                "best": row["val_loss"] if better else state["best"],
                "since_best": 0 if better else state["since_best"] + 1,
            }
            _save(network, network_file, state, state_file)
        if mean_from:
            average(network, [_snapshot(run, stage, epoch) for epoch in range(mean_from, state["epoch"] + 1)])
            network.save_weights(best_file)
        elif best_file.is_file():
            network.load_weights(best_file)
        state = {"stage": number + 1, "epoch": 0, "best": None, "since_best": 0}
        _save(network, network_file, state, state_file)
    return network


def _start(
    stage: recipe.Stage, previous: keras.Model | None, weights: str | Path | None, steps: int, averaged: Sequence[Path]
) -> keras.Model:
    """A compiled network for a stage, with the mean of some weights, or those of the stage before it."""
    full = build(stage.size, None if previous or averaged else weights)
    network = keras.Model(full.input, {k: full.output[k] for k in ("probabilities", "mask")}, name="training")
    if averaged:
        average(network, averaged)
    elif previous:
        network.set_weights(previous.get_weights())
    freeze(network, stage.frozen)
    total, end = steps * stage.epochs, 1.0 if stage.mean_from else 0.01
    rate = keras.optimizers.schedules.CosineDecay(
        stage.rate * 0.05, total - total // 10, alpha=end, warmup_target=stage.rate, warmup_steps=total // 10
    )
    network.compile(
        optimizer=DiscriminativeAdamW(rate, recipe.HEAD_FACTOR, weight_decay=recipe.WEIGHT_DECAY, clipnorm=1.0),
        loss={"probabilities": admissible_cross_entropy, "mask": dice_cross_entropy},
        loss_weights={"probabilities": 1.0, "mask": stage.mask_weight},
        weighted_metrics={"probabilities": [keras.metrics.CategoricalAccuracy("accuracy")], "mask": []},
    )
    return network


def _snapshot(run: Path, stage: recipe.Stage, epoch: int) -> Path:
    """One of the weights whose mean a stage ends with."""
    return run / f"{stage.name}-{epoch}.weights.h5"


def _averaged(stage: recipe.Stage, previous: keras.Model | None, run: Path, start: Sequence[Path]) -> list[Path]:
    """The weights whose mean a stage begins with: of other runs for the first stage, of those before it for others."""
    if previous is None:
        return list(start)
    folders = [run, *(file.parent for file in start)]
    found = {name: [f for f in (folder / f"{name}.weights.h5" for folder in folders) if f.is_file()] for name in stage.mean_of}
    missing = [name for name, files in found.items() if not files]
    if missing:
        raise FileNotFoundError(
            f"Expected weights of {stage.mean_of}, whose mean {stage.name} begins with. Missing: {missing}"
        )
    return [found[name][0] for name in stage.mean_of]


def history(run: Path) -> list[dict]:
    """What `log.csv` of a run holds, a row per epoch: its stage (str), its number (int), losses and accuracies (float)."""
    with (run / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    kinds = {"stage": str, "epoch": int}
    return [{key: kinds.get(key, float)(value) for key, value in row.items()} for row in rows]


def smoke(stages: Iterable[recipe.Stage]) -> tuple[recipe.Stage, ...]:
    """The same stages, one epoch each: for a run of two minutes that shows that everything works."""
    return tuple(replace(s, epochs=1) for s in stages)


def _append(log: Path, row: dict) -> None:
    new = not log.exists()
    with log.open("a") as file:
        if new:
            file.write(",".join(row) + "\n")
        file.write(",".join(str(v) for v in row.values()) + "\n")


def _save(network: keras.Model, network_file: Path, state: dict, state_file: Path) -> None:
    """Each file whole or not at all. Killed between the two, the epoch that was just finished is done once more."""
    network_part, state_part = network_file.with_name("next.keras"), state_file.with_name("next.json")
    network.save(network_part)
    state_part.write_text(json.dumps(state))
    network_part.replace(network_file)
    state_part.replace(state_file)
