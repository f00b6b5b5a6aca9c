"""Images that are no brain MRI slices, or may be CT, in folders by kind: how many are refused, or answered with a warning."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from model.classifier import LOOKS_LIKE_CT, Classifier
from model.prediction import Prediction
from model.reading import ReadError, read
from model.training.dataset import SUFFIXES
from model.training.evaluation import proportion
from model.walking import walk

SURELY = "answered_surely"  # of all images: answered, and not called uncertain


class Shares(NamedTuple):
    """Of the images in a folder.

    Attributes:
        by_kind: for each subfolder the share of its images, as `proportion` gives it. Images beside the subfolders are of the
            folder's own name. `refusals` adds the shares of all images.
        unreadable: names of files and folders that could not be read; they do not count.
    """

    by_kind: dict[str, dict]
    unreadable: list[str]


def refusals(classifier: Classifier, folder: Path, progress=lambda files: files) -> Shares:
    """The share of images that are refused, by kind and for `all`; and, as SURELY, of those answered and not called uncertain.

    Raises:
        FileNotFoundError: when there are no images, or none that can be read.
    """
    answers, unreadable = _by_kind(classifier, folder, progress, lambda answer: (answer.status == "refused", answer.uncertain))
    answers["all"] = np.concatenate(list(answers.values()))
    report = {kind: proportion(rows[:, 0]) for kind, rows in answers.items()}
    return Shares(report | {SURELY: proportion(~answers["all"].any(axis=1))}, unreadable)


def doubts(classifier: Classifier, folder: Path, progress=lambda files: files) -> Shares:
    """The share of images, by kind, that are refused, or answered with the warning that they look like CT.

    Raises:
        FileNotFoundError: when there are no images, or none that can be read.
    """
    doubted, unreadable = _by_kind(
        classifier, folder, progress, lambda answer: answer.status == "refused" or answer.reason == LOOKS_LIKE_CT
    )
    return Shares({name: proportion(hits) for name, hits in doubted.items()}, unreadable)


def _by_kind(
    classifier: Classifier, folder: Path, progress, told: Callable[[Prediction], bool | tuple[bool, ...]]
) -> tuple[dict[str, np.ndarray], list[str]]:
    """By kind: bool (n, ...), what `told` gives of the answer for each image that can be read; and what cannot be read."""
    found = walk(folder)
    files = [file for file in found.files if file.suffix.lower() in SUFFIXES]
    if not files:
        raise FileNotFoundError(f"Expected images below {folder}. Received: {found.closed.get(folder, 'none')}")
    counted: dict[str, list] = {}
    unreadable = [closed.relative_to(folder).as_posix() for closed in found.closed]
    for file in progress(files):
        name = file.relative_to(folder)
        try:
            pixels = read(file.read_bytes())[0]
        except (ReadError, OSError):
            unreadable.append(name.as_posix())
            continue
        kind = name.parts[0] if len(name.parts) > 1 else folder.resolve().name
        counted.setdefault(kind, []).append(told(classifier.predict([pixels])[0]))
    if not counted:
        raise FileNotFoundError(f"Expected images that can be read. Received: {len(files)}, none of which can")
    return {kind: np.array(rows, bool) for kind, rows in counted.items()}, unreadable
