"""From a trained network to what is served: gate and calibration fitted, model.h5 in float16, model.json beside it."""

import datetime
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import keras
import numpy as np
from sklearn.covariance import LedoitWolf
from sklearn.linear_model import LogisticRegression

from model.delivery import write_saved_model_txt
from model.engines.network_file import CLOSEUP
from model.explanation import level_of_best_dice, tempered
from model.gate import OTHERS, squared_distance
from model.labels import LABELS
from model.preprocessing import VERSION as PREPROCESSING_VERSION
from model.training import imitated_bodies, imitated_ct, imitated_several
from model.training.arrays import Arrays
from model.training.calibration import calibration
from model.training.dataset import Item
from model.training.familiar import evenly, with_variants
from model.training.network import build, with_gate
from model.training.ranges import RANGE_SLICES, input_ranges

GATE_SLICES = 2000  # of training; their copies come on top
DRAWN = 1000  # imitations of bodies, and of several slices in one picture; no more than there are slices
RIDGE = 0.01  # what tells others from brain MRI: inverse of the penalty on its weights
FALSE_ALARMS = 0.001  # of validation slices, whose log-odds and the slack are the threshold
SLACK = {"ct": 0.7, "body": 0.3, "several": 0.3}  # log-odds
DOUBTFUL = 0.01  # of validation slices: what lies as far out as these is answered, but with a doubt
GATE_SLACK = 1.4  # times that squared distance, and it is refused: a new scanner's slices lie further out than those seen
MIN_DEVIATION = 0.005  # features that are all but dead stay small
TYPICAL_SCORE = 0.95  # in_distribution of the median validation slice, which sets the gate's sharpness
MASK_TEMPERATURES = np.arange(1.0, 2.6, 0.1)  # tried from the mask as it is on; of equals the first is taken
FORMAT_VERSION = "1"
DECISIVE = (  # of model.json: what an answer depends on, whatever the engine
    "sha256",
    "input_size",
    "preprocessing",
    "outline_weight",
    "tumor_offset",
    "temperature",
    "uncertain_below",
    "mask_temperature",
    "gate",
    "closeup",
)


@dataclass(frozen=True)
class Closeup:
    """The close-up of a model.h5.

    Attributes:
        write: puts its network into a group of an open file, which holds the classifier already.
        facts: what model.json says of it.
        ranges: of its layers, as `ranges.input_ranges` has them.
    """

    write: Callable[[h5py.Group], None]
    facts: dict
    ranges: dict

    @classmethod
    def of(cls, path: Path, info: dict) -> "Closeup | None":
        """That of a model.h5 with such a model.json, to be put into another with the same VGG16."""
        if "closeup" not in info:
            return None

        def write(group: h5py.Group) -> None:
            with h5py.File(path, "r") as file:
                group.attrs.update(file[CLOSEUP.group].attrs)
                for name in file[CLOSEUP.group]:
                    file.copy(f"{CLOSEUP.group}/{name}", group)  # links to the classifier's weights stay links

        return cls(write, info["closeup"], CLOSEUP.ranges_of(info["int8_ranges"]))


def export(
    trained: keras.Model,
    data: Path,
    split: dict[str, list[Item]],
    run: Path,
    out: Path,
    facts: dict,
    size: int | None = None,
    closeup: Closeup | None = None,
) -> dict:
    """Write `out` (model.h5), model.json beside it and, in a project, its Saved Model.txt; returns model.json's content.

    Args:
        trained: what `fit` returned.
        data, split, run: as `fit` was given them.
        facts: what the run did, kept in model.json under `training`.
        size: the input's side in pixels; that of the training, if not given. The gate and the rest are fitted at this size.
        closeup: the close-up, where there is one.
    """
    keras.config.set_dtype_policy("float32")
    size = size or trained.input_shape[1]
    network = build(size, None)
    for layer in network.layers:
        if layer.weights:
            layer.set_weights([halved(w) for w in trained.get_layer(layer.name).get_weights()])

    arrays = {name: Arrays.load(data, split[name], size, run.parent) for name in ("train", "validation")}
    chosen = arrays["train"].images[evenly(split["train"], GATE_SLICES)]
    drawn = min(DRAWN, len(chosen))
    imitations = {
        "ct": imitated_ct.imitations(chosen),
        "body": imitated_bodies.imitations(chosen, drawn),
        "several": imitated_several.imitations(chosen, drawn),
    }
    train, *others = (
        outputs(network, images, ["features"])["features"]
        for images in (with_variants(chosen), *(imitations[name] for name in OTHERS))
    )
    validation = outputs(network, arrays["validation"].images)
    served = with_gate(network)
    kernel, bias = whitening(train)
    fitted = [log_odds(train @ kernel + bias, features @ kernel + bias) for features in others]
    weights, offsets = (np.concatenate(parts, axis=-1) for parts in zip(*fitted, strict=True))
    to_odds = halved(kernel @ weights), bias @ weights + offsets
    served.get_layer("gate").set_weights([halved(kernel), bias])
    served.get_layer("others").set_weights(to_odds)
    distance = squared_distance(validation["features"] @ halved(kernel) + bias)
    odds = validation["features"] @ to_odds[0] + to_odds[1]

    out.parent.mkdir(parents=True, exist_ok=True)
    save_half(served, out, closeup and closeup.write)
    info = {
        "name": "EarlyMed",
        "version": "",
        **identity(out),
        "labels": list(LABELS),
        "input_size": size,
        "preprocessing": PREPROCESSING_VERSION,
        **calibration(validation["probabilities"], validation["mask"][..., 0], split["validation"]),
        "mask_temperature": fit_mask_temperature(
            validation["mask"][..., 0], arrays["validation"].masks, arrays["validation"].has_mask
        ),
        "gate": gate_facts(distance, odds),
        "int8_ranges": CLOSEUP.with_ranges(
            input_ranges(served, arrays["train"].images[evenly(split["train"], RANGE_SLICES)]),
            closeup.ranges if closeup else {},
        ),
        **({"closeup": closeup.facts} if closeup else {}),
        "training": facts | {"slices": counts(split)},
        "figures": {},
    }
    info["version"] = version_of(info)
    write_facts(info, out)
    return info


