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

from model.labels import LABELS
from model.training import recipe
from model.training.dataset import Item, assign, load_manifest
from model.training.export import export
from model.training.fit import fit, smoke


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder that prepare_data.py was given")
    parser.add_argument("--manifest", type=Path, required=True, help="what prepare_data.py wrote")
    parser.add_argument("--run", type=Path, required=True, help="folder for checkpoints and logs; resumed when it holds some")
    parser.add_argument("--out", type=Path, required=True, help="the model.h5 to write; model.json goes beside it")
    parser.add_argument("--weights", default="imagenet", help='VGG16 base: a .weights.h5 file, or "imagenet" (fetched)')
    parser.add_argument("--protocol", choices=("leakfree", "official"), default="leakfree")
    parser.add_argument("--hold-out", action="append", default=[], metavar="SOURCE", help="train without this source")
    parser.add_argument("--epochs", type=int, nargs=3, metavar=("HEAD", "COARSE", "FINE"), help="of each stage")
    parser.add_argument("--limit", type=int, help="use so many slices, one epoch a stage: a smoke run")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--precision", choices=("mixed_bfloat16", "float32"), default="mixed_bfloat16")
    args = parser.parse_args()

    keras.utils.set_random_seed(args.seed)
    keras.config.set_dtype_policy(args.precision)
    items = load_manifest(args.manifest)
    split = remembered(args.run / "split.json", items) or assign(items, args.protocol, args.seed, args.hold_out)
    stages, samples = recipe.STAGES, recipe.EPOCH_SAMPLES
    if args.limit:
        order = np.random.default_rng(args.seed)
        for name in ("train", "validation"):
            chosen = order.permutation(len(split[name]))[: args.limit]
            split[name] = [split[name][i] for i in sorted(chosen)]
        stages, samples = smoke(stages), min(samples, args.limit)
    if args.epochs:
        stages = tuple(replace(s, epochs=e) for s, e in zip(stages, args.epochs, strict=True))
    if not any(i.label in LABELS for i in split["validation"]) or not split["train"]:
        parser.error(f"expected slices of known class to train and to validate on. Received: {len(items)} slices in all")
    remember(args.run / "split.json", split)
    print({name: len(chosen) for name, chosen in split.items()}, flush=True)

    trained = fit(args.data, split["train"], split["validation"], args.run, args.weights, args.seed, stages, samples)
    facts = {
        "protocol": args.protocol,
        "held_out_sources": args.hold_out,
        "seed": args.seed,
        "stages": [vars(s) for s in stages],
        "epoch_samples": samples,
        "weights": "imagenet" if args.weights == "imagenet" else Path(args.weights).name,
    }
    export(trained, args.data, split, args.run, args.out, facts)
    return 0


def remember(file: Path, split: dict[str, list[Item]]) -> None:
    """Keep which slice is on which side: a resumed run must not validate on what it has trained on."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({i.path: name for name, items in split.items() for i in items}))


def remembered(file: Path, items: list[Item]) -> dict[str, list[Item]] | None:
    """The split that this run was started with, or None for a new run."""
    if not file.is_file():
        return None
    sides = json.loads(file.read_text())
    split = {name: [] for name in ("train", "validation", "testing", "held_out")}
    for item in items:
        if item.path in sides:
            split[sides[item.path]].append(item)
    return split


if __name__ == "__main__":
    sys.exit(main())
