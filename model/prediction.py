"""The answer for one slice, and the record of it that the scripts and the API print."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from model.formats.common import ReadError
from model.preprocessing import Frame


@dataclass(frozen=True)
class TumorRegion:
    """Where the network sees a tumor, in pixels of the input.

    Attributes:
        area_px: pixels inside the outline.
        area_fraction: of the whole input, in [0, 1].
        box: (x0, y0, x1, y1), half open.
    """

    area_px: int
    area_fraction: float
    box: tuple[int, int, int, int]

    @property
    def part(self) -> tuple[slice, slice]:
        """The box as an index into an array of the input's size."""
        x0, y0, x1, y1 = self.box
        return slice(y0, y1), slice(x0, x1)


@dataclass(frozen=True, eq=False)
class Prediction:
    """One slice's answer.

    Attributes:
        status: "ok", or "refused" when this is not taken for a brain MRI slice; then there is a reason and no label.
        label: one of LABELS, or None.
        probabilities: calibrated, by label in the order of LABELS, summing to 1; or None.
        uncertain: whether the answer should not be relied on.
        in_distribution: how much like a brain MRI slice it looks, in [0, 1]; below 0.5 it is refused.
        tumor: the region of the mask, or None.
        reason: why it was refused, or why the answer is uncertain however high its probability is, or None.
        timings_ms: milliseconds by stage (preprocess, infer, decide), a batch's time shared equally.
        mask: bool, the input's (H, W): the tumor, all False where none was found or the slice was refused.
        evidence: float32 (n, n, 4), evidence for each class at each place of the network's view, or None when refused;
            `explanation.evidence_map` lays it over the input.
        frame: how the network's view lies in the input.
    """

    status: str
    in_distribution: float
    mask: np.ndarray
    label: str | None = None
    probabilities: dict[str, float] | None = None
    uncertain: bool = False
    tumor: TumorRegion | None = None
    reason: str | None = None
    timings_ms: dict[str, float] = field(default_factory=dict)
    evidence: np.ndarray | None = None
    frame: Frame | None = None

    @property
    def area_px(self) -> int:
        """Pixels inside the outline."""
        return int(self.mask.sum())

    def brief(self) -> "Brief":
        return Brief(self.status, self.label, self.probabilities, self.uncertain, self.area_px)

    def record(self, file: str, slice_index: int, model: str, entry: str = "") -> dict:
        """The record as design and API name it: plain types only, ready for JSON. A slice of a ZIP has an `entry`."""
        record = {"file": file, "slice": slice_index} | ({"entry": entry} if entry else {}) | {"status": self.status}
        if self.status == "ok":
            tumor = self.tumor and {
                "area_px": self.tumor.area_px,
                "area_fraction": round(self.tumor.area_fraction, 6),
                "box": list(self.tumor.box),
            }
            record |= {
                "label": self.label,
                "probabilities": {k: round(v, 6) for k, v in self.probabilities.items()},
                "uncertain": self.uncertain,
                "in_distribution": round(self.in_distribution, 6),
                "tumor": tumor,
            }
            record |= {"reason": self.reason} if self.reason else {}
        else:
            record |= {"reason": self.reason, "in_distribution": round(self.in_distribution, 6)}
        return record | {"timings_ms": {k: round(v, 3) for k, v in self.timings_ms.items()}, "model": model}


@dataclass(frozen=True)
class Brief:
    """What a study needs of a Prediction: without mask and evidence it can be kept of every file in a folder."""

    status: str
    label: str | None
    probabilities: dict[str, float] | None
    uncertain: bool
    area_px: int


def unread_record(file: str, error: ReadError, model: str, timings_ms: Mapping[str, float] | None = None) -> dict:
    """The record of a file without a slice to ask the network about: refused when it is of another modality, or an error."""
    if error.status == "error":
        return error_record(file, str(error), model)
    timings = {stage: round(ms, 3) for stage, ms in (timings_ms or {}).items()}
    refused = {"status": "refused", "reason": str(error), "in_distribution": 0.0, "timings_ms": timings}
    return {"file": file, "slice": 0} | refused | {"model": model}


def error_record(file: str, reason: str, model: str) -> dict:
    """The record of a file that could not be read."""
    return {"file": file, "slice": 0, "status": "error", "reason": reason, "model": model}
