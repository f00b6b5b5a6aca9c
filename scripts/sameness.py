"""Hold every engine that runs here against Keras in float32: the same classes, probabilities, outlines?

Prints a table. --record keeps what came of it in the model's model.json, beside what another processor's engines were found to
be with the same weights: EARLYMED_ENGINE=auto takes the fastest engine that passed. Run it again for a new model.h5, over the
whole Testing split.
"""

import argparse
import json
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tqdm import tqdm

from model.classifier import DEFAULT_MODEL, Classifier, ModelFileError
from model.commands import positive
from model.engines import ENGINES, EngineError
from model.training.asking import find_cases
from model.training.sameness import REFERENCE, ask_engine, compare, measures, sample_cases, table

SAMPLES = Path(__file__).resolve().parent.parent / "tests" / "samples"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--data", type=Path, help="holds glioma/, meningioma/, notumor/ and pituitary/")
    add("--masks", type=Path, help="the same tree of expert masks, for Dice")
    add("--samples", action="store_true", help="ask about the samples in tests/samples too")
    add("--every", type=positive, default=1, metavar="N", help="take only each Nth slice of --data")
    add("--model", type=Path, default=DEFAULT_MODEL, help="a model.h5 with its model.json")
    add("--json", type=Path, metavar="OUT.json", help="write every figure here")
    add("--record", action="store_true", help="keep the figures in the model's model.json")
    args = parser.parse_args(arguments)
    if not args.data and not args.samples:
        parser.error("expected --data, --samples or both")
    if args.record and (not args.data or not args.masks or args.every != 1):
        parser.error("--record expects all slices of --data, with --masks")
    try:
        cases = find_cases(args.data, args.masks)[:: args.every] if args.data else []
        report = measure(args.model, cases + (sample_cases(SAMPLES) if args.samples else []))
    except (ModelFileError, EngineError, FileNotFoundError) as error:
        print(f"sameness.py: {error}", file=sys.stderr)
        return 1
    print(table(report["engines"], report["reference"]))
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(report, indent=2) + "\n")
    if args.record:
        facts = args.model.with_name("model.json")
        info = json.loads(facts.read_text())
        facts.write_text(json.dumps(info | {"engines": joined(report, info.get("engines", {}))}, indent=2) + "\n")
    return 0


def joined(report: dict, before: dict) -> dict:
    """A report with what was recorded before of the same weights, of engines that cannot run here."""
    kept = before["engines"] if before.get("model") == report["model"] else {}
    return report | {"engines": kept | report["engines"]}


def measure(model: Path, cases: list) -> dict:
    """What each engine's answers are, beside the reference's. An engine that cannot run here is left out, and said so."""
    reference = Classifier.load(model, REFERENCE)
    expected = ask_engine(reference, cases, progress(REFERENCE))
    engines = {}
    for engine in ENGINES:
        if engine in ("auto", REFERENCE):
            continue
        try:
            classifier = Classifier.load(model, engine)
        except EngineError as error:
            print(f"not compared: {error}", file=sys.stderr)
            continue
        engines[engine] = compare(engine, ask_engine(classifier, cases, progress(engine)), expected)
    return {"model": reference.version, "reference": measures(expected.answers), "engines": engines}


def progress(engine: str):
    return lambda cases: tqdm(cases, unit="slice", desc=engine, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
