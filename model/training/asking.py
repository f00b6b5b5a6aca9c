"""Put slices whose truth is known to the classifier, the way the page does."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from model.classifier import Classifier
from model.labels import LABELS, NOTUMOR
from model.prediction import Prediction
from model.reading import ReadError, read
from model.training.dataset import ANY_TUMOR, SUFFIXES, Item, tumor_in
from model.walking import walk

BATCH = 16
CLASS_FOLDERS = (*LABELS, ANY_TUMOR)
BESIDE = "."  # what lies in no folder of a class, but beside them
PLANES = {"ax": "axial", "co": "coronal", "sa": "sagittal"}  # as BRISC's file names have them


@dataclass(frozen=True)
class Case:
    """One slice to ask about.

    Attributes:
        label: one of LABELS, or `tumor` for a tumor of unknown type.
        mask: the expert's mask (PNG, white is tumor), where there should be one.
        groups: what it is counted under besides the whole: its source, sequence, plane.
        name: relative to the folder of all the slices.
    """

    file: Path
    label: str
    mask: Path | None = None
    groups: tuple[str, ...] = ()
    name: str = ""


class Survey(NamedTuple):
    """What a folder with one folder per class holds.

    Attributes:
        cases: the slices, by class.
        folders: which folder was taken for which class.
        others: by folder that names no class, or BESIDE them, how many files it holds.
        kinds: by their ending, the files in folders of classes that are no images by their names.
        closed: the names of folders that cannot be opened.
    """

    cases: list[Case]
    folders: dict[str, str]
    others: Counter[str]
    kinds: Counter[str]
    closed: list[str]


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
        unreadable_masks: the paths of masks that could not be read.
        left_out: how many `further_slices` of files were not asked about, and which masks say nothing: `tumors_without_mask`
            (or with an empty one), `masks_of_another_size`, `unreadable_masks`.
    """

    truth: np.ndarray
    probabilities: np.ndarray
    uncertain: np.ndarray
    dice: np.ndarray
    outlined: np.ndarray
    unreadable: list[str]
    groups: list[tuple[str, ...]] = field(default_factory=list)
    unreadable_masks: list[str] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

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
    """The slices below `data`, see `survey`."""
    return survey(data, masks).cases


def survey(data: Path, masks: Path | None = None) -> Survey:
    """Which slices below `data` are of a class, and what else lies there.

    Args:
        data: one folder per class, see `class_of`.
        masks: the same tree of expert masks; slices without one are left out of Dice.

    Raises:
        FileNotFoundError: when `data` holds no image in a folder of a class, or `masks` no mask of one.
    """
    if masks and not masks.is_dir():
        raise FileNotFoundError(f"Expected a folder of masks. Received: {masks}, which is none")
    found = walk(data)
    held = Survey([], {}, Counter(), Counter(), [folder.relative_to(data).as_posix() for folder in found.closed])
    for file in found.files:
        name = file.relative_to(data)
        folder = name.parts[0] if len(name.parts) > 1 else BESIDE
        label = class_of(folder)
        if label is None:
            held.others[folder] += 1
        elif file.suffix.lower() not in SUFFIXES:
            held.kinds[file.suffix.lower()] += 1
        else:
            held.folders[folder] = label
            mask = masks and masks / name.with_suffix(".png")
            held.cases.append(Case(file, label, mask, name=name.as_posix()))
    held.cases.sort(key=lambda case: CLASS_FOLDERS.index(case.label))
    if not held.cases:
        others = ", ".join(folder for folder in held.others if folder != BESIDE)
        received = found.closed.get(data) or (f"the folders {others}" if others else "none")
        raise FileNotFoundError(f"Expected images in folders named {', '.join(CLASS_FOLDERS)} in {data}. Received: {received}")
    if masks and not any(case.mask.is_file() for case in held.cases):
        raise FileNotFoundError(f"Expected masks in {masks}, PNG named as the slices in {data}. Received: none that is")
    return held


