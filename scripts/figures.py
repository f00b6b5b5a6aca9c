"""Print the measured figures of model.json as the README's table; --write puts them into README.md."""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from model.labels import DISPLAY

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
START, END = "<!-- figures: scripts/figures.py --write -->", "<!-- end of figures -->"
ROWS = (
    ("testing", "accuracy", "Accuracy"),
    ("testing", "accuracy_when_certain", "Accuracy of the answers not called uncertain"),
    ("testing", "tumor_sensitivity", "Tumors called any tumor (sensitivity)"),
    ("testing", "specificity", "No tumor called so (specificity)"),
    ("testing", "tumors_confidently_missed", "Tumors called “no tumor” with p ≥ 0.9"),
    ("outside", "photos", "Photographs refused"),
    ("outside", "chest_ct", "Chest CT refused"),
    ("outside", "breast_ultrasound", "Breast ultrasound refused"),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="replace the table in README.md")
    args = parser.parse_args()
    block = markdown(json.loads((ROOT / "model" / "model.json").read_text()))
    if args.write:
        text = README.read_text(encoding="utf-8")
        before, rest = text.split(START)
        README.write_text(f"{before}{START}\n{block}\n{END}{rest.split(END)[1]}", encoding="utf-8")
    else:
        print(block)
    return 0


def markdown(info: dict) -> str:
    """The tables of the figures that are there, with 95 % Wilson intervals."""
    figures = info["figures"]
    testing = figures["testing"]
    lines = [
        "| Class Label | Accuracy (%) | Precision | Recall | F1-Score | AUC | Slices |",
        "|---|---|---|---|---|---|---|",
    ]
    for label, row in testing["classes"].items():
        lines.append(
            f"| {DISPLAY[label]} | {100 * row['accuracy']['value']:.1f} | {row['precision']:.3f} | {row['recall']:.3f} | "
            f"{row['f1']:.3f} | {testing['auc'][label]:.4f} | {row['slices']} |"
        )
    lines += ["", "| Measured | Value | 95 % interval | Count |", "|---|---|---|---|"]
    for group, key, name in ROWS:
        row = figures.get(group, {}).get(key)
        if row:
            share, interval = f"{100 * row['value']:.1f} %", f"{100 * row['low']:.1f} to {100 * row['high']:.1f}"
            lines.append(f"| {name} | {share} | {interval} | {row['hits']} of {row['of']} |")
    lines.append(f"| Expected calibration error, 15 bins | {testing['calibration_error']:.3f} | | |")
    lines.append(
        f"| Dice of the outline, mean per slice | {testing['dice']['mean']:.3f} | | {testing['dice']['slices']} masks |"
    )
    lines += ["", f"Model version {info['version']}."]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
