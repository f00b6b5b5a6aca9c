"""Figures from answers: accuracy with its interval, per class, confusion, ROC, calibration, Dice."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support, roc_auc_score, roc_curve

from model.labels import DISPLAY, LABELS, NOTUMOR
from model.training.asking import Answers

CONFIDENT = 0.9
BINS = 15
RESAMPLES = 1000
SPECIFICITIES = (0.90, 0.95)  # at which the sensitivity for any tumor is told
FALSE_RATES = (0.0, 0.005, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0)  # where a report keeps the ROC curves
GROUP_SHARES = (("tumor_sensitivity", "sensitivity"), ("specificity", "specificity"))
GROUP_FIGURES = (
    "slices",
    "refused",
    "refusal",
    "accuracy",
    "tumor_sensitivity",
    "specificity",
    "tumors_confidently_missed",
    "dice",
)


def figures(answers: Answers) -> dict:
    """Every figure of a report, plain types only. A refused slice counts as a wrong answer.

    Per-class `accuracy` is the share of the class's slices that were called by its name, as in the original project's table;
    it equals the recall. `calibration_error` is the expected calibration error over 15 bins (Guo et al., arXiv:1706.04599).
    AUC and calibration are of the slices that were answered.
    """
    truth, predicted, answered = answers.truth, answers.predicted, answers.answered
    known = truth >= 0
    report = {
        "slices": len(truth),
        "unreadable": len(answers.unreadable),
        "refused": int((~answered).sum()),
        "uncertain": int(answers.uncertain.sum()),
        "refusal": proportion(~answered),
    }
    if known.any():
        right = (truth == predicted)[known]
        report["accuracy"] = proportion(right)
        sure = known & answered & ~answers.uncertain
        report["accuracy_when_certain"] = proportion((truth == predicted)[sure])
        report["classes"] = _classes(truth[known], predicted[known])
        matrix = confusion_matrix(truth[known], predicted[known], labels=[*range(len(LABELS)), -1])
        report["confusion"] = {
            "rows": list(LABELS),
            "columns": [*LABELS, "refused"],
            "counts": matrix[: len(LABELS)].tolist(),
        }
        both = known & answered
        report["auc"] = _auc(truth[both], answers.probabilities[both])
        report["roc"] = roc_points(truth[both], answers.probabilities[both])
        report["calibration_error"] = resampled(calibration_error, truth[both], answers.probabilities[both])
        report["calibration_bins"] = [
            [count, round(confidence, 4), round(accuracy, 4)]
            for count, confidence, accuracy in calibration_bins(truth[both], answers.probabilities[both])
        ]
    tumor, healthy = truth != NOTUMOR, truth == NOTUMOR
    if tumor.any():
        called_tumor = (predicted != NOTUMOR) & (predicted >= 0)
        report["tumor_sensitivity"] = proportion(called_tumor[tumor])
        missed = (predicted == NOTUMOR) & (np.nan_to_num(answers.probabilities[:, NOTUMOR]) >= CONFIDENT)
        report["tumors_confidently_missed"] = proportion(missed[tumor])
    if healthy.any():
        report["specificity"] = proportion((predicted == NOTUMOR)[healthy])
        report["healthy_outlined"] = proportion(answers.outlined[healthy])
    if tumor.any() and healthy.any():
        for level, found in zip(SPECIFICITIES, _found_at(answers), strict=True):
            report[f"sensitivity_at_specificity_{100 * level:.0f}"] = proportion(found)
    if (~np.isnan(answers.dice)).any():
        scored = ~np.isnan(answers.dice)
        report["dice"] = resampled(np.mean, answers.dice[scored]) | {"slices": int(scored.sum())}
        report["dice_by_class"] = {
            LABELS[i]: resampled(np.mean, answers.dice[scored & (truth == i)]) | {"slices": int((scored & (truth == i)).sum())}
            for i in sorted(set(truth[scored & known]))
        }
    names = dict.fromkeys(group for groups in answers.groups for group in groups)
    if names:
        per_group = {name: figures(_ungrouped(answers.of(name))) for name in names}
        report["groups"] = {name: {k: v for k, v in row.items() if k in GROUP_FIGURES} for name, row in per_group.items()}
    return report


def _found_at(answers: Answers) -> list[np.ndarray]:
    """Which tumors are found, bool (tumors,), at the lowest threshold of 1 - p(notumor) that gives each of SPECIFICITIES.

    A refused slice is a wrong answer at every threshold: no tumor found in it, and a healthy one not called healthy. Where
    the refused alone cost more specificity than there is to give, nothing is found.
    """
    healthy = answers.truth == NOTUMOR
    score = 1.0 - answers.probabilities[:, NOTUMOR]
    of_healthy = np.sort(np.where(np.isnan(score), np.inf, score)[healthy])
    tumors = np.where(np.isnan(score), -np.inf, score)[~healthy]
    return [tumors > of_healthy[int(np.ceil(level * len(of_healthy))) - 1] for level in SPECIFICITIES]


def _ungrouped(answers: Answers) -> Answers:
    return replace(answers, groups=[])


def proportion(hits: np.ndarray) -> dict:
    """A share with its 95 % Wilson score interval. With more digits than are shown, which are not to be rounded twice."""
    n, k = len(hits), int(np.sum(hits))
    if n == 0:
        return {"value": None, "low": None, "high": None, "hits": 0, "of": 0}
    interval = binomtest(k, n).proportion_ci(method="wilson")
    value, low, high = (round(float(share), 8) for share in (k / n, interval.low, interval.high))
    return {"value": value, "low": low, "high": high, "hits": k, "of": n}


def resampled(statistic, *arrays: np.ndarray) -> dict:
    """A statistic of slices with its 95 % bootstrap percentile interval (Efron 1979; 1000 resamples of slices, fixed seed)."""
    n, rng = len(arrays[0]), np.random.default_rng(0)
    if n == 0:
        return {"value": None, "low": None, "high": None}
    drawn = (rng.integers(0, n, n) for _ in range(RESAMPLES))
    low, high = np.quantile([statistic(*(a[rows] for a in arrays)) for rows in drawn], (0.025, 0.975))
    return {"value": round(float(statistic(*arrays)), 4), "low": round(float(low), 4), "high": round(float(high), 4)}


def calibration_bins(truth: np.ndarray, probabilities: np.ndarray) -> list[tuple[int, float, float]]:
    """(count, mean confidence, accuracy) of each of the 15 equal bins of confidence that is not empty."""
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    index = np.minimum((confidence * BINS).astype(int), BINS - 1)
    filled = [index == b for b in range(BINS) if (index == b).any()]
    return [(int(b.sum()), float(confidence[b].mean()), float(right[b].mean())) for b in filled]


def roc_points(truth: np.ndarray, probabilities: np.ndarray) -> dict:
    """Each class against the rest: the greatest sensitivity at no more than each of FALSE_RATES (1 - specificity).

    Returns:
        `false_positive_rate`, a list, and `sensitivity`, a list of the same length by label, without the labels that all or
        none of the slices have.
    """
    curves = {}
    for index, label in enumerate(LABELS):
        positive = truth == index
        if 0 < positive.sum() < len(truth):
            false_rate, true_rate, _ = roc_curve(positive, probabilities[:, index])
            last = np.searchsorted(false_rate, FALSE_RATES, side="right") - 1
            curves[label] = [round(float(rate), 4) for rate in true_rate[last]]
    return {"false_positive_rate": list(FALSE_RATES), "sensitivity": curves}


def calibration_error(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Expected calibration error: the bins' mean |confidence - accuracy|, weighted by count."""
    bins = calibration_bins(truth, probabilities)
    return sum(n * abs(c - a) for n, c, a in bins) / max(1, sum(n for n, _, _ in bins))