def figures_of_others(info: dict) -> dict:
    """What model.json quotes of other networks: all that stays when this one changes."""
    return {name: report for name, report in info["figures"].items() if report["model"] != info["version"]}


def identity(model: Path) -> dict:
    """SHA-256 and size of a model.h5."""
    content = model.read_bytes()
    return {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}


def version_of(info: dict) -> str:
    """FORMAT.DATE.DIGEST of what model.json holds: where the weights, or a threshold, are others, so is the version."""
    decisive = json.dumps({name: info.get(name) for name in DECISIVE}, sort_keys=True)
    return f"{FORMAT_VERSION}.{datetime.date.today():%Y%m%d}.{hashlib.sha256(decisive.encode()).hexdigest()[:8]}"


def write_facts(info: dict, model: Path) -> None:
    """model.json beside a model.h5, and the project's Saved Model.txt if it is the project's."""
    model.with_name("model.json").write_text(json.dumps(info, indent=2) + "\n")
    project = Path(__file__).resolve().parents[2]
    if model.resolve() == project / "model" / "model.h5":
        write_saved_model_txt(model, project / "Saved Model.txt")


def whitening(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Kernel (d, d) and bias (d,) that make (n, d) features white: their length is then the Mahalanobis distance.

    With hardly more slices than features the smallest variances would be far too small. The covariance is shrunk (Ledoit &
    Wolf, Journal of Multivariate Analysis 88, 2004), as much as makes it the best estimate.
    """
    mean, scale = features.mean(axis=0), features.std(axis=0) + MIN_DEVIATION
    variances, axes = np.linalg.eigh(LedoitWolf(assume_centered=True).fit((features - mean) / scale).covariance_)
    kernel = (axes / np.sqrt(variances) / scale[:, None]).astype(np.float32)
    return kernel, -mean @ kernel


def log_odds(brain: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights (d, 1) and offset (1,) of the log-odds that (n, d) whitened features are of something else than brain MRI.

    By logistic regression with a penalty on the square of the weights; both kinds weigh the same.
    """
    labels = np.repeat((0, 1), (len(brain), len(other)))
    fitted = LogisticRegression(C=RIDGE, class_weight="balanced", max_iter=3000).fit(np.concatenate([brain, other]), labels)
    return fitted.coef_.T.astype(np.float32), fitted.intercept_.astype(np.float32)


def gate_facts(distance: np.ndarray, odds: np.ndarray) -> dict:
    """Thresholds and sharpness from the validation slices' distances, (n,), and log-odds, (n, 3); see `gate.Gate`."""
    doubtful = float(np.quantile(distance, 1.0 - DOUBTFUL))
    threshold = GATE_SLACK * doubtful
    sharpness = np.log(TYPICAL_SCORE / (1.0 - TYPICAL_SCORE)) / np.log(threshold / np.median(distance))
    highest = np.quantile(odds, 1.0 - FALSE_ALARMS, axis=0).tolist()
    return {
        "threshold": round(threshold, 5),
        "doubtful": round(doubtful, 5),
        "sharpness": round(float(sharpness), 5),
        "others": {name: round(SLACK[name] + value, 5) for name, value in zip(OTHERS, highest, strict=True)},
    }


def fit_mask_temperature(predicted: np.ndarray, masks: np.ndarray, has_mask: np.ndarray) -> float:
    """The temperature of the mask's log-odds that gives the highest `mean_dice`, to one digit; 1 where there is no tumor."""
    return round(float(max(MASK_TEMPERATURES, key=lambda temperature: mean_dice(predicted, masks, has_mask, temperature))), 1)


def mean_dice(predicted: np.ndarray, masks: np.ndarray, has_mask: np.ndarray, temperature: float) -> float:
    """Dice of what is outlined, mean over the slices with a tumor; 0 where there is none.

    Args:
        predicted: float (n, m, m) in [0, 1].
        masks: uint8 (n, km, km), 0..255, for any k.
        has_mask: bool (n,).
        temperature: see `explanation.tempered`; the level above which a place is outlined comes of it, slice by slice.
    """
    n, side, _ = predicted.shape
    times = masks.shape[1] // side
    truth = masks.reshape(n, side, times, side, times).mean(axis=(2, 4)) > 127.5
    used = has_mask & truth.any(axis=(1, 2))
    if not used.any():
        return 0.0
    probability = tempered(predicted[used], temperature)
    mask = np.stack([p >= level_of_best_dice(p) for p in probability])
    truth = truth[used]
    return float((2 * (mask & truth).sum(axis=(1, 2)) / (mask.sum(axis=(1, 2)) + truth.sum(axis=(1, 2)))).mean())


def save_half(network: keras.Model, path: Path, closeup: Callable[[h5py.Group], None] | None = None) -> None:
    """Save as HDF5 with float16 weights, the label order, and no optimizer; `keras.saving.load_model` reads it.

    What the path holds already stays until all is written.

    Args:
        closeup: writes the close-up's network, where there is one, into the group CLOSEUP.
    """
    whole, part = (path.with_name(f"{path.name}.{name}.h5") for name in ("whole", "part"))
    try:
        with h5py.File(whole, "w") as half:
            write_half(network, half, part)
            half.attrs["earlymed_labels"] = list(LABELS)
            if closeup:
                closeup(half.create_group(CLOSEUP.group))
        whole.replace(path)
    finally:
        for file in (whole, part):
            file.unlink(missing_ok=True)


def write_half(network: keras.Model, group: h5py.Group, part: Path, elsewhere: Mapping[str, str] | None = None) -> None:
    """A network into a group of a file, as a file of its own would hold it.

    Args:
        part: a file to write it to on the way.
        elsewhere: by their paths in the group, weights that the file holds already, and where: the group links to them.
    """
    elsewhere = elsewhere or {}
    network.save(part, include_optimizer=False)
    with h5py.File(part, "r") as full:
        group.attrs.update(full.attrs)
        group.attrs["model_config"] = json.dumps(_without_initializers(json.loads(full.attrs["model_config"])))

        def copy(name: str, node: h5py.Group | h5py.Dataset) -> None:
            if name in elsewhere:
                group[name] = h5py.SoftLink(elsewhere[name])
                return
            if isinstance(node, h5py.Dataset):
                copied = group.create_dataset(name, data=node[()].astype(np.float16))
            else:
                copied = group.require_group(name)
            copied.attrs.update(node.attrs)

        full.visititems(copy)


def _without_initializers(config):
    """What only matters before there are weights is left to its default: Keras adds arguments to it that older ones refuse."""
    if isinstance(config, dict):
        unused = ("_initializer", "_regularizer", "_constraint")
        return {k: _without_initializers(v) for k, v in config.items() if not k.endswith(unused)}
    return [_without_initializers(v) for v in config] if isinstance(config, list) else config


def halved(weights: np.ndarray) -> np.ndarray:
    """As the weights come back from the file, so that everything after is fitted on what is served."""
    return weights.astype(np.float16).astype(np.float32)


def outputs(
    network: keras.Model, images: np.ndarray, names: Sequence[str] = ("probabilities", "features", "mask"), batch: int = 32
) -> dict[str, np.ndarray]:
    """What a network answers for uint8 (n, s, s) slices, by the names of `network.build`."""
    parts = []
    for start in range(0, len(images), batch):
        x = images[start : start + batch, ..., None].astype(np.float32).repeat(3, axis=-1) / 255.0
        given = network.predict_on_batch(x)
        parts.append({k: given[k] for k in names})
    return {k: np.concatenate([p[k] for p in parts]) for k in parts[0]}


def counts(split: dict[str, list[Item]]) -> dict[str, dict[str, int]]:
    """How many slices of each source and class there are to train and to validate on."""
    slices = {name: {} for name in ("train", "validation")}
    for name, per_source in slices.items():
        for item in split[name]:
            key = f"{item.source}/{item.label}"
            per_source[key] = per_source.get(key, 0) + 1
    return slices
