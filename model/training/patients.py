"""Volumes rebuilt from the slices of one patient, to choose and measure the rule by which slices become a study's answer.

Of a TCGA-LGG patient there are the slices with tumor and a few of the others, FLAIR and T1 post-contrast: two volumes. No
volume among them is free of tumor, so what must be called so is put together: `pieces`, the tumor-free slices of one patient
and sequence; `heads`, healthy T1 slices of one plane, each of another head. `template` is a true volume, the average of 152
healthy heads that nilearn brings along, at three distances between slices. Distances are known of the template only.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from model.labels import LABELS, NOTUMOR
from model.prediction import Prediction
from model.reading import Series, read
from model.study import FEWEST, Study, most_suspicious, neighbors, summarize
from model.training.asking import PLANES
from model.training.dataset import tumor_in
from model.training.evaluation import proportion, resampled

SEQUENCES = {"flair": "FLAIR", "t1post": "T1 post-contrast"}
HEADS = 12  # slices in a stack of healthy heads; about as many as an LGG volume has here
DISTANCES = (1, 3, 5)  # mm between the template's slices
CHOSEN = "mean of the 3 best neighbors"  # what model/study.py does where no distance is known


@dataclass(frozen=True)
class Stack:
    """Slices in order, that are asked about as one volume.

    Attributes:
        kind: tumor, pieces, heads or template.
        patient: whose; a name of its own for heads and template.
        name: the sequence, the plane or the distance.
        slices: their files, or their pixels; none once they are asked about.
        truth: bool (n, H, W), the experts' masks of a tumor volume; else None.
        spacing: as in Series.
    """

    kind: str
    patient: str
    name: str
    slices: Sequence = field(repr=False)
    truth: np.ndarray | None = field(default=None, repr=False)
    spacing: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class Asked:
    """A stack with its answers.

    Attributes:
        tumor: float (m,), the tumor probability of each slice that was answered.
        areas: float (m,), the outlined share of each of those slices.
        dice: of all outlines and all masks of a tumor volume (3-D), else NaN.
    """

    stack: Stack
    study: Study
    tumor: np.ndarray
    areas: np.ndarray
    dice: float


def lgg_volumes(data: Path, patients: set[str]) -> Iterator[Stack]:
    """The tumor volumes of these patients, and their tumor-free slices, where there are at least FEWEST."""
    files = defaultdict(list)
    for file in (data / "tcga_lgg" / "images").glob("*.jpg"):
        stem, number, sequence = file.stem.rsplit("_", 2)
        if file.name[:12] in patients:
            files[file.name[:12], sequence].append((int(number), file, file.parents[1] / "masks" / f"{stem}_{number}.png"))
    for (patient, sequence), slices in sorted(files.items()):
        _, images, masks = zip(*sorted(slices), strict=True)
        truth = np.stack([tumor_in(mask) for mask in masks])
        free = [image for image, mask in zip(images, truth, strict=True) if not mask.any()]
        if truth.any():
            yield Stack("tumor", patient, SEQUENCES[sequence], images, truth)
        if len(free) >= FEWEST:
            yield Stack("pieces", patient, SEQUENCES[sequence], free)


def healthy_heads(data: Path, names: list[str]) -> Iterator[Stack]:
    """Stacks of healthy T1 slices of one plane; `names` are paths relative to `data`."""
    planes = defaultdict(list)
    for name in sorted(names):
        if found := re.search(r"_(ax|co|sa)_", name):
            planes[PLANES[found[1]]].append(data / name)
    for plane, files in sorted(planes.items()):
        for start in range(0, len(files) - FEWEST + 1, HEADS):
            yield Stack("heads", f"{plane} {start // HEADS}", plane, files[start : start + HEADS])


def template() -> Stack:
    """The MNI152 T1 template of nilearn: axial slices, 1 mm from each other."""
    from nilearn.datasets import load_mni152_template

    scan = read(load_mni152_template(resolution=1).to_bytes())
    return Stack("template", "MNI152", "1 mm", scan.slices, None, scan.spacing)


def ask(classifier, stack: Stack) -> list[Asked]:
    """The classifier's answers for a stack; for the template at each of DISTANCES."""
    pixels = [read(one.read_bytes())[0] if isinstance(one, Path) else one for one in stack.slices]
    predictions = classifier.predict(pixels)
    if stack.kind != "template":
        return [judged(stack, predictions)]
    thinned = [
        replace(stack, name=f"{step} mm", slices=stack.slices[::step], spacing=(float(step), *stack.spacing[1:]))
        for step in DISTANCES
    ]
    return [judged(thin, predictions[::step]) for thin, step in zip(thinned, DISTANCES, strict=True)]


def judged(stack: Stack, predictions: list[Prediction]) -> Asked:
    answered = [prediction for prediction in predictions if prediction.status == "ok"]
    return Asked(
        replace(stack, slices=[]),  # what was asked about need not be kept
        summarize(predictions, Series(0, len(predictions), stack.spacing)),
        np.array([1.0 - prediction.probabilities[LABELS[NOTUMOR]] for prediction in answered]),
        np.array([prediction.mask.mean() for prediction in answered]),
        np.nan if stack.truth is None else dice(predictions, stack.truth),
    )


def dice(predictions: list[Prediction], truth: np.ndarray) -> float:
    """Of a volume: all its voxels counted together."""
    outlined = np.stack([prediction.mask for prediction in predictions])
    return float(2 * (outlined & truth).sum() / (outlined.sum() + truth.sum()))