def table(report: dict) -> str:
    """The report for a terminal; its first block has the columns of the original project's README."""
    lines = [f"{'Class Label':16}{'Accuracy (%)':>14}{'Precision':>11}{'Recall':>9}{'F1-Score':>10}{'AUC':>8}{'n':>7}"]
    for label, row in report.get("classes", {}).items():
        auc = report["auc"][label]
        lines.append(
            f"{DISPLAY[label]:16}{100 * row['accuracy']['value']:>13.1f}%{row['precision']:>11.3f}{row['recall']:>9.3f}"
            f"{row['f1']:>10.3f}{'-' if auc is None else f'{auc:.4f}':>8}{row['slices']:>7}"
        )
    lines.append("")
    names = {
        "accuracy": "accuracy",
        "accuracy_when_certain": "accuracy, not uncertain",
        "tumor_sensitivity": "tumor sensitivity",
        "specificity": "specificity",
        "healthy_outlined": "outlined without tumor",
        "tumors_confidently_missed": f"tumors missed, p >= {CONFIDENT}",
    } | {f"sensitivity_at_specificity_{100 * s:.0f}": f"sensitivity at spec. {100 * s:.0f} %" for s in SPECIFICITIES}
    for key, name in names.items():
        row = report.get(key)
        if row and row["value"] is not None:
            interval = f"[{100 * row['low']:.2f}, {100 * row['high']:.2f}]"
            lines.append(f"{name:26}{100 * row['value']:>8.2f} %  95 % {interval:18} {row['hits']} of {row['of']}")
    if (error := report.get("calibration_error", {}).get("value")) is not None:
        lines.append(f"{'calibration error':26}{error:>10.4f}  (15 bins)")
    if "dice" in report:
        lines.append(f"{'Dice, mean per slice':26}{report['dice']['value']:>10.4f}  ({report['dice']['slices']} masks)")
    for label, row in report.get("dice_by_class", {}).items():
        lines.append(f"{'  of ' + label:26}{row['value']:>10.4f}  ({row['slices']} masks)")
    lines.append(
        f"slices {report['slices']}, refused {report['refused']}, uncertain {report['uncertain']}, "
        f"unreadable {report['unreadable']}"
    )
    for name, row in report.get("groups", {}).items():
        shares = [(title, row.get(key)) for key, title in (("accuracy", "accuracy"), *GROUP_SHARES)]
        told = [f"{title} {100 * share['value']:.2f} % of {share['of']}" for title, share in shares if share and share["of"]]
        told += [f"Dice {row['dice']['value']:.4f} of {row['dice']['slices']}"] if "dice" in row else []
        lines.append(f"{name}: " + ", ".join([*told, f"refused {row['refused']} of {row['slices']}"]))
    if "confusion" in report:
        lines += ["", "truth \\ answer  " + "".join(f"{c:>12}" for c in report["confusion"]["columns"])]
        for label, counts in zip(LABELS, report["confusion"]["counts"], strict=True):
            lines.append(f"{label:16}" + "".join(f"{c:>12}" for c in counts))
    return "\n".join(lines)


