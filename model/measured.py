"""The measured figures of model.json in plain words: for the README, the model card and the page."""

from collections.abc import Iterator
from typing import NamedTuple

from model.labels import DISPLAY
from model.provenance import HELD_OUT


class Figure(NamedTuple):
    """One figure as model.json has it.

    Attributes:
        kind: "share" of hits in a count, "mean" over slices (of Dice), or "error" of calibration.
        values: `value`, `low` and `high` in [0, 1]; a share also `hits` and `of`, a mean `slices`.
        target: what was aimed at.
    """

    name: str
    kind: str
    values: dict
    target: str = ""


class Row(NamedTuple):
    """One figure. Texts, ready to be shown; empty where there is none.

    Attributes:
        value: what was measured.
        interval: 95 %: Wilson's score interval of a share, bootstrap percentiles of a mean.
        count: of how many.
        target: what was aimed at.
    """

    name: str
    value: str
    interval: str
    count: str
    target: str = ""


# (group of figures, key in it, name, target); a group is what scripts/evaluate.py --record was told to call it.
SHARES = (
    ("testing", "accuracy", "Accuracy", "≥ 97 %"),
    ("testing", "accuracy_when_certain", "Accuracy of the answers not called uncertain", ""),
    ("testing", "tumor_sensitivity", "Tumors called any tumor (sensitivity)", ""),
    ("testing", "specificity", "No tumor called so (specificity)", ""),
    ("testing", "healthy_outlined", "No tumor, and something is outlined all the same", ""),
    ("testing", "tumors_confidently_missed", "Tumors called “no tumor” with p ≥ 0.9", "< 1 %"),
    ("official", "accuracy", "Accuracy under the official protocol, twins and all", "≥ 99.2 %"),
    ("held_out_br35h_tumor", "tumor_sensitivity", "Tumors of Br35H, trained without it, called any tumor", "≥ 95 %"),
    ("held_out_br35h_tumor", "tumors_confidently_missed", "… of them called “no tumor” with p ≥ 0.9", "< 1 %"),
    ("held_out_tcga_lgg", "tumor_sensitivity", "Tumors of TCGA-LGG, trained without it, called any tumor", "≥ 95 %"),
    ("held_out_tcga_lgg", "tumors_confidently_missed", "… of them called “no tumor” with p ≥ 0.9", "< 1 %"),
    ("held_out_healthy_t1", "specificity", "Healthy T1 slices, trained without them, called no tumor", "≥ 95 %"),
    ("held_out_healthy_t1", "refusal", "… of them refused", "≤ 2 %"),
    ("held_out", "sensitivity_at_specificity_95", "Tumors of held-out sources found at 95 % specificity", "≥ 95 %"),
    ("held_out", "sensitivity_at_specificity_90", "… at 90 % specificity", ""),
    ("outside", "photos", "Photographs refused", "≥ 98 %"),
    ("outside", "chest_ct", "Chest CT refused", "≥ 98 %"),
    ("outside", "breast_ultrasound", "Breast ultrasound refused", "≥ 98 %"),
    ("outside", "answered_surely", "… of all three kinds answered, and not called uncertain", ""),
    ("bodies", "ct_chest", "Chest CT of another source, soft-tissue window, refused", "≥ 98 %"),
    ("bodies", "ct_abdomen", "Abdominal CT, likewise", "≥ 98 %"),
    ("bodies", "mri_abdomen", "Abdominal MRI, refused", "≥ 98 %"),
    ("bodies", "two_slices", "Two brain slices in one picture, refused", "≥ 98 %"),
    ("bodies", "answered_surely", "… of all other parts of the body, and pairs, answered and not called uncertain", ""),
    ("ct", "ct_testing", "Head CT in Testing, refused or called CT", ""),
    ("ct", "ct_brain_window", "Head CT of another source, brain window, likewise", ""),
    ("ct", "ct_bone_window", "… bone window", ""),
    ("ct", "mri_testing", "MRI in Testing, refused or called CT", ""),
)


