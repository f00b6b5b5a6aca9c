"""Train the network by transfer learning and save model.h5 with its model.json. A killed run resumes when called again."""

import argparse
import json
import os
import sys
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import keras
import numpy as np

from model.commands import folder, positive, why
from model.labels import LABELS
from model.training import recipe
from model.training.averaging import average
from model.training.dataset import assign, load_manifest
from model.training.export import export
from model.training.fit import fit, history, smoke
from model.training.odds import split_of
from model.training.precision import PRECISIONS, policy
from model.training.sides import check_asked, check_branch, remember, remembered


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=folder, required=True, help="the folder that prepare_data.py was given")
    parser.add_argument("--manifest", type=Path, required=True, help="what prepare_data.py wrote")
    parser.add_argument("--run", type=Path, required=True, help="folder for checkpoints and logs; resumed when it holds some")
    parser.add_argument("--out", type=Path, required=True, help="the model.h5 to write; model.json goes beside it")
    parser.add_argument("--weights", default="imagenet", help='VGG16 base: a .weights.h5 file, or "imagenet" (fetched)')
    parser.add_argument("--protocol", choices=("leakfree", "official"), default="leakfree")
    parser.add_argument("--hold-out", action="append", default=[], metavar="SOURCE", help="train without this source")
    parser.add_argument("--until", choices=[s.name for s in recipe.STAGES], help="end after this stage")
    beginning = parser.add_mutually_exclusive_group()
    beginning.add_argument("--branch", type=Path, metavar="RUN", help="go on from that run's weights after its stage 'base'")
    beginning.add_argument(
        "--go-on", type=Path, nargs="+", metavar="FILE", help="the last stage alone, from the mean of these weights"
    )
    parser.add_argument("--epochs", type=positive, nargs="+", help="of each stage, in order")
    parser.add_argument("--sizes", type=positive, nargs="+", help="input sides of each stage in pixels, in order")
    parser.add_argument(
        "--serve", type=positive, metavar="SIDE", help="input side of the model.h5 in pixels, if another than trained"
    )
    parser.add_argument("--limit", type=positive, help="use so many slices, one epoch a stage: a smoke run")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--precision", choices=PRECISIONS, default="auto", help="auto: bfloat16 where it is computed natively")
    args = parser.parse_args()

    keras.utils.set_random_seed(args.seed)
    keras.config.set_dtype_policy(policy(args.precision))
    try:
        items = load_manifest(args.manifest)
    except (ValueError, OSError) as error:
        parser.error(why(error))
    split = remembered(args.run, items) or assign(items, args.protocol, args.seed, args.hold_out)
    stages, samples = recipe.STAGES, recipe.EPOCH_SAMPLES
    if args.limit:
        order = np.random.default_rng(args.seed)
        for name in ("train", "validation"):
            chosen = order.permutation(len(split[name]))[: args.limit]
            split[name] = [split[name][i] for i in sorted(chosen)]
        stages, samples = smoke(stages), min(samples, args.limit)
    if args.go_on:
        stages = stages[-1:]
    if args.until:
        names = [s.name for s in stages]
        if args.until not in names:
            parser.error(f"expected --until to be one of {names}. Received: {args.until!r}")
        stages = stages[: 1 + names.index(args.until)]
    start = args.go_on or []
    if args.branch:
        stages = stages[1 + [s.name for s in stages].index(recipe.BRANCH_AFTER) :]
        start = [args.branch / f"{recipe.BRANCH_AFTER}.weights.h5"]
    try:
        before = {"stages": [], "history": [], "branch": None}
        for file in start:
            before = training_of(file.parent)  # that tells the split, too, of a model.h5 out of the project's history
            check_branch(file.parent.name, remembered(file.parent, items) or split_of(before, items), split)
    except (FileNotFoundError, ValueError) as error:
        parser.error(str(error))
    for field, values in (("epochs", args.epochs), ("size", args.sizes)):
        values = values or [getattr(s, field) for s in stages]
        if len(values) != len(stages):
            parser.error(f"expected {len(stages)} values, for the stages {[s.name for s in stages]}. Received: {values}")
        stages = tuple(replace(s, **{field: v}) for s, v in zip(stages, values, strict=True))
    if not any(i.label in LABELS for i in split["validation"]) or not split["train"]:
        parser.error(f"expected slices of known class to train and to validate on. Received: {len(items)} slices in all")
    asked = {name: getattr(args, name) for name in ("protocol", "hold_out", "seed", "limit")}
    try:
        check_asked(args.run, asked)
    except ValueError as error:
        parser.error(str(error))
    remember(args.run, split)
    print({name: len(chosen) for name, chosen in split.items()}, flush=True)

    sides = split["train"], split["validation"]
    trained = fit(args.data, *sides, args.run, args.weights, args.seed, stages, samples, start)
    averaged = exported(args.run, [s.name for s in stages], args.go_on)
    if averaged:
        average(trained, averaged)
    facts = {
        "protocol": args.protocol,
        "held_out_sources": args.hold_out,
        "seed": args.seed,
        "stages": before["stages"] + [vars(s) for s in stages],
        "epoch_samples": samples,
        "averaged": [named(file) for file in averaged],
        "branch": args.branch.name if args.branch else before["branch"],
        "went_on_from": [named(file) for file in args.go_on or []],
        "history": before["history"] + history(args.run),
        "weights": before["weights"] if start else "imagenet" if args.weights == "imagenet" else Path(args.weights).name,
    }
    export(trained, args.data, split, args.run, args.out, facts, args.serve)
    return 0


def exported(run: Path, stages: list[str], start: list[Path] | None) -> list[Path]:
    """The weights whose mean is exported, none: those of the last stage as they are.

    Of a run that goes on from others, the last of them counts for what `recipe.AVERAGED` has of the stages before.
    """
    if stages[-1] != recipe.AVERAGED[-1]:
        return []
    return [start[-1] if start and name != stages[-1] else run / f"{name}.weights.h5" for name in recipe.AVERAGED]


def named(weights: Path) -> str:
    """A file of weights as model.json names it: with its run, without what is particular to this machine."""
    return f"{weights.parent.name}/{weights.name}"


def training_of(run: Path) -> dict:
    """What another run's model.json says of its training; each of its stages with what it held out."""
    training = json.loads((run / "model.json").read_text())["training"]
    stages = [{"held_out": training["held_out_sources"]} | stage for stage in training["stages"]]
    return training | {"stages": stages}


if __name__ == "__main__":
    sys.exit(main())
