"""Train the network stage by stage; a killed run goes on from its last finished epoch."""

import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from model.labels import LABELS, NOTUMOR
from model.training import recipe
from model.training.augmentation import augment
from model.training.dataset import ANY_TUMOR, Item, load_arrays
from model.training.losses import admissible_cross_entropy, dice_cross_entropy
from model.training.network import build, freeze


@dataclass
class Arrays:
    """Preprocessed slices in memory: images and masks uint8 (n, s, s), has_mask bool (n,), and their manifest items."""

    items: list[Item]
    images: np.ndarray
    masks: np.ndarray
    has_mask: np.ndarray

    @classmethod
    def load(cls, data: Path, items: list[Item], size: int, cache: Path) -> "Arrays":
        """Preprocess, or take what an earlier start of the same run has preprocessed of the same slices."""
        hashes = np.array([i.sha256 for i in items])
        if cache.is_file():
            with np.load(cache) as saved:
                if np.array_equal(saved["hashes"], hashes):
                    return cls(items, saved["images"], saved["masks"], saved["has_mask"])
        arrays = cls(items, *load_arrays(data, items, size))
        np.savez(cache, images=arrays.images, masks=arrays.masks, has_mask=arrays.has_mask, hashes=hashes)
        return arrays


def admissible(items: Iterable[Item]) -> np.ndarray:
    """float32 (n, 4): 1 for each class an item may be of."""
    known = np.eye(len(LABELS), dtype=np.float32)
    tumor = np.ones(len(LABELS), np.float32)
    tumor[NOTUMOR] = 0.0
    return np.stack([tumor if i.label == ANY_TUMOR else known[LABELS.index(i.label)] for i in items])


def shares(items: list[Item]) -> np.ndarray:
    """The probability of drawing each item, after recipe.SHARES; sources that are not there leave their share to the rest."""
    keys = [(i.source, i.label) for i in items]
    weights = np.array([recipe.SHARES[k] for k in keys]) / np.array([keys.count(k) for k in keys])
    return weights / weights.sum()


