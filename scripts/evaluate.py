"""Measure the classifier the way the page answers: table, JSON and plots.

--data is a folder with one subfolder per class, or, with --manifest, --run and --side, the folder of the training data: then
one side of that run's split is measured, by source, sequence and plane. --outside is a folder with images of other things,
which should be refused, or at least be called uncertain; --ct one with head CT, whose answers should come with a warning, if
there are any. What cannot be read, or is left out, is told at the end, and in the JSON as "left_out". Exit status: 0 when
there are figures, 1 when there are none, 2 for bad usage, 130 when interrupted.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tqdm import tqdm

from model.classifier import DEFAULT_MODEL, Classifier, ModelFileError
from model.commands import INTERRUPTED, NOT_READ, check_files, check_folders, positive, printable, why
from model.engines import EngineError
from model.inputs import UsageError
from model.labels import LABELS
from model.training.asking import BESIDE, Case, Survey, ask, cases_of, survey
from model.training.corruptions import robustness, robustness_plot
from model.training.dataset import load_manifest
from model.training.evaluation import figures, plots, table
from model.training.kinds import ALL, SURELY, doubts, refusals
from model.training.sides import SIDES, remembered

OF_DATA = ("manifest", "source", "corruptions", "every", "masks", "plots")  # options that say something of --data alone


class Measured(NamedTuple):
    """What came of it.

    Attributes:
        report: the figures, ready for JSON.
        left_out: what they are not of.
        lines: both, for a terminal.
        draw: writes the plots to a folder.
    """

    report: dict
    left_out: dict
    lines: list[str]
    draw: Callable[[Path], object] = lambda folder: None


def main(arguments: list[str] | None = None) -> int:
    parser = command_line()
    args = parser.parse_args(arguments)
    sys.stdout.reconfigure(errors="surrogateescape")  # a name that is not Unicode comes out as it is
    facts = (args.record_in or args.model.with_name("model.json")) if args.record else None
    try:
        check_options(args)
        check_files(args.json, facts)
        check_folders(args.plots)
        if facts:
            recorded(facts, {})
        classifier = Classifier.load(args.model)
        task = measure_kinds if args.outside or args.ct else measure_corruptions if args.corruptions else measure
        report, left_out, lines, draw = task(classifier, args)
        report = {"model": classifier.version} | report
        everything = as_json(report | {"left_out": left_out})
        if args.json:  # before anything is printed: who reads no further has the figures all the same
            args.json.parent.mkdir(parents=True, exist_ok=True)
            args.json.write_text(everything)
        if facts:
            facts.write_text(recorded(facts, {args.record: report}))
        if args.plots:
            draw(args.plots)
        print("\n".join(lines), flush=True)
    except UsageError as error:
        parser.error(str(error))
    except KeyboardInterrupt:
        return ended("interrupted.", INTERRUPTED)
    except BrokenPipeError:
        return NOT_READ
    except (ModelFileError, EngineError, OSError) as error:
        return ended(why(error), 1)
    return 0


def command_line() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--data", type=Path, help="holds glioma/, meningioma/, notumor/, pituitary/, tumor/, or No_Tumor/ etc.")
    what.add_argument("--outside", type=Path, help="holds images that are no brain MRI slices, in subfolders by kind")
    what.add_argument("--ct", type=Path, help="holds head CT and MRI in subfolders by kind, see gather_ct.py")
    parser.add_argument("--manifest", type=Path, help="what prepare_data.py wrote")
    parser.add_argument("--run", type=Path, help="the folder of a training run")
    parser.add_argument("--side", choices=SIDES, help="of the run's split: what to measure")
    parser.add_argument("--source", help="of that side: measure this source alone")
    parser.add_argument("--corruptions", action="store_true", help="measure --data under noise, blur, turns and the like")
    parser.add_argument("--every", type=positive, metavar="N", help="take only each Nth slice of --data")
    parser.add_argument("--masks", type=Path, help="the same tree of expert masks, for Dice")
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL, help="a model.h5 with its model.json")
    parser.add_argument("--json", type=Path, metavar="OUT.json", help="write every figure here")
    parser.add_argument("--plots", type=Path, metavar="DIR", help="write confusion.png, roc.png and calibration.png here")
    parser.add_argument("--record", metavar="NAME", help="keep the figures under this name in the model's model.json")
    parser.add_argument("--record-in", type=Path, metavar="JSON", help="or in this model.json: what another run has shown")
    return parser


def check_options(args: argparse.Namespace) -> None:
    """Raises UsageError when one would be ignored."""
    if (args.manifest is None) != (args.run is None) or (args.run is None) != (args.side is None):
        raise UsageError("--manifest, --run and --side belong together")
    if not args.data and (given := [f"--{name}" for name in OF_DATA if getattr(args, name)]):
        raise UsageError(f"expected {', '.join(given)} with --data. Received: {'--outside' if args.outside else '--ct'}")
    if args.source and not args.run:
        raise UsageError("--source needs --run")
    if args.masks and args.run:
        raise UsageError("expected --masks or --run. Received: both; the manifest names the masks")
    if args.masks and args.corruptions:
        raise UsageError("expected --masks or --corruptions. Received: both; no Dice is measured under corruptions")
    if args.record_in and not args.record:
        raise UsageError("--record-in needs --record NAME")


def recorded(facts: Path, reports: dict) -> str:
    """A model.json with further reports; raises UsageError when it is none."""
    try:
        info = json.loads(facts.read_text(encoding="utf-8"))
        info.setdefault("figures", {}).update(reports)
        return as_json(info)
    except (ValueError, AttributeError):
        raise UsageError(f"expected a model.json to keep the figures in. Received: {facts}, which is none") from None


def as_json(info: dict) -> str:
    return json.dumps(info, indent=2, allow_nan=False) + "\n"


def ended(why: str, status: int) -> int:
    print(f"evaluate.py: {printable(why)}", file=sys.stderr)
    return status


def slices(args: argparse.Namespace) -> tuple[list[Case], Survey | None]:
    """What is asked about, and what of --data it was chosen from, where that is a folder of classes."""
    if not args.run:
        found = survey(args.data, args.masks)
        return found.cases[:: args.every], found
    return cases_of_side(args)[:: args.every], None


def cases_of_side(args: argparse.Namespace) -> list[Case]:
    try:
        split = remembered(args.run, load_manifest(args.manifest))
    except ValueError as error:
        raise UsageError(str(error)) from None
    items = [i for i in split[args.side] if args.source in (None, i.source)] if split else []
    if not items:
        what = f"slices of {args.source}" if args.source else "a run"
        raise FileNotFoundError(f"Expected {what} with a side {args.side} in {args.run}. Received: none")
    return cases_of(items, args.data)


def measure(classifier: Classifier, args: argparse.Namespace) -> Measured:
    cases, found = slices(args)
    answers = ask(classifier, cases, progress)
    answers.unreadable += found.closed if found else []
    report, left_out = figures(answers), of_folders(found) | answers.left_out
    lines = [table(report), *unreadable(answers.unreadable), *(f"unreadable mask: {m}" for m in answers.unreadable_masks)]
    return Measured(report, left_out, [*lines, *told(left_out)], lambda folder: plots(answers, report, folder))


def measure_corruptions(classifier: Classifier, args: argparse.Namespace) -> Measured:
    cases, found = slices(args)
    known = [case for case in cases if case.label in LABELS]
    if not known:
        raise FileNotFoundError(f"Expected slices of a known class, to corrupt. Received: {len(cases)} of none")
    report, answers = robustness(classifier, known, progress)
    answers.unreadable += found.closed if found else []
    left_out = of_folders(found) | {
        "tumors_of_unknown_type": len(cases) - len(known),
        "further_slices": answers.left_out["further_slices"],
        "unreadable": len(answers.unreadable),
    }
    lines = [f"{'corruption':18}{'accuracy':>10}{'refused':>10}{'confident errors':>18}"]
    for name, row in report.items():
        shares = [f"{100 * row[key]['value']:.1f} %" for key in ("accuracy", "refused", "confident_errors")]
        lines.append(f"{name:18}{shares[0]:>10}{shares[1]:>10}{shares[2]:>18}")
    lines += [f"slices: {len(answers.truth)}", *unreadable(answers.unreadable), *told(left_out)]
    return Measured(report, left_out, lines, lambda folder: robustness_plot(report, folder / "corruptions.png"))


def measure_kinds(classifier: Classifier, args: argparse.Namespace) -> Measured:
    count, folder, title = (refusals, args.outside, "refused") if args.outside else (doubts, args.ct, "refused or called CT")
    report, names, left_out = count(classifier, folder, progress)
    lines = [f"{title:24}{'share':>10}  95 % interval"]
    for name, row in report.items():
        if name == SURELY:
            lines.append("answered, and not called uncertain")
            name = ALL
        interval = f"[{100 * row['low']:.2f}, {100 * row['high']:.2f}]"
        lines.append(f"{printable(name):24}{100 * row['value']:>8.2f} %  {interval:18} {row['hits']} of {row['of']}")
    left_out = left_out | {"unreadable": len(names)}
    return Measured(report, left_out, [*lines, *unreadable(names), *told(left_out)])


def of_folders(found: Survey | None) -> dict:
    """What a folder of classes holds beside the slices."""
    return {"folders": found.others, "kinds": found.kinds, "taken_for": found.folders} if found else {}


def unreadable(names: Iterable[str]) -> list[str]:
    return [f"unreadable: {printable(name)}" for name in names]


def told(left_out: dict) -> list[str]:
    """In words: which folder was taken for which class, and what was not measured, but for what `unreadable` names."""
    lines = [f"{folder} taken for {label}" for folder, label in left_out.get("taken_for", {}).items() if folder != label]
    for folder, count in left_out.get("folders", {}).items():
        lines.append(f"left out: files {'beside the folders' if folder == BESIDE else f'in {folder}'}: {count}")
    for ending, count in left_out.get("kinds", {}).items():
        lines.append(f"left out: files {f'named *{ending}' if ending else 'without an ending'}: {count}")
    counts = {name.replace("_", " "): n for name, n in left_out.items() if isinstance(n, int) and n and name != "unreadable"}
    return [printable(line) for line in (*lines, *(f"left out: {name}: {count}" for name, count in counts.items()))]


def progress(files: list) -> tqdm:
    return tqdm(files, unit="slice", file=sys.stderr)


if __name__ == "__main__":
    status = main()
    if status in (INTERRUPTED, NOT_READ):
        os._exit(status)  # else it would complain once more of its output
    sys.exit(status)
