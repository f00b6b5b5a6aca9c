"""Ways to tell a brain MRI slice from anything else, compared: which distance, in which layer's features.

All are fitted on training slices and set to the same level on validation slices. Neither the images that should be refused
nor the source that was held out have a part in that.
"""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
from sklearn.neighbors import NearestNeighbors

from model.gate import look, squared_distance
from model.preprocessing import preprocess
from model.reading import ReadError, read
from model.training.dataset import SUFFIXES
from model.training.export import FALSE_REFUSALS, GATE_SLACK, whitening

LAYERS = ("block2_conv2", "block3_conv3", "block4_conv3", "block5_conv3")
POOLINGS = ("mean", "deviation")
DIMENSIONS = (64, 128)
NEIGHBOURS = 5
Score = Callable[[np.ndarray], np.ndarray]


def pooled(network: keras.Model, images: np.ndarray, batch: int = 32) -> dict[str, np.ndarray]:
    """What gates are fitted on, for uint8 (n, s, s) slices: arrays (n, channels).

    Each of LAYERS, each of POOLINGS ("block3_conv3 deviation" is what is served, see `network.build`), and the logits.
    """
    outputs = {"logits": network.get_layer("logits").output}
    for name in LAYERS:
        maps = keras.ops.cast(network.get_layer(name).output, "float32")
        mean = keras.ops.mean(maps, axis=(1, 2), keepdims=True)
        outputs[f"{name} mean"] = mean[:, 0, 0]
        outputs[f"{name} deviation"] = keras.ops.mean(keras.ops.relu(maps - mean), axis=(1, 2))
    probe = keras.Model(network.input, outputs)
    parts = [
        probe.predict_on_batch(images[start : start + batch, ..., None].repeat(3, axis=-1).astype(np.float32) / 255.0)
        for start in range(0, len(images), batch)
    ]
    return {name: np.concatenate([np.asarray(part[name], np.float32) for part in parts]) for name in outputs}


def gates(train: dict[str, np.ndarray]) -> dict[str, tuple[str, Score]]:
    """Every gate fitted on the features of training slices: its name -> (features, score); a higher score is less familiar."""
    fitted: dict[str, tuple[str, Score]] = {"energy, logits": ("logits", energy)}
    for name in (f"{layer} {pooling}" for layer in LAYERS for pooling in POOLINGS):
        for dimensions in DIMENSIONS:
            fitted[f"Mahalanobis, {name}, {dimensions} components"] = (name, mahalanobis(train[name], dimensions))
        fitted[f"nearest neighbours, {name}"] = (name, nearest(train[name]))
    return fitted


def mahalanobis(train: np.ndarray, dimensions: int) -> Score:
    """The squared distance that is served (Lee et al., arXiv:1807.03888), in the leading components."""
    kernel, bias = whitening(train, dimensions)
    return lambda features: squared_distance(features @ kernel + bias)


def nearest(train: np.ndarray) -> Score:
    """Distance to the fifth nearest training slice, features of unit length (Sun et al., arXiv:2204.06507)."""
    index = NearestNeighbors(n_neighbors=NEIGHBOURS).fit(_unit(train))
    return lambda features: index.kneighbors(_unit(features))[0][:, -1]


def energy(logits: np.ndarray) -> np.ndarray:
    """Minus the log of the summed exponentials of the logits (Liu et al., arXiv:2010.03759)."""
    return -np.logaddexp.reduce(logits.astype(np.float64), axis=1)


def threshold(scores: np.ndarray, slack: float) -> float:
    """The score of validation slices above which FALSE_REFUSALS of them lie; a distance, which is positive, gets the slack."""
    level = float(np.quantile(scores, 1.0 - FALSE_REFUSALS))
    return slack * level if level > 0 else level


def compare(
    train: dict[str, np.ndarray], validation: dict[str, np.ndarray], others: dict[str, dict[str, np.ndarray]]
) -> dict[str, dict[str, float]]:
    """For each gate, the share that it refuses of each of `others`, all given as `pooled` returns them."""
    report = {}
    for name, (layer, score) in gates(train).items():
        level = threshold(score(validation[layer]), GATE_SLACK if layer != "logits" else 1.0)
        report[name] = {kind: float((score(features[layer]) > level).mean()) for kind, features in others.items()}
    return report


def outside_arrays(folder: Path, size: int) -> dict[str, np.ndarray]:
    """The images below `folder` by subfolder, uint8 (n, size, size); those that a cheap look already refuses are left out."""
    found: dict[str, list[np.ndarray]] = {}
    for file in sorted(f for f in folder.rglob("*") if f.suffix.lower() in SUFFIXES):
        try:
            pixels = read(file.read_bytes())[0]
        except ReadError:
            continue
        images = found.setdefault(file.relative_to(folder).parts[0], [])
        if look(pixels) is None:
            images.append(np.round(preprocess(pixels, size)[0] * 255).astype(np.uint8))
    return {kind: np.stack(images) for kind, images in found.items() if images}


def _unit(features: np.ndarray) -> np.ndarray:
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-9)
