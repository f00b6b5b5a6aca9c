"""Measure the classifier on a folder with one subfolder per class, the way the page answers: table, JSON and plots."""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tqdm import tqdm

from model.classifier import DEFAULT_MODEL, Classifier, ModelFileError
from model.training.evaluation import ask, figures, plots, table


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="holds glioma/, meningioma/, notumor/, pituitary/ or tumor/")
    parser.add_argument("--masks", type=Path, help="the same tree of expert masks, for Dice")
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL, help="a model.h5 with its model.json")
    parser.add_argument("--json", type=Path, metavar="OUT.json", help="write every figure here")
    parser.add_argument("--plots", type=Path, metavar="DIR", help="write confusion.png, roc.png and calibration.png here")
    parser.add_argument("--record", metavar="NAME", help="keep the figures under this name in the model's model.json")
    args = parser.parse_args()
    try:
        classifier = Classifier.load(args.model)
        answers = ask(classifier, args.data, args.masks, lambda files: tqdm(files, unit="slice", file=sys.stderr))
    except (ModelFileError, FileNotFoundError) as error:
        print(f"evaluate.py: {error}", file=sys.stderr)
        return 1
    report = figures(answers)
    print(table(report))
    for name in answers.unreadable:
        print(f"unreadable: {name}")
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps({"model": classifier.version, **report}, indent=2) + "\n")
    if args.plots:
        plots(answers, report, args.plots)
    if args.record:
        facts = args.model.with_name("model.json")
        info = json.loads(facts.read_text())
        info["figures"][args.record] = report
        facts.write_text(json.dumps(info, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