def plots(answers: Answers, report: dict, folder: Path) -> list[Path]:
    """Write confusion.png, roc.png and calibration.png; returns their paths (none without a known class)."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    if "confusion" not in report:
        return []
    folder.mkdir(parents=True, exist_ok=True)
    kept = (answers.truth >= 0) & answers.answered
    truth, probabilities = answers.truth[kept], answers.probabilities[kept]
    names = [DISPLAY[label] for label in LABELS]

    def confusion(axes) -> None:
        counts = np.array(report["confusion"]["counts"])
        axes.imshow(counts / np.maximum(1, counts.sum(axis=1, keepdims=True)), cmap="Blues", vmin=0, vmax=1)
        for (row, column), count in np.ndenumerate(counts):
            share = count / max(1, counts[row].sum())
            axes.text(column, row, str(count), ha="center", va="center", color="white" if share > 0.5 else "black")
        axes.set_xticks(range(5), [*names, "refused"], rotation=25, ha="right")
        axes.set_yticks(range(4), names)
        axes.set(xlabel="answer", ylabel="truth", title="Confusion matrix")

    def roc(axes) -> None:
        for index, label in enumerate(LABELS):
            if 0 < (truth == index).sum() < len(truth):
                false_rate, true_rate, _ = roc_curve(truth == index, probabilities[:, index])
                axes.plot(false_rate, true_rate, label=f"{DISPLAY[label]} (AUC {report['auc'][label]:.4f})")
        axes.set(xlabel="1 - specificity", ylabel="sensitivity", title="ROC, one class against the rest")
        if axes.lines:
            axes.legend(loc="lower right")

    def calibration(axes) -> None:
        bins = calibration_bins(truth, probabilities)
        axes.plot([0, 1], [0, 1], "--", color="gray")
        axes.plot([c for _, c, _ in bins], [a for _, _, a in bins], "o-")
        error = report["calibration_error"]["value"]
        axes.set(xlabel="confidence", ylabel="accuracy", title="Calibration" + (f", ECE {error:.3f}" if bins else ""))

    paths = []
    for draw in (confusion, roc, calibration):
        figure, axes = pyplot.subplots(figsize=(5.5, 4.8), layout="constrained")
        draw(axes)
        paths.append(folder / f"{draw.__name__}.png")
        figure.savefig(paths[-1], dpi=110)
        pyplot.close(figure)
    return paths


def _classes(truth: np.ndarray, predicted: np.ndarray) -> dict:
    labels = list(range(len(LABELS)))
    scores = precision_recall_fscore_support(truth, predicted, labels=labels, zero_division=0.0)
    return {
        LABELS[i]: {
            "accuracy": proportion(predicted[truth == i] == i),
            "precision": round(float(scores[0][i]), 4),
            "recall": round(float(scores[1][i]), 4),
            "f1": round(float(scores[2][i]), 4),
            "slices": int(scores[3][i]),
        }
        for i in labels
        if scores[3][i]
    }


def _auc(truth: np.ndarray, probabilities: np.ndarray) -> dict[str, float | None]:
    return {
        label: round(float(roc_auc_score(truth == i, probabilities[:, i])), 4) if 0 < (truth == i).sum() < len(truth) else None
        for i, label in enumerate(LABELS)
    }
