"""Put slices whose truth is known to the classifier, the way the page does."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from model.classifier import Classifier
from model.labels import LABELS
from model.prediction import Prediction
from model.preprocessing import to_gray
from model.reading import ReadError, read
from model.training.dataset import ANY_TUMOR, SUFFIXES, Item

BATCH = 16
PLANES = {"ax": "axial", "co": "coronal", "sa": "sagittal"}  # as BRISC's file names have them


@dataclass(frozen=True)
class Case:
    """One slice to ask about.

    Attributes:
        label: one of LABELS, or `tumor` for a tumor of unknown type.
        mask: the expert's mask (PNG, white is tumor), where there is one.
        groups: what it is counted under besides the whole: its source, sequence, plane.
    """

    file: Path
    label: str
    mask: Path | None = None
    groups: tuple[str, ...] = ()


@dataclass
class Answers:
    """What the classifier said of slices whose truth is known; n slices.

    Attributes:
        truth: int (n,), index in LABELS, or -1 for a tumor of unknown type.
        probabilities: float (n, 4); NaN rows where the slice was refused.
        uncertain: bool (n,).
        dice: float (n,), NaN where there is no expert mask.
        outlined: bool (n,), whether anything is.
        unreadable: names of files that could not be read.
        groups: of each slice, see `Case`.
    """

    truth: np.ndarray
    probabilities: np.ndarray
    uncertain: np.ndarray
    dice: np.ndarray
    outlined: np.ndarray
    unreadable: list[str]
    groups: list[tuple[str, ...]] = field(default_factory=list)

    @property
    def answered(self) -> np.ndarray:
        return ~np.isnan(self.probabilities[:, 0])

    @property
    def predicted(self) -> np.ndarray:
        """int (n,), index in LABELS, or -1 where the slice was refused."""
        return np.where(self.answered, np.nan_to_num(self.probabilities).argmax(axis=1), -1)

    def of(self, group: str) -> "Answers":
        rows = np.array([group in g for g in self.groups], bool)
        groups = [g for g in self.groups if group in g]
        kept = (a[rows] for a in (self.truth, self.probabilities, self.uncertain, self.dice, self.outlined))
        return Answers(*kept, [], groups)


def find_cases(data: Path, masks: Path | None = None) -> list[Case]:
    """The slices below `data`.

    Args:
        data: one folder per class, named as in LABELS, or `tumor` for tumors of unknown type.
        masks: the same tree of expert masks; slices without one are left out of Dice.

    Raises:
        FileNotFoundError: when `data` holds none of these folders.
    """
    cases = [
        Case(file, label, masks and masks / file.relative_to(data).with_suffix(".png"))
        for label in (*LABELS, ANY_TUMOR)
        for file in sorted((data / label).rglob("*"))
        if file.suffix.lower() in SUFFIXES
    ]
    if not cases:
        names = ", ".join((*LABELS, ANY_TUMOR))
        raise FileNotFoundError(f"Expected images in folders named {names} in {data}. Received: none")
    return cases


def cases_of(items: Iterable[Item], data: Path) -> list[Case]:
    """The slices of a manifest, grouped by source, and by sequence and plane where the file's name tells."""
    return [Case(data / i.path, i.label, data / i.mask if i.mask else None, _groups(i)) for i in items]


def ask(classifier: Classifier, cases: list[Case], progress=lambda cases: cases, change=None) -> Answers:
    """The classifier's answers.

    Args:
        progress: wraps the list of cases, to show how far it is.
        change: applied to each slice's pixels before it is asked about.
    """
    rows, unreadable, batch = [], [], []

    def flush() -> None:
        predictions = classifier.predict([pixels for _, pixels in batch])
        rows.extend((case, p, dice_of(p, case.mask)) for (case, _), p in zip(batch, predictions, strict=True))
        batch.clear()

    for case in progress(cases):
        try:
            pixels = read(case.file.read_bytes())[0]
        except ReadError:
            unreadable.append(f"{case.label}/{case.file.name}")
            continue
        batch.append((case, change(pixels) if change else pixels))
        if len(batch) == BATCH:
            flush()
    if batch:
        flush()
    refused = dict.fromkeys(LABELS, np.nan)
    return Answers(
        truth=np.array([-1 if case.label == ANY_TUMOR else LABELS.index(case.label) for case, _, _ in rows], int),
        probabilities=np.array([list((p.probabilities or refused).values()) for _, p, _ in rows], float).reshape(-1, 4),
        uncertain=np.array([p.uncertain for _, p, _ in rows], bool),
        dice=np.array([d for _, _, d in rows], float),
        outlined=np.array([p.mask.any() for _, p, _ in rows], bool),
        unreadable=unreadable,
        groups=[case.groups for case, _, _ in rows],
    )


def dice_of(prediction: Prediction, mask: Path | None) -> float:
    """Dice of the outline against an expert mask of the same size; NaN when there is no such mask."""
    if mask is None or not mask.is_file():
        return float("nan")
    expert = to_gray(read(mask.read_bytes())[0]) > 0
    if expert.shape != prediction.mask.shape or not expert.any():
        return float("nan")
    return 2.0 * float((expert & prediction.mask).sum()) / float(expert.sum() + prediction.mask.sum())


def _groups(item: Item) -> tuple[str, ...]:
    groups = [f"source {item.source}"]
    if item.source == "tcga_lgg":
        groups += ["sequence FLAIR" if item.path.endswith("_flair.jpg") else "sequence T1 post-contrast", "plane axial"]
    plane = re.search(r"_(ax|co|sa)_", item.path)
    return (*groups, f"plane {PLANES[plane[1]]}") if plane else tuple(groups)
