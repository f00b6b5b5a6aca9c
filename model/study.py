"""From the answers for its slices to one answer for a volume or series.

    scan = read(data)
    predictions = classifier.predict(scan.slices, scan.pixel_aspects)
    for study in studies(scan, predictions):
        print(study.label, study.tumor_probability, study.volume_ml)

docs/studies.md tells how the rule was chosen and what it was measured on.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from model.labels import LABELS, NOTUMOR
from model.prediction import Brief, Prediction
from model.reading import Scan, Series

FEWEST = 3  # neighboring slices that must speak together; with fewer answers there is no class
SPAN = 15.0  # mm that they must cover where the spacing is known: else 3 mm of a thin-sliced study would decide for all of it
LEVEL = 0.5  # from this tumor probability on a study is called by a tumor's name


@dataclass(frozen=True)
class Study:
    """What came of one volume or series.

    Attributes:
        start, stop: the slices of the scan that it is made of, `start` to `stop` - 1.
        analyzed, refused: how many of them were answered, and how many were not taken for a brain MRI slice.
        label: one of LABELS; None when fewer than FEWEST slices were analyzed.
        probabilities: by label in the order of LABELS, summing to 1: the mean over the neighboring slices that speak most
            for a tumor, see `neighbors`; None without a label.
        tumor_probability: that it shows a tumor of any kind, in [0, 1], the sum of the tumors' probabilities; None likewise.
        uncertain: whether the answer should not be relied on.
        best_slice: index in the scan of the slice that shows the finding best; None when no tumor was found.
        volume_ml: what the outlines of all its slices hold, in ml; None when no tumor was found, or where the distances
            between voxels are not known.
        files: of a series whose slices came as files of their own, their names in its order: `start`, `stop` and
            `best_slice` count in it. Else empty.
    """

    start: int
    stop: int
    analyzed: int
    refused: int
    label: str | None
    probabilities: dict[str, float] | None
    tumor_probability: float | None
    uncertain: bool
    best_slice: int | None
    volume_ml: float | None
    files: tuple[str, ...] = ()

    def record(self, file: str | None, version: str) -> dict:
        """The study's record: plain types only, ready for JSON. It has a key `study` and none named `slice` or `status`."""
        study = {
            "start": self.start,
            "stop": self.stop,
            "analyzed": self.analyzed,
            "refused": self.refused,
            "label": self.label,
            "probabilities": self.probabilities and {k: round(v, 6) for k, v in self.probabilities.items()},
            "tumor_probability": None if self.tumor_probability is None else round(self.tumor_probability, 6),
            "uncertain": self.uncertain,
            "best_slice": self.best_slice,
            "volume_ml": None if self.volume_ml is None else round(self.volume_ml, 3),
        }
        if self.files:
            study["files"] = list(self.files)
        return {"file": file, "study": study, "model": version}


def studies(scan: Scan, predictions: Sequence[Prediction]) -> list[Study]:
    """One for each series of more than one slice.

    Args:
        predictions: of all the scan's slices, in order.

    Raises:
        ValueError: when there are more or fewer than slices.
    """
    if len(predictions) != len(scan):
        raise ValueError(f"Expected predictions of all {len(scan)} slices. Received: {len(predictions)}")
    return [summarize(predictions[s.start : s.stop], s) for s in scan.series if len(s) > 1]


def summarize(predictions: Sequence[Prediction | Brief], series: Series, files: Sequence[str] = ()) -> Study:
    """Args:
        predictions: of the series' slices, in order.
        files: see Study.

    Raises:
        ValueError: when there are more or fewer than slices.
    """
    if len(predictions) != len(series):
        raise ValueError(f"Expected predictions of the series' {len(series)} slices. Received: {len(predictions)}")
    analyzed = [i for i, prediction in enumerate(predictions) if prediction.status == "ok"]
    counts = (series.start, series.stop, len(analyzed), len(predictions) - len(analyzed))
    if len(analyzed) < FEWEST:
        return Study(*counts, None, None, None, True, None, None, tuple(files))
    by_slice = np.array([[predictions[i].probabilities[label] for label in LABELS] for i in analyzed])
    window = most_suspicious(1.0 - by_slice[:, NOTUMOR], neighbors(series))
    means = by_slice[window].mean(axis=0)
    tumor_probability = float(1.0 - means[NOTUMOR])
    tumors = np.delete(np.arange(len(LABELS)), NOTUMOR)
    label = LABELS[tumors[means[tumors].argmax()] if tumor_probability >= LEVEL else NOTUMOR]
    sure = [predictions[i].label == label and not predictions[i].uncertain for i in analyzed[window]]
    found = label != LABELS[NOTUMOR]
    return Study(
        *counts,
        label=label,
        probabilities=dict(zip(LABELS, means.tolist(), strict=True)),
        tumor_probability=tumor_probability,
        uncertain=2 * sum(sure) <= len(sure) or len(analyzed) < len(predictions) / 2,
        best_slice=series.start + _best(predictions, analyzed, label) if found else None,
        volume_ml=_volume(predictions, series) if found else None,
        files=tuple(files),
    )


def neighbors(series: Series) -> int:
    """Of how many neighboring slices the mean is taken: FEWEST, or as many as cover SPAN mm where the spacing is known."""
    distance = series.spacing and series.spacing[0]
    return max(FEWEST, round(min(len(series), SPAN / distance))) if distance else FEWEST


def most_suspicious(tumor: np.ndarray, count: int) -> slice:
    """Which `count` neighbors (all, where there are fewer) have the highest mean tumor probability; float (n,)."""
    count = min(count, len(tumor))
    first = int(np.convolve(tumor, np.ones(count), "valid").argmax())
    return slice(first, first + count)


def _best(predictions: Sequence[Prediction | Brief], analyzed: list[int], label: str) -> int:
    """The slice with the largest outline, each counted as far as the slice speaks for the study's class."""
    shown = [predictions[i].probabilities[label] * (1 + predictions[i].area_px) for i in analyzed]
    return analyzed[int(np.argmax(shown))]


def _volume(predictions: Sequence[Prediction | Brief], series: Series) -> float | None:
    if series.voxel_ml is None:
        return None
    return series.voxel_ml * sum(prediction.area_px for prediction in predictions)