# --- rules: of the tumor probability of each slice, the outlined share of each, and how many neighbors are asked for


def best_neighbors(tumor: np.ndarray, count: int) -> float:
    return float(tumor[most_suspicious(tumor, count)].mean())


def top(tumor: np.ndarray, count: int) -> float:
    return float(np.sort(tumor)[-count:].mean())


Rule = Callable[[np.ndarray, np.ndarray, int], float]
RULES: dict[str, tuple[Rule, float]] = {  # with the level from which on a volume is called a tumor
    "highest slice": (lambda tumor, areas, count: float(tumor.max()), 0.5),
    "mean of the 3 highest": (lambda tumor, areas, count: top(tumor, 3), 0.5),
    "mean of the 5 highest": (lambda tumor, areas, count: top(tumor, 5), 0.5),
    "mean of the 2 best neighbors": (lambda tumor, areas, count: best_neighbors(tumor, 2), 0.5),
    CHOSEN: (lambda tumor, areas, count: best_neighbors(tumor, count), 0.5),
    "mean of the 5 best neighbors": (lambda tumor, areas, count: best_neighbors(tumor, max(5, count)), 0.5),
    "noisy or": (lambda tumor, areas, count: float(1.0 - np.prod(1.0 - tumor)), 0.5),
    "mean of all slices": (lambda tumor, areas, count: float(tumor.mean()), 0.5),
    "share of slices called tumor": (lambda tumor, areas, count: float((tumor >= 0.5).mean()), 0.2),
    "outlined share of the volume": (lambda tumor, areas, count: float(areas.mean()), 0.005),
}


def score(rule: Rule, asked: Asked) -> float:
    """0 where no slice was answered."""
    count = neighbors(Series(asked.study.start, asked.study.stop, asked.stack.spacing))
    return rule(asked.tumor, asked.areas, count) if len(asked.tumor) else 0.0


# --- figures


def rule_figures(answers: list[Asked]) -> dict[str, dict]:
    """For every rule sensitivity, specificity by kind of tumor-free stack, and AUC; plain types only."""
    return {name: _figures_of(answers, rule, level) for name, (rule, level) in RULES.items()}


def _figures_of(answers: list[Asked], rule: Rule, level: float) -> dict:
    kinds = ("tumor", "pieces", "heads")
    scores = {kind: np.array([score(rule, a) for a in answers if a.stack.kind == kind]) for kind in kinds}
    return {
        "level": level,
        "sensitivity": proportion(scores["tumor"] >= level),
        "specificity_pieces": proportion(scores["pieces"] < level),
        "specificity_heads": proportion(scores["heads"] < level),
        "auc": _auc(answers, rule),
    }


def _auc(answers: list[Asked], rule: Rule) -> dict:
    """Of tumor volumes against tumor-free stacks, with a bootstrap of patients: their volumes are drawn together."""
    rows = defaultdict(list)
    for answer in answers:
        if answer.stack.kind != "template":
            rows[answer.stack.patient].append((answer.stack.kind == "tumor", score(rule, answer)))
    groups = np.empty(len(rows), object)
    groups[:] = list(rows.values())
    return resampled(lambda drawn: area_under_curve([row for group in drawn for row in group]), groups)


def area_under_curve(rows: list[tuple[bool, float]]) -> float:
    """The share of pairs of a tumor and a tumor-free volume in which the tumor scores higher; ties count half."""
    truth, scores = np.array([row[0] for row in rows], bool), np.array([row[1] for row in rows])
    pairs = scores[truth][:, None] - scores[~truth]
    return float(((pairs > 0) + 0.5 * (pairs == 0)).mean()) if pairs.size else 1.0


def study_figures(answers: list[Asked]) -> dict:
    """What model/study.py answers, by kind of stack; plain types only. A study without a class counts as a wrong answer."""
    tumors = [a for a in answers if a.stack.kind == "tumor"]
    report: dict = {
        "rule": CHOSEN,
        "patients": len({a.stack.patient for a in tumors}),
        "sensitivity": proportion(np.array([_is_tumor(a.study) for a in tumors])),
        "called_glioma": proportion(np.array([a.study.label == "glioma" for a in tumors])),
        "uncertain": proportion(np.array([a.study.uncertain for a in answers if a.stack.kind != "template"])),
    }
    for kind in ("pieces", "heads"):
        free = [a.study.label == LABELS[NOTUMOR] for a in answers if a.stack.kind == kind]
        report[f"specificity_{kind}"] = proportion(np.array(free))
    report["auc"] = _auc(answers, RULES[CHOSEN][0])
    report["dice"] = {
        name: resampled(np.mean, np.array([a.dice for a in tumors if a.stack.name == name]))
        | {"volumes": sum(a.stack.name == name for a in tumors)}
        for name in SEQUENCES.values()
        if any(a.stack.name == name for a in tumors)
    }
    return report


def template_figures(answers: list[Asked]) -> list[dict]:
    return [
        {
            "distance_mm": a.stack.spacing[0],
            "slices": a.study.stop,
            "refused": a.study.refused,
            "label": a.study.label,
            "tumor_probability": a.study.tumor_probability and round(a.study.tumor_probability, 4),
        }
        for a in answers
        if a.stack.kind == "template"
    ]


def _is_tumor(study: Study) -> bool:
    return study.label not in (None, LABELS[NOTUMOR])
