"""The four classes: their order, the names people read and what each one means."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Label:
    """One class of the classifier.

    Attributes:
        key: the name in files, records and `model.json`.
        display: the name on the page.
        meaning: one plain sentence for a reader who is not a physician.
    """

    key: str
    display: str
    meaning: str


CLASSES = (
    Label(
        "glioma",
        "Glioma",
        "The slice looks like those with a glioma, a tumor that grows from the supporting (glial) cells of the brain.",
    ),
    Label(
        "meningioma",
        "Meningioma",
        "The slice looks like those with a meningioma, a usually slow-growing tumor of the membranes around the brain.",
    ),
    Label(
        "notumor",
        "No tumor",
        "The slice looks like those without a tumor. A single slice cannot rule out a tumor elsewhere in the head.",
    ),
    Label(
        "pituitary",
        "Pituitary tumor",
        "The slice looks like those with a tumor of the pituitary gland, a small hormone gland at the base of the brain.",
    ),
)
LABELS = tuple(c.key for c in CLASSES)
DISPLAY = {c.key: c.display for c in CLASSES}
MEANING = {c.key: c.meaning for c in CLASSES}
NOTUMOR = LABELS.index("notumor")
