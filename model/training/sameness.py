"""Does an engine give Keras' answers? Both are asked about the same slices, and what differs is counted.

What decides is a rule for each precision. In float32 an engine has to agree slice by slice; bfloat16 and 8 bits may move
single answers, but not what the answers are worth. What passed is recorded in model.json, and `engines.load` goes by that.
"""

from dataclasses import dataclass

import numpy as np

from model.classifier import Classifier
from model.engines import REDUCED
from model.labels import LABELS, NOTUMOR
from model.training.asking import Answers, Case, ask

REFERENCE = "tensorflow"
MAX_DIFFERENCE = 0.01  # of a probability
MAX_LOSS = 0.001  # of accuracy, sensitivity and Dice, either way: 0.1 point
MEASURES = ("accuracy", "tumor_sensitivity", "dice")


@dataclass
class Asked:
    """What an engine said of n slices.

    Attributes:
        answers: see `asking.Answers`.
        in_distribution: float (n,).
        masks: the outlines, each packed to bits.
    """

    answers: Answers
    in_distribution: np.ndarray
    masks: list[np.ndarray]


class _Listener:
    """A classifier whose answers are kept, in what comparing needs of them."""

    def __init__(self, classifier: Classifier):
        self.classifier, self.scores, self.masks = classifier, [], []

    def predict(self, slices):
        predictions = self.classifier.predict(slices)
        self.scores += [p.in_distribution for p in predictions]
        self.masks += [np.packbits(p.mask) for p in predictions]
        return predictions


def ask_engine(classifier: Classifier, cases: list[Case], progress=lambda cases: cases) -> Asked:
    """Its answers for the cases."""
    listener = _Listener(classifier)
    answers = ask(listener, cases, progress)
    return Asked(answers, np.array(listener.scores, float), listener.masks)


def compare(engine: str, received: Asked, expected: Asked) -> dict:
    """How an engine's answers differ from the reference's, and whether it passes.

    Returns:
        Plain types. `same` counts slices with the same class, or refused by both; `difference` describes the largest
        difference of a slice's four probabilities; `mask` the pixels that only one of the outlines holds.

    Raises:
        ValueError: they were not asked about the same slices.
    """
    ours, theirs = received.answers, expected.answers
    if not np.array_equal(ours.truth, theirs.truth):
        raise ValueError(f"Expected answers for the same {len(theirs.truth)} slices. Received: {len(ours.truth)}")
    both = ours.answered & theirs.answered
    differences = np.abs(ours.probabilities[both] - theirs.probabilities[both]).max(axis=1, initial=0.0)
    changed = [_bits(a ^ b) for a, b in zip(received.masks, expected.masks, strict=True)]
    sizes = [_bits(mask) for mask in expected.masks]
    report = {
        "slices": len(ours.truth),
        "same": int((ours.predicted == theirs.predicted).sum()),
        "same_uncertain": int((ours.uncertain == theirs.uncertain).sum()),
        "difference": {
            "max": _rounded(differences.max(initial=0.0)),
            "p99": _rounded(np.percentile(differences, 99)) if len(differences) else 0.0,
            "median": _rounded(np.median(differences)) if len(differences) else 0.0,
        },
        "in_distribution_difference": _rounded(np.abs(received.in_distribution - expected.in_distribution).max(initial=0.0)),
        "mask": {"changed_px": sum(changed), "outlined_px": sum(sizes), "changed_slices": sum(c > 0 for c in changed)},
        "measures": measures(ours),
    }
    return report | {"passed": passes(engine, report, measures(theirs))}


def passes(engine: str, report: dict, reference: dict) -> bool:
    """The rule, on what `compare` found; `reference` holds the `measures` of the reference's answers.

    In bfloat16 and in 8 bits: accuracy, sensitivity and Dice within 0.1 point. In float32: every class the same, and every
    probability within 0.01.
    """
    if engine in REDUCED:
        pairs = [(report["measures"][name], reference[name]) for name in MEASURES]
        return all(a is not None and abs(a - b) <= MAX_LOSS + 1e-9 for a, b in pairs)
    return report["same"] == report["slices"] and report["difference"]["max"] <= MAX_DIFFERENCE


def measures(answers: Answers) -> dict[str, float | None]:
    """Accuracy, sensitivity (tumors called any tumor), mean Dice; a refused slice is a wrong answer. None where none is."""
    known, tumor, scored = answers.truth >= 0, answers.truth != NOTUMOR, ~np.isnan(answers.dice)
    called_tumor = answers.answered & (answers.predicted != NOTUMOR)
    values = ((answers.truth == answers.predicted)[known], called_tumor[tumor], answers.dice[scored])
    return {name: float(of.mean()) if len(of) else None for name, of in zip(MEASURES, values, strict=True)}


def table(reports: dict[str, dict], reference: dict) -> str:
    """The comparison for a terminal or a document, in Markdown."""
    lines = [
        "| engine | same class | probabilities: median, p99, largest difference | outline pixels that differ | accuracy |"
        " sensitivity | Dice | passed |",
        "|---|---|---|---|---|---|---|---|",
        f"| {REFERENCE} | | | | {_measured(reference)} | reference |",
    ]
    for engine, row in reports.items():
        spread = ", ".join(f"{row['difference'][key]:.2g}" for key in ("median", "p99", "max"))
        mask = f"{row['mask']['changed_px']:,} of {row['mask']['outlined_px']:,}"
        lines.append(
            f"| {engine} | {row['same']} of {row['slices']} | {spread} | {mask} | {_measured(row['measures'])} | "
            f"{'yes' if row['passed'] else 'no'} |"
        )
    return "\n".join(lines)


def sample_cases(folder) -> list[Case]:
    """The samples of a folder, whose names begin with their class."""
    return [Case(file, file.name.split("_")[0]) for file in sorted(folder.glob("*.jpg")) if file.name.startswith(LABELS)]


def _measured(row: dict) -> str:
    accuracy, sensitivity, dice = (row[name] for name in MEASURES)
    shares = [f"{100 * value:.2f} %" if value is not None else "-" for value in (accuracy, sensitivity)]
    return " | ".join([*shares, f"{dice:.4f}" if dice is not None else "-"])


def _bits(packed: np.ndarray) -> int:
    return int(np.bitwise_count(packed).sum())


def _rounded(value) -> float:
    return float(f"{float(value):.3g}")
