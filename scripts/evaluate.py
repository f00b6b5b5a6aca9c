"""Measure the classifier the way the page answers: table, JSON and plots.

--data is a folder with one subfolder per class, or, with --manifest, --run and --side, the folder of the training data: then
one side of that run's split is measured, by source, sequence and plane. --outside is a folder with images of other things,
which should be refused; --ct one with head CT, whose answers should come with a warning, if there are any.
"""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tqdm import tqdm

from model.classifier import DEFAULT_MODEL, Classifier, ModelFileError
from model.labels import LABELS
from model.training.asking import Case, ask, cases_of, find_cases
from model.training.corruptions import robustness, robustness_plot
from model.training.dataset import load_manifest
from model.training.evaluation import doubts, figures, plots, refusals, table
from model.training.sides import SIDES, remembered


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--data", type=Path, help="holds glioma/, meningioma/, notumor/, pituitary/ or tumor/")
    what.add_argument("--outside", type=Path, help="holds images that are no brain MRI slices, in subfolders by kind")
    what.add_argument("--ct", type=Path, help="holds head CT and MRI in subfolders by kind, see gather_ct.py")
    parser.add_argument("--manifest", type=Path, help="what prepare_data.py wrote")
    parser.add_argument("--run", type=Path, help="the folder of a training run")
    parser.add_argument("--side", choices=SIDES, help="of the run's split: what to measure")
    parser.add_argument("--source", help="of that side: measure this source alone")
    parser.add_argument("--corruptions", action="store_true", help="measure --data under noise, blur, turns and the like")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="take only each Nth slice of --data")
    parser.add_argument("--masks", type=Path, help="the same tree of expert masks, for Dice")
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL, help="a model.h5 with its model.json")
    parser.add_argument("--json", type=Path, metavar="OUT.json", help="write every figure here")
    parser.add_argument("--plots", type=Path, metavar="DIR", help="write confusion.png, roc.png and calibration.png here")
    parser.add_argument("--record", metavar="NAME", help="keep the figures under this name in the model's model.json")
    parser.add_argument("--record-in", type=Path, metavar="JSON", help="or in this model.json: what another run has shown")
    args = parser.parse_args(arguments)
    if (args.manifest is None) != (args.run is None) or (args.run is None) != (args.side is None):
        parser.error("--manifest, --run and --side belong together")
    try:
        classifier = Classifier.load(args.model)
        task = measure_outside if args.outside or args.ct else measure_corruptions if args.corruptions else measure
        report = task(classifier, args)
    except (ModelFileError, FileNotFoundError) as error:
        print(f"evaluate.py: {error}", file=sys.stderr)
        return 1
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps({"model": classifier.version, **report}, indent=2) + "\n")
    if args.record:
        facts = args.record_in or args.model.with_name("model.json")
        info = json.loads(facts.read_text())
        info["figures"][args.record] = {"model": classifier.version} | report
        facts.write_text(json.dumps(info, indent=2) + "\n")
    return 0


def cases(args: argparse.Namespace) -> list[Case]:
    if not args.run:
        return find_cases(args.data, args.masks)[:: args.every]
    split = remembered(args.run, load_manifest(args.manifest))
    items = [i for i in split[args.side] if args.source in (None, i.source)] if split else []
    if not items:
        what = f"slices of {args.source}" if args.source else "a run"
        raise FileNotFoundError(f"Expected {what} with a side {args.side} in {args.run}. Received: none")
    return cases_of(items, args.data)[:: args.every]


def measure(classifier: Classifier, args: argparse.Namespace) -> dict:
    answers = ask(classifier, cases(args), progress)
    report = figures(answers)
    print(table(report))
    for name in answers.unreadable:
        print(f"unreadable: {name}")
    if args.plots:
        plots(answers, report, args.plots)
    return report


def measure_outside(classifier: Classifier, args: argparse.Namespace) -> dict:
    count, folder, title = (refusals, args.outside, "refused") if args.outside else (doubts, args.ct, "refused or called CT")
    report = count(classifier, folder, progress)
    print(f"{title:24}{'share':>10}  95 % interval")
    for name, row in report.items():
        interval = f"[{100 * row['low']:.2f}, {100 * row['high']:.2f}]"
        print(f"{name:24}{100 * row['value']:>8.2f} %  {interval:18} {row['hits']} of {row['of']}")
    return report


def measure_corruptions(classifier: Classifier, args: argparse.Namespace) -> dict:
    found = cases(args)
    if not any(case.label in LABELS for case in found):
        raise FileNotFoundError(f"Expected slices of a known class, to corrupt. Received: {len(found)} of none")
    report = robustness(classifier, found, progress)
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