class TrainingBatches(keras.utils.PyDataset):
    """One epoch of drawn and augmented batches, the same for the same seed, stage and epoch."""

    def __init__(self, arrays: Arrays, samples: int, seed: tuple[int, ...]):
        super().__init__(workers=1, max_queue_size=4)
        self.arrays = arrays
        self.targets = admissible(arrays.items)
        self.seed = seed
        rng = np.random.default_rng(seed)
        drawn = rng.choice(len(arrays.items), samples, p=shares(arrays.items))
        self.batches = np.array_split(drawn, max(1, samples // recipe.BATCH))
        source = np.array([i.source in recipe.TURNED_SOURCES for i in arrays.items])
        self.turned = [source[b] & (rng.random(len(b)) < recipe.TURNED_SHARE) for b in self.batches]

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int):
        drawn, arrays = self.batches[index], self.arrays
        seed = np.random.default_rng((*self.seed, index)).integers(0, 2**31 - 2000, 2).astype(np.int32)
        images, masks = augment(
            tf.constant(arrays.images[drawn]),
            tf.constant(arrays.masks[drawn]),
            tf.constant(self.turned[index]),
            tf.constant(seed),
        )
        return _batch(images, masks, self.targets[drawn], arrays.has_mask[drawn], np.ones(len(drawn), np.float32))


class ValidationBatches(keras.utils.PyDataset):
    """Every slice once, as it is served; sources and classes weigh as training draws them, not as they are many."""

    def __init__(self, arrays: Arrays):
        super().__init__(workers=1)
        self.arrays = arrays
        self.targets = admissible(arrays.items)
        self.weights = (shares(arrays.items) * len(arrays.items)).astype(np.float32)
        self.batches = np.array_split(np.arange(len(arrays.items)), max(1, len(arrays.items) // recipe.BATCH))

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int):
        rows, arrays = self.batches[index], self.arrays
        images, masks = (tf.cast(a[rows][..., None], tf.float32) / 255.0 for a in (arrays.images, arrays.masks))
        return _batch(images, masks, self.targets[rows], arrays.has_mask[rows], self.weights[rows])


def fit(
    data: Path,
    train: list[Item],
    validation: list[Item],
    run: Path,
    weights: str | Path | None,
    seed: int,
    stages: Iterable[recipe.Stage] = recipe.STAGES,
    samples: int = recipe.EPOCH_SAMPLES,
) -> keras.Model:
    """Train, or go on with the training that `run` holds.

    Args:
        data: the folder the items' paths are relative to.
        run: the folder of this run: `state.keras` (network and optimizer after the last epoch), `state.json`,
            `best.weights.h5` of the stage, `log.csv`, preprocessed arrays.
        weights: of the VGG16 base, see `network.build`.

    Returns:
        The network of the last stage with the weights of its best validation loss; outputs `probabilities` and `mask`.
    """
    run.mkdir(parents=True, exist_ok=True)
    state_file, network_file, best_file = run / "state.json", run / "state.keras", run / "best.weights.h5"
    state = {"stage": 0, "epoch": 0, "best": None, "since_best": 0}
    network = None
    if state_file.is_file():
        state = json.loads(state_file.read_text())
        network = keras.saving.load_model(network_file)
        print(f"resuming at stage {state['stage'] + 1}, epoch {state['epoch'] + 1}")
    stages = list(stages)
    arrays, loaded_size = None, None
    for number in range(state["stage"], len(stages)):
        stage = stages[number]
        if loaded_size != stage.size:
            arrays = [
                Arrays.load(data, items, stage.size, run / f"{name}-{stage.size}.npz")
                for name, items in (("train", train), ("validation", validation))
            ]
            loaded_size = stage.size
        if state["epoch"] == 0 and state["best"] is None:
            network = _start(stage, network, weights, steps=max(1, samples // recipe.BATCH))
        while state["epoch"] < stage.epochs and state["since_best"] < recipe.PATIENCE:
            history = network.fit(
                TrainingBatches(arrays[0], samples, (seed, number, state["epoch"])),
                validation_data=ValidationBatches(arrays[1]),
                initial_epoch=state["epoch"],
                epochs=state["epoch"] + 1,
                verbose=1 if sys.stdout.isatty() else 2,  # a bar for a person, a line an epoch for a log
            ).history
            row = {"stage": stage.name, "epoch": state["epoch"] + 1} | {k: round(v[0], 5) for k, v in history.items()}
            _append(run / "log.csv", row)
            better = state["best"] is None or row["val_loss"] < state["best"]
            if better:
                network.save_weights(best_file)
            state |= {
                "epoch": state["epoch"] + 1,
                "best": row["val_loss"] if better else state["best"],
                "since_best": 0 if better else state["since_best"] + 1,
            }
            _save(network, network_file, state, state_file)
        if best_file.is_file():
            network.load_weights(best_file)
        state = {"stage": number + 1, "epoch": 0, "best": None, "since_best": 0}
        _save(network, network_file, state, state_file)
    return network


def _start(stage: recipe.Stage, previous: keras.Model | None, weights: str | Path | None, steps: int) -> keras.Model:
    """A compiled network for a stage, with the weights of the stage before it."""
    full = build(stage.size, None if previous else weights)
    network = keras.Model(full.input, {k: full.output[k] for k in ("probabilities", "mask")}, name="training")
    if previous:
        network.set_weights(previous.get_weights())
    freeze(network, stage.frozen)
    total = steps * stage.epochs
    rate = keras.optimizers.schedules.CosineDecay(
        stage.rate * 0.05, total - total // 10, alpha=0.01, warmup_target=stage.rate, warmup_steps=total // 10
    )
    network.compile(
        optimizer=keras.optimizers.AdamW(rate, weight_decay=recipe.WEIGHT_DECAY, clipnorm=1.0),
        loss={"probabilities": admissible_cross_entropy, "mask": dice_cross_entropy},
        loss_weights={"probabilities": 1.0, "mask": recipe.MASK_WEIGHT},
        weighted_metrics={"probabilities": [keras.metrics.CategoricalAccuracy("accuracy")], "mask": []},
    )
    return network


def smoke(stages: Iterable[recipe.Stage]) -> tuple[recipe.Stage, ...]:
    """The same stages, one epoch each: for a run of two minutes that shows that everything works."""
    return tuple(replace(s, epochs=1) for s in stages)


def _batch(images, masks, targets, has_mask, weights):
    """Inputs, targets and weights in the shapes that the network takes; the mask output has half the input's side."""
    half = tf.shape(masks)[1] // 2
    return (
        tf.repeat(images, 3, axis=-1),
        {"probabilities": targets, "mask": tf.image.resize(masks, [half, half], antialias=True)},
        {"probabilities": weights, "mask": weights * has_mask},
    )


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
