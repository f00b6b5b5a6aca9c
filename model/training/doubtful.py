"""Slices of Kaggle's `notumor` that show what, on one slice, cannot be told from a tumor: nothing is learned from them.

`doubtful.csv` lists them by the SHA-256 of their file, with what is seen. They were found by looking at all slices of
`notumor` that the leak-free protocol draws for training and validation, those first that the network doubted: bright round
masses, rings with swelling, bright areas in one lobe. What else is ill but on both sides alike, or small and scattered, is no
tumor and stays. A slice that is put aside is not relabeled either: whoever looked is no radiologist. The sides stay as they
are, and so does what is measured on them: validation and Testing count these slices by their label.
"""

import csv
from collections.abc import Iterable
from pathlib import Path

from model.training.dataset import Item

LISTED = Path(__file__).with_suffix(".csv")


def doubtful() -> dict[str, str]:
    """What is seen in each listed slice, by the SHA-256 of its file."""
    with LISTED.open(newline="", encoding="utf-8") as file:
        return {row["sha256"]: row["seen"] for row in csv.DictReader(file)}


def without_doubtful(items: Iterable[Item]) -> list[Item]:
    """The items that are not listed, in their order."""
    listed = doubtful()
    return [i for i in items if i.sha256 not in listed]