CALIBRATION = "Expected calibration error, 15 bins"
DICE = "Dice of the outline, mean per slice"
DICE_FLAIR = "Dice on FLAIR slices of TCGA-LGG patients kept for validation"


def found(info: dict) -> list[Figure]:
    """What was measured of SHARES, of calibration and of Dice."""
    figures = info.get("figures", {})
    testing = figures.get("testing", {})
    flair = figures.get("validation", {}).get("groups", {}).get("sequence FLAIR", {})
    measured = [
        Figure(name, "share", figures[group][key], target)
        for group, key, name, target in SHARES
        if figures.get(group, {}).get(key, {}).get("of")
    ]
    if testing.get("calibration_error", {}).get("value") is not None:  # as it is where all were refused
        measured.append(Figure(CALIBRATION, "error", testing["calibration_error"], "≤ 0.020"))
    if "dice" in testing:
        measured.append(Figure(DICE, "mean", testing["dice"], "≥ 0.90"))
    if "dice" in flair:
        measured.append(Figure(DICE_FLAIR, "mean", flair["dice"], "≥ 0.80"))
    return measured


def rows(info: dict) -> list[Row]:
    """`found` in words."""
    write = {"share": share_row, "mean": mean_row, "error": error_row}
    return [write[figure.kind](figure.name, figure.values, figure.target) for figure in found(info)]


def held_out(info: dict) -> list[Row]:
    """Those of `rows` that are of a network which never saw the source, or the sources."""
    figures = info.get("figures", {})
    return rows({"figures": {group: report for group, report in figures.items() if group.startswith("held_out")}})


def groups(info: dict) -> Iterator[tuple[str, str, dict]]:
    """(name, source held out or "", figures) of each source, sequence and plane that was measured by itself."""
    figures = info.get("figures", {})
    for held_out, report in (("", "validation"), *((name, f"held_out_{name}") for name in HELD_OUT)):
        for name, row in figures.get(report, {}).get("groups", {}).items():
            yield name, held_out, row


def corruptions(info: dict) -> dict[str, dict]:
    """The figures under each corruption, and under `none`, by its name; empty when none was measured."""
    return {name: row for name, row in info.get("figures", {}).get("corruptions", {}).items() if isinstance(row, dict)}


def mistakes(info: dict) -> list[tuple[str, str, int]]:
    """(truth, answer, how many slices) of each wrong answer given on Testing, the commonest first."""
    confusion = info.get("figures", {}).get("testing", {}).get("confusion", {"rows": [], "columns": [], "counts": []})
    wrong = [
        (truth, answer, count)
        for truth, counts in zip(confusion["rows"], confusion["counts"], strict=True)
        for answer, count in zip(confusion["columns"], counts, strict=True)
        if truth != answer and count
    ]
    return sorted(wrong, key=lambda mistake: (mistake[2], *mistake[:2]), reverse=True)


def class_rows(info: dict) -> list[Row]:
    """Recall of each class on Testing."""
    classes = info.get("figures", {}).get("testing", {}).get("classes", {})
    return [share_row(DISPLAY[label], row["accuracy"], "≥ 95 %") for label, row in classes.items()]


def share_row(name: str, share: dict, target: str = "") -> Row:
    """A row of what `evaluation.proportion` returned."""
    return Row(name, f"{100 * share['value']:.1f} %", _between(share, 100, 1), f"{share['hits']} of {share['of']}", target)


def mean_row(name: str, mean: dict, target: str = "") -> Row:
    return Row(name, f"{mean['value']:.3f}", _between(mean, 1, 3), f"{mean['slices']} slices", target)


def error_row(name: str, error: dict, target: str = "") -> Row:
    return Row(name, f"{error['value']:.3f}", _between(error, 1, 3), "", target)


def _between(figure: dict, factor: float, digits: int) -> str:
    return f"{factor * figure['low']:.{digits}f} to {factor * figure['high']:.{digits}f}"
