"""Images that are no brain MRI slices, or may be CT, in folders by kind: how many are refused, or answered with a warning."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from model.classifier import LOOKS_LIKE_CT, Classifier
from model.inputs import UsageError
from model.prediction import Prediction
from model.reading import ReadError, read
from model.training.dataset import SUFFIXES
from model.training.evaluation import proportion
from model.walking import walk

ALL, SURELY = "all", "answered_surely"  # of all images: refused; answered, and not called uncertain


class Shares(NamedTuple):
    """Of the images in a folder.

    Attributes:
        by_kind: for each subfolder the share of its images, as `proportion` gives it. Images beside the subfolders are of the
            folder's own name. `refusals` adds the shares of all images.
        unreadable: names of files and folders that could not be read; they do not count.
        left_out: how many `further_slices` of files were not asked about; and `kinds`, by their ending, of files that are no
            images by their names.
    """

    by_kind: dict[str, dict]
    unreadable: list[str]
    left_out: dict


def refusals(classifier: Classifier, folder: Path, progress=lambda files: files) -> Shares:
    """The share of images that are refused, by kind and for ALL; and, as SURELY, of those answered and not called uncertain.

    Raises:
        FileNotFoundError: when there are no images, or none that can be read.
        UsageError: a kind has the name of what all kinds are told as.
    """
    answers, *rest = _by_kind(classifier, folder, progress, lambda answer: (answer.status == "refused", answer.uncertain))
    answers[ALL] = np.concatenate(list(answers.values()))
    report = {kind: proportion(rows[:, 0]) for kind, rows in answers.items()}
    return Shares(report | {SURELY: proportion(~answers[ALL].any(axis=1))}, *rest)


def doubts(classifier: Classifier, folder: Path, progress=lambda files: files) -> Shares:
    """The share of images, by kind, that are refused, or answered with the warning that they look like CT.

    Raises:
        FileNotFoundError: when there are no images, or none that can be read.
        UsageError: as of `refusals`.
    """
    doubted, *rest = _by_kind(
        classifier, folder, progress, lambda answer: answer.status == "refused" or answer.reason == LOOKS_LIKE_CT
    )
    return Shares({name: proportion(hits) for name, hits in doubted.items()}, *rest)


def _by_kind(
    classifier: Classifier, folder: Path, progress, told: Callable[[Prediction], bool | tuple[bool, ...]]
) -> tuple[dict[str, np.ndarray], list[str], dict]:
    """By kind: bool (n, ...), what `told` gives of the answer for each image that can be read; the rest as Shares has it."""
    found = walk(folder)
    if taken := {ALL, SURELY} & {_kind(file, folder) for file in found.files}:
        raise UsageError(f"expected other names of kinds than {ALL} and {SURELY}. Received: {', '.join(sorted(taken))}")
    files = [file for file in found.files if file.suffix.lower() in SUFFIXES]
    kinds = Counter(file.suffix.lower() for file in found.files if file.suffix.lower() not in SUFFIXES)
    if not files:
        raise FileNotFoundError(f"Expected images below {folder}. Received: {found.closed.get(folder, 'none')}")
    counted: dict[str, list] = {}
    unreadable, further = [closed.relative_to(folder).as_posix() for closed in found.closed], 0
    for file in progress(files):
        try:
            scan = read(file.read_bytes())
        except (ReadError, OSError):
            unreadable.append(file.relative_to(folder).as_posix())
            continue
        counted.setdefault(_kind(file, folder), []).append(told(classifier.predict([scan[0]])[0]))
        further += len(scan) - 1
    if not counted:
        raise FileNotFoundError(f"Expected images that can be read. Received: {len(files)}, none of which can")
    rows = {kind: np.array(answers, bool) for kind, answers in counted.items()}
    return rows, unreadable, {"kinds": kinds, "further_slices": further}


def _kind(file: Path, folder: Path) -> str:
    name = file.relative_to(folder)
    return name.parts[0] if len(name.parts) > 1 else folder.resolve().name
