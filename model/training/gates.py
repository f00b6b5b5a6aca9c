"""Ways to tell a brain MRI slice from anything else, compared: which distance, in which layer's features.

All are fitted on training slices and set to the same level on validation slices. Neither the images that should be refused
nor the source that was held out have a part in that.
"""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

from model.gate import look, squared_distance
from model.preprocessing import preprocess, to_gray
from model.reading import ReadError, read
from model.training.dataset import SUFFIXES
from model.training.export import DOUBTFUL, GATE_SLACK, MIN_DEVIATION, whitening
from model.walking import walk

LAYERS = ("block2_conv2", "block3_conv3", "block4_conv3", "block5_conv3")
POOLINGS = ("mean", "deviation")
COMPONENTS = 64
SINGLE = tuple((f"{layer} {pooling}",) for layer in LAYERS for pooling in POOLINGS)
JOINED = (("block3_conv3 deviation", "block4_conv3 deviation"), ("block4_conv3 deviation", "block5_conv3 deviation"))
NEIGHBORS = 5
Features = dict[str, np.ndarray]  # (n, channels) each, by their name; see `pooled`
Score = Callable[[Features], np.ndarray]


def pooled(network: keras.Model, images: np.ndarray, batch: int = 32) -> Features:
    """What gates are fitted on, for uint8 (n, s, s) slices: arrays (n, channels).

    Each of LAYERS, each of POOLINGS, and the logits. `network.build` has what is served.
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


def gates(train: Features) -> dict[str, Score]:
    """Every gate fitted on the features of training slices, by its name; a higher score is less familiar."""
    fitted: dict[str, Score] = {"energy, logits": lambda features: energy(features["logits"])}
    for names in SINGLE + JOINED:
        told = " + ".join(names)
        for unit in (False, True):
            lengths = ", unit length" if unit else ""
            fitted[f"Mahalanobis, {told}{lengths}, {COMPONENTS} components"] = leading(names, unit, train, COMPONENTS)
            fitted[f"Mahalanobis, {told}{lengths}, shrunk"] = shrunk(names, unit, train)
        fitted[f"nearest neighbors, {told}"] = nearest(names, train)
    return fitted


def joined(features: Features, names: tuple[str, ...], unit: bool) -> np.ndarray:
    """The named features side by side, (n, d); with `unit`, each of unit length."""
    return np.concatenate([_unit(features[name]) if unit else features[name] for name in names], axis=1)


def shrunk(names: tuple[str, ...], unit: bool, train: Features) -> Score:
    """The squared Mahalanobis distance (Lee et al., arXiv:1807.03888) that is served: see `export.whitening`."""
    kernel, bias = whitening(joined(train, names, unit))
    return lambda features: squared_distance(joined(features, names, unit) @ kernel + bias)


def leading(names: tuple[str, ...], unit: bool, train: Features, components: int) -> Score:
    """The same in the leading principal components alone, whose variances need no shrinking."""
    known = joined(train, names, unit)
    mean, scale = known.mean(axis=0), known.std(axis=0) + MIN_DEVIATION
    pca = PCA(min(components, *known.shape), whiten=True, svd_solver="full").fit((known - mean) / scale)
    return lambda features: squared_distance(pca.transform((joined(features, names, unit) - mean) / scale))


def nearest(names: tuple[str, ...], train: Features) -> Score:
    """Distance to the fifth nearest training slice, features of unit length (Sun et al., arXiv:2204.06507)."""
    index = NearestNeighbors(n_neighbors=NEIGHBORS).fit(joined(train, names, unit=True))
    return lambda features: index.kneighbors(joined(features, names, unit=True))[0][:, -1]


def energy(logits: np.ndarray) -> np.ndarray:
    """Minus the log of the summed exponentials of the logits (Liu et al., arXiv:2010.03759)."""
    return -np.logaddexp.reduce(logits.astype(np.float64), axis=1)


def threshold(scores: np.ndarray, slack: float) -> float:
    """The score of validation slices above which DOUBTFUL of them lie; a distance, which is positive, gets the slack."""
    level = float(np.quantile(scores, 1.0 - DOUBTFUL))
    return slack * level if level > 0 else level


def compare(train: Features, validation: Features, others: dict[str, Features]) -> dict[str, dict[str, float]]:
    """For each gate, the share that it refuses of each of `others`, all given as `pooled` returns them."""
    report = {}
    for name, score in gates(train).items():
        level = threshold(score(validation), GATE_SLACK)
        report[name] = {kind: float((score(features) > level).mean()) for kind, features in others.items()}
    return report


def outside_arrays(folder: Path, size: int) -> dict[str, np.ndarray]:
    """The images below `folder` by subfolder, made gray: uint8 (n, size, size).

    Their color must not be what gives them away. Those that a cheap look refuses even without it are left out.
    """
    found: dict[str, list[np.ndarray]] = {}
    for file in (f for f in walk(folder).files if f.suffix.lower() in SUFFIXES):
        try:
            pixels = read(file.read_bytes())[0]
        except (ReadError, OSError):
            continue
        images = found.setdefault(file.relative_to(folder).parts[0], [])
        gray = to_gray(pixels)
        if look(gray) is None:
            images.append(np.round(preprocess(gray, size)[0] * 255).astype(np.uint8))
    return {kind: np.stack(images) for kind, images in found.items() if images}


def _unit(features: np.ndarray) -> np.ndarray:
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-9)
