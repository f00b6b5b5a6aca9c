"""Where the training slices come from, under which license, and how far the public set's own split can be trusted."""

from typing import NamedTuple


class Source(NamedTuple):
    """One collection of slices; `what` it holds and its `license` as its publisher states it."""

    what: str
    license: str


SOURCES = {
    "kaggle": Source(
        "Brain Tumor MRI Dataset (Nickparvar; Figshare, SARTAJ, Br35H), masks of BRISC 2025", "CC0; masks CC BY 4.0"
    ),
    "br35h_tumor": Source("Br35H, a tumor of unknown type", "as published, research use"),
    "tcga_lgg": Source("TCGA lower-grade glioma, FLAIR and T1 post-contrast, with masks", "CC BY-NC-SA as published"),
    "healthy_t1": Source("healthy heads, T1, three planes, of BRISC 2025", "CC BY 4.0"),
}
HELD_OUT = ("br35h_tumor", "tcga_lgg", "healthy_t1")
TWINS_IN_TESTING = 944  # of the 1,311 Testing images; these two as scripts/prepare_data.py prints them
LEFT_OUT_OF_TRAINING = 1444


def slices_of(counts: dict[str, int], source: str) -> int:
    """How many of `counts`, by "source/class" as in model.json, are a source's."""
    return sum(n for key, n in counts.items() if key.split("/")[0] == source)
