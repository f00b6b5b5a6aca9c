"""model.json as the model card shows it: its figures in the reader's language, and the curves of its plots.

Every part is empty when model.json does not hold what it is made of.
"""

from typing import NamedTuple

from flask_babel import gettext, lazy_gettext

from model import measured
from model.labels import DISPLAY
from model.provenance import SOURCES, slices_of
from web.card_words import COLLECTIONS, CORRUPTIONS, FIGURES, GROUPS, KINDS
from web.language import localized, number, share

REFUSED = lazy_gettext("Refused")
GROUP_SHARES = ("accuracy", "tumor_sensitivity", "specificity", "refusal")


class Shown(NamedTuple):
    """One figure, ready to be shown; texts are empty where there is none.

    Attributes:
        span: (low, value, high) in percent, to be drawn; or None when it is no share.
    """

    name: str
    value: str
    interval: str
    count: str
    target: str
    span: tuple[float, float, float] | None


class Point(NamedTuple):
    x: float
    y: float


def figures(info: dict) -> list[Shown]:
    return [shown(figure) for figure in measured.found(info)]


def classes(info: dict) -> list[Shown]:
    """Recall of each class on Testing."""
    rows = info.get("figures", {}).get("testing", {}).get("classes", {})
    return [shown(measured.Figure(name_of(label), "share", row["accuracy"], "≥ 95 %")) for label, row in rows.items()]


def class_table(info: dict) -> list[tuple[str, str, str, str, str, str]]:
    """(class, precision, recall, F1, AUC, slices) of each class on Testing."""
    testing = info.get("figures", {}).get("testing", {})
    return [
        (
            name_of(label),
            *(number(row[key], 3) for key in ("precision", "recall", "f1")),
            decimals(testing.get("auc", {}).get(label), 4),
            number(row["slices"]),
        )
        for label, row in testing.get("classes", {}).items()
    ]


def shown(figure: measured.Figure) -> Shown:
    values = figure.values
    low, value, high = (values[key] for key in ("low", "value", "high"))
    name, target = str(FIGURES.get(figure.name, figure.name)), localized(figure.target)
    if figure.kind == "share":
        count = gettext("%(hits)s of %(of)s", hits=number(values["hits"]), of=number(values["of"]))
        interval = gettext("%(low)s to %(high)s", low=share(low), high=share(high))
        span = (100 * low, 100 * value, 100 * high)
        return Shown(name, share(value), interval, count, target, span)
    count = gettext("%(count)s slices", count=number(values["slices"])) if figure.kind == "mean" else ""
    interval = gettext("%(low)s to %(high)s", low=number(low, 3), high=number(high, 3))
    return Shown(name, number(value, 3), interval, count, target, None)


def confusion(info: dict) -> dict | None:
    """Names of the answers, and for each truth (name, [(count, how dark from 0 to 4)])."""
    found = info.get("figures", {}).get("testing", {}).get("confusion")
    if not found:
        return None
    rows = [
        (name_of(truth), [(count, darkness(count, sum(counts))) for count in counts])
        for truth, counts in zip(found["rows"], found["counts"], strict=True)
    ]
    return {"columns": [name_of(column) for column in found["columns"]], "rows": rows}


def darkness(count: int, of: int) -> int:
    return sum(count > limit * of for limit in (0, 0.02, 0.1, 0.5))


def mistakes(info: dict) -> list[str]:
    """The commonest wrong answers on Testing, in words."""
    told = []
    for truth, answer, count in measured.mistakes(info)[:3]:
        if answer == "refused":
            told.append(gettext("%(count)s slices of the class “%(truth)s” were refused.", count=count, truth=name_of(truth)))
        else:
            words = {"count": count, "truth": name_of(truth), "answer": name_of(answer)}
            told.append(gettext("%(count)s slices of the class “%(truth)s” were called “%(answer)s”.", **words))
    return told


def groups(info: dict) -> list[tuple[str, list[str]]]:
    """(name, [accuracy, sensitivity, specificity, refused, Dice]) of each collection, then sequence, then plane; those of
    networks that never saw a collection come last.
    """
    rows = sorted(measured.groups(info), key=lambda row: (row[1], kind_of(row[0])))
    return [(group_name(name, held_out), group_cells(row)) for name, held_out, row in rows]