def class_of(folder: str) -> str | None:
    """The class that a folder's name means: one of LABELS, or `tumor` for tumors of unknown type; None where it means none.

    It may be spelled as data sets spell it: `Glioma`, `no_tumor`, "pituitary tumor".
    """
    letters = re.sub("[^a-z]", "", folder.lower())
    name = letters if letters in CLASS_FOLDERS else letters.removesuffix("tumor")
    return name if name in CLASS_FOLDERS else None


def cases_of(items: Iterable[Item], data: Path) -> list[Case]:
    """The slices of a manifest, grouped by source, and by sequence and plane where the file's name tells."""
    return [Case(data / i.path, i.label, data / i.mask if i.mask else None, _groups(i), i.path) for i in items]


def ask(classifier: Classifier, cases: list[Case], progress=lambda cases: cases, change=None) -> Answers:
    """The classifier's answers.

    Args:
        progress: wraps the list of cases, to show how far it is.
        change: applied to each slice's pixels before it is asked about.

    Raises:
        FileNotFoundError: when there are slices, and none of them can be read.
    """
    rows, unreadable, unreadable_masks, batch = [], [], [], []
    left_out = Counter(further_slices=0, tumors_without_mask=0, masks_of_another_size=0, unreadable_masks=0)

    def flush() -> None:
        predictions = classifier.predict([pixels for _, pixels in batch])
        for (case, _), prediction in zip(batch, predictions, strict=True):
            dice, without = dice_of(prediction, case.mask)
            if without and not (without == "tumors_without_mask" and case.label == LABELS[NOTUMOR]):
                left_out[without] += 1
            if without == "unreadable_masks":
                unreadable_masks.append(str(case.mask))
            rows.append((case, prediction, dice))
        batch.clear()

    for case in progress(cases):
        try:
            scan = read(case.file.read_bytes())
        except (ReadError, OSError):
            unreadable.append(case.name or str(case.file))
            continue
        pixels = scan[0]
        left_out["further_slices"] += len(scan) - 1
        batch.append((case, change(pixels) if change else pixels))
        if len(batch) == BATCH:
            flush()
    if batch:
        flush()
    if unreadable and not rows:
        raise FileNotFoundError(f"Expected images that can be read. Received: {len(unreadable)}, none of which can")
    refused = dict.fromkeys(LABELS, np.nan)
    return Answers(
        truth=np.array([-1 if case.label == ANY_TUMOR else LABELS.index(case.label) for case, _, _ in rows], int),
        probabilities=np.array([list((p.probabilities or refused).values()) for _, p, _ in rows], float).reshape(-1, 4),
        uncertain=np.array([p.uncertain for _, p, _ in rows], bool),
        dice=np.array([d for _, _, d in rows], float),
        outlined=np.array([p.mask.any() for _, p, _ in rows], bool),
        unreadable=unreadable,
        groups=[case.groups for case, _, _ in rows],
        unreadable_masks=unreadable_masks,
        left_out=left_out,
    )


def dice_of(prediction: Prediction, mask: Path | None) -> tuple[float, str]:
    """Dice of the outline against an expert mask; or NaN, and where a mask should be what is to be counted in `left_out`."""
    without = float("nan")
    if mask is None:
        return without, ""
    try:
        if not mask.is_file():
            return without, "tumors_without_mask"
        expert = tumor_in(mask)
    except (ReadError, OSError):
        return without, "unreadable_masks"
    if expert.shape != prediction.mask.shape:
        return without, "masks_of_another_size"
    if not expert.any():
        return without, "tumors_without_mask"
    return 2.0 * float((expert & prediction.mask).sum()) / float(expert.sum() + prediction.mask.sum()), ""


def _groups(item: Item) -> tuple[str, ...]:
    groups = [f"source {item.source}"]
    if item.source == "tcga_lgg":
        groups += ["sequence FLAIR" if item.path.endswith("_flair.jpg") else "sequence T1 post-contrast", "plane axial"]
    plane = re.search(r"_(ax|co|sa)_", item.path)
    return (*groups, f"plane {PLANES[plane[1]]}") if plane else tuple(groups)
