"""Compare how much the outline says in whether there is a tumor: on a run's validation slices and its held-out sources."""

import argparse
import json
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from model.labels import LABELS, NOTUMOR
from model.training.dataset import load_manifest
from model.training.odds import asked, compare
from model.training.sides import remembered

COLUMNS = {
    "accuracy": "accuracy",
    "auc": "AUC",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "sensitivity_at_specificity_90": "sens. at 90",
    "sensitivity_at_specificity_95": "sens. at 95",
    "missed": "missed p>=0.9",
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder that prepare_data.py was given")
    parser.add_argument("--manifest", type=Path, required=True, help="what prepare_data.py wrote")
    parser.add_argument("--run", type=Path, required=True, help="a run with --hold-out, and its model.h5")
    parser.add_argument("--weights", type=float, nargs="+", default=[0.0, 0.25, 0.5, 1.0, 2.0], help="of the outline")
    parser.add_argument("--json", type=Path, metavar="OUT.json", help="write every figure here")
    args = parser.parse_args()
    model = args.run / "model.h5"
    split = remembered(args.run, load_manifest(args.manifest))
    if not split or not split["held_out"]:
        parser.error(f"expected a run with --hold-out in {args.run}. Received: none")
    if len({i.label == LABELS[NOTUMOR] for i in split["held_out"]}) < 2:
        parser.error("expected a run that held out tumors and healthy slices. Received: one that held out either alone")
    sides = {name: split[name] for name in ("validation", "held_out")}
    given = {name: asked(model, args.data, items, args.manifest.parent) for name, items in sides.items()}
    report = {weight: compare(given, sides, weight) for weight in args.weights}

    print(f"{'weight':>6}  {'side':12}" + "".join(f"{title:>15}" for title in COLUMNS.values()))
    for weight, row in report.items():
        for side, figures in row.items():
            cells = "".join(f"{figures[key]:>15.4f}" if key in figures else f"{'':15}" for key in COLUMNS)
            print(f"{weight:>6}  {side:12}{cells}")
    if args.json:
        args.json.write_text(json.dumps({"run": args.run.name, "weights": report}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
