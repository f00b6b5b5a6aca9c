"""How much the outline should say in whether there is a tumor: compared on validation slices and on sources held out."""

from pathlib import Path

import keras
import numpy as np
from sklearn.metrics import roc_auc_score

from model.classifier import calibrate
from model.labels import LABELS, NOTUMOR
from model.training.arrays import Arrays
from model.training.batches import admissible, shares
from model.training.calibration import calibration
from model.training.dataset import Item, assign
from model.training.evaluation import CONFIDENT, SPECIFICITIES
from model.training.export import counts, outputs
from model.tumor_odds import weigh


def split_of(training: dict, items: list[Item]) -> dict[str, list[Item]]:
    """The split that a training had, told again from what model.json says of it.

    Raises:
        ValueError: when the manifest's slices are not those of that training.
    """
    split = assign(items, training["protocol"], training["seed"], training["held_out_sources"])
    if counts(split) != training["slices"]:
        raise ValueError(f"Expected the slices of that training, {training['slices']}. Received: {counts(split)}")
    return split


def asked(model: Path, data: Path, items: list[Item], folder: Path, further: tuple[str, ...] = ()) -> dict[str, np.ndarray]:
    """What the network of a model.h5 says of n slices: `probabilities` (n, 4), `mask` (n, m, m), and `further` of the outputs
    that `engines` lists. `folder` holds arrays.
    """
    network = keras.saving.load_model(model, compile=False)
    arrays = Arrays.load(data, items, network.input_shape[1], folder)
    given = outputs(network, arrays.images, ("probabilities", "mask", *further))
    return given | {"mask": given["mask"][..., 0]}


def compare(given: dict[str, dict], sides: dict[str, list[Item]], weight: float) -> dict[str, dict[str, float]]:
    """What comes of a weight of the outline on every side, with the offset and temperature that `validation` gives it.

    Args:
        given: what `asked` returned, by side.
        sides: the slices of each; `validation` must be one, and its sources and classes weigh as training draws them.
        weight: see `tumor_odds.weigh`.

    Returns:
        For each side: `auc`, of a tumor; `sensitivity` and `specificity`; the sensitivity at each of SPECIFICITIES; `missed`,
        the share of tumors called `notumor` with a probability of CONFIDENT or more. For `validation` the `accuracy` of the
        classes, too. No slice is refused.
    """
    known = given["validation"]
    fitted = calibration(known["probabilities"], known["mask"], sides["validation"], weight)
    report = {}
    for name, items in sides.items():
        weighed = weigh(given[name]["probabilities"], given[name]["mask"], weight, fitted["tumor_offset"])
        answers = calibrate(weighed, fitted["temperature"])
        draws = shares(items) if name == "validation" else np.full(len(items), 1.0 / len(items))
        tumor = np.array([i.label != LABELS[NOTUMOR] for i in items])
        of_tumors, of_healthy = draws[tumor] / draws[tumor].sum(), draws[~tumor] / draws[~tumor].sum()
        called, score = answers.argmax(axis=1) != NOTUMOR, 1.0 - answers[:, NOTUMOR]
        row = report[name] = {
            "auc": float(roc_auc_score(tumor, score, sample_weight=draws)),
            "sensitivity": float(called[tumor] @ of_tumors),
            "specificity": float(~called[~tumor] @ of_healthy),
            "missed": float((answers[tumor, NOTUMOR] >= CONFIDENT) @ of_tumors),
        }
        order = np.argsort(score[~tumor])
        reached = np.cumsum(of_healthy[order])
        for level in SPECIFICITIES:
            threshold = score[~tumor][order[np.searchsorted(reached, level - 1e-9)]]
            row[f"sensitivity_at_specificity_{100 * level:.0f}"] = float((score[tumor] > threshold) @ of_tumors)
        if name == "validation":
            row["accuracy"] = float(admissible(items)[np.arange(len(items)), answers.argmax(axis=1)] @ draws)
    return report