def kind_of(name: str) -> int:
    kind = name.partition(" ")[0]
    return list(KINDS).index(kind) if kind in KINDS else len(KINDS)


def group_name(name: str, held_out: str) -> str:
    kind, _, value = name.partition(" ")
    told = f"{KINDS.get(kind, kind)}: {GROUPS.get(value, value)}"
    if not held_out:
        return told
    if held_out == value:
        return gettext("%(group)s (a network trained without it)", group=told)
    return gettext("%(group)s (a network trained without “%(source)s”)", group=told, source=GROUPS.get(held_out, held_out))


def group_cells(row: dict) -> list[str]:
    shares = [row.get(key) for key in GROUP_SHARES]
    cells = [of_count(s["value"], s["of"]) if s and s["of"] else "-" for s in shares]
    dice = row.get("dice")
    return [*cells, f"{number(dice['value'], 3)} ({number(dice['slices'])})" if dice else "-"]


def of_count(value: float, of: int) -> str:
    return f"{share(value)} ({number(of)})"


def corruptions(info: dict) -> list[tuple[str, str, str, str, tuple]]:
    """(change, accuracy, refused, confident errors, the accuracy's span) under each corruption."""
    told = []
    for name, row in measured.corruptions(info).items():
        accuracy = row["accuracy"]
        span = tuple(100 * accuracy[key] for key in ("low", "value", "high"))
        shares = [share(row[key]["value"]) for key in ("accuracy", "refused", "confident_errors")]
        told.append((CORRUPTIONS.get(name, name.replace("_", " ")), *shares, span))
    return told


def sources(info: dict) -> list[tuple[str, str, str, str, str]]:
    """(name, what it is, slices trained on, slices for validation, license)."""
    slices = info.get("training", {}).get("slices", {})
    names = dict.fromkeys(key.split("/")[0] for side in slices.values() for key in side)
    rows = []
    for name in names:
        what, license = SOURCES.get(name, ("", ""))
        counts = [number(slices_of(slices.get(side, {}), name)) for side in ("train", "validation")]
        told_what, told_license = (gettext(text) if text else "-" for text in (what, license))
        rows.append((str(COLLECTIONS.get(name, name)), told_what, *counts, told_license))
    return rows


def calibration(info: dict) -> list[Point]:
    """Confidence and accuracy of each bin, in percent."""
    bins = info.get("figures", {}).get("testing", {}).get("calibration_bins", [])
    return [Point(100 * confidence, 100 * accuracy) for _, confidence, accuracy in bins]


def roc(info: dict) -> list[tuple[str, list[Point], str]]:
    """(class, false positive rate and sensitivity in percent, AUC) of each class against the rest."""
    testing = info.get("figures", {}).get("testing", {})
    curves = testing.get("roc", {"false_positive_rate": [], "sensitivity": {}})
    return [
        (
            name_of(label),
            [Point(100 * x, 100 * y) for x, y in zip(curves["false_positive_rate"], rates, strict=True)],
            decimals(testing.get("auc", {}).get(label), 4),
        )
        for label, rates in curves["sensitivity"].items()
    ]


def told(points: list[Point]) -> str:
    """The points in words, for who cannot see the plot."""
    return "; ".join(f"{number(point.x)} → {number(point.y)}" for point in points)


def areas(curves: list[tuple[str, list[Point], str]]) -> str:
    return "; ".join(f"{name} {auc}" for name, _, auc in curves)


def held_out(info: dict) -> bool:
    """Whether a network that was trained without a source was asked about it."""
    return any(name.startswith("held_out_") for name in info.get("figures", {}))


def studies(info: dict) -> bool:
    """Whether whole studies were measured."""
    return any(name.startswith("studies") for name in info.get("figures", {}))


def decimals(value: float | None, count: int) -> str:
    return "-" if value is None else number(value, count)


def name_of(label: str) -> str:
    return gettext(DISPLAY[label]) if label in DISPLAY else str(REFUSED) if label == "refused" else label
