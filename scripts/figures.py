"""Print the measured figures of model.json as the README's table; --write puts them into README.md."""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from model.labels import DISPLAY
from model.measured import rows

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
START, END = "<!-- figures: scripts/figures.py --write -->", "<!-- end of figures -->"


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
    """The tables of the figures that are there, with 95 % intervals."""
    testing = info["figures"]["testing"]
    lines = [
        "| Class Label | Accuracy (%) | Precision | Recall | F1-Score | AUC | Slices |",
        "|---|---|---|---|---|---|---|",
    ]
    for label, row in testing["classes"].items():
        lines.append(
            f"| {DISPLAY[label]} | {100 * row['accuracy']['value']:.1f} | {row['precision']:.3f} | {row['recall']:.3f} | "
            f"{row['f1']:.3f} | {testing['auc'][label]:.4f} | {row['slices']} |"
        )
    lines += ["", "| Measured | Value | 95 % interval | Of | Target |", "|---|---|---|---|---|"]
    lines += [f"| {row.name} | {row.value} | {row.interval} | {row.count} | {row.target} |" for row in rows(info)]
    lines += ["", f"Model version {info['version']}."]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
