"""Measure the classifier the way the page answers: table, JSON and plots.

--data is a folder with one subfolder per class; --outside one with images of other things, which should be refused.
"""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tqdm import tqdm

from model.classifier import DEFAULT_MODEL, Classifier, ModelFileError
from model.training.corruptions import robustness, robustness_plot
from model.training.evaluation import ask, figures, plots, refusals, table


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--data", type=Path, help="holds glioma/, meningioma/, notumor/, pituitary/ or tumor/")
    what.add_argument("--outside", type=Path, help="holds images that are no brain MRI slices, in subfolders by kind")
    parser.add_argument("--corruptions", action="store_true", help="measure --data under noise, blur, turns and the like")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="take only each Nth slice of --data")
    parser.add_argument("--masks", type=Path, help="the same tree of expert masks, for Dice")
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL, help="a model.h5 with its model.json")
    parser.add_argument("--json", type=Path, metavar="OUT.json", help="write every figure here")
    parser.add_argument("--plots", type=Path, metavar="DIR", help="write confusion.png, roc.png and calibration.png here")
    parser.add_argument("--record", metavar="NAME", help="keep the figures under this name in the model's model.json")
    args = parser.parse_args()
    try:
        classifier = Classifier.load(args.model)
        task = measure_outside if args.outside else measure_corruptions if args.corruptions else measure
        report = task(classifier, args)
    except (ModelFileError, FileNotFoundError) as error:
        print(f"evaluate.py: {error}", file=sys.stderr)
        return 1
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps({"model": classifier.version, **report}, indent=2) + "\n")
    if args.record:
        facts = args.model.with_name("model.json")
        info = json.loads(facts.read_text())
        info["figures"][args.record] = report
        facts.write_text(json.dumps(info, indent=2) + "\n")
    return 0


def measure(classifier: Classifier, args: argparse.Namespace) -> dict:
    answers = ask(classifier, args.data, args.masks, progress, every=args.every)
    report = figures(answers)
    print(table(report))
    for name in answers.unreadable:
        print(f"unreadable: {name}")
    if args.plots:
        plots(answers, report, args.plots)
    return report


def measure_outside(classifier: Classifier, args: argparse.Namespace) -> dict:
    report = refusals(classifier, args.outside, progress)
    print(f"{'refused':24}{'share':>10}  95 % interval")
    for name, row in report.items():
        interval = f"[{100 * row['low']:.2f}, {100 * row['high']:.2f}]"
        print(f"{name:24}{100 * row['value']:>8.2f} %  {interval:18} {row['hits']} of {row['of']}")
    return report


def measure_corruptions(classifier: Classifier, args: argparse.Namespace) -> dict:
    report = robustness(classifier, args.data, args.every, progress)
    print(f"{'corruption':18}{'accuracy':>10}{'refused':>10}{'confident errors':>18}")
    for name, row in report.items():
        shares = [f"{100 * row[key]['value']:.1f} %" for key in ("accuracy", "refused", "confident_errors")]
        print(f"{name:18}{shares[0]:>10}{shares[1]:>10}{shares[2]:>18}")
    print(f"slices: {report['none']['accuracy']['of']}")
    if args.plots:
        robustness_plot(report, args.plots / "corruptions.png")
    return report


def progress(files: list) -> tqdm:
    return tqdm(files, unit="slice", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
