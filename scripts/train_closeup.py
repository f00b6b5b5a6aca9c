"""Train the close-up's network, which draws outlines anew, for a model.h5, and put it into that file.

It learns from what this model outlines of the slices that it was trained on; its temperature is fitted on those that it was
validated on. What was measured of this model before no longer holds, so those figures leave model.json; measure.py and
evaluate_patients.py fill them in again, once sameness.py --record has told which engines may answer. A killed run goes on from
its last finished epoch when called again.
"""

import argparse
import hashlib
import json
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import keras
import numpy as np

from model import engines
from model.classifier import DEFAULT_MODEL, ModelFileError
from model.commands import folder, positive, why
from model.engines import EngineError
from model.engines.network_file import CLOSEUP
from model.training.closeups import SIDE, WIDER, begin, build, fit, gather, middle, trunk
from model.training.dataset import Item, load_manifest
from model.training.export import (
    figures_of_others,
    fit_mask_temperature,
    identity,
    mean_dice,
    save_half,
    version_of,
    write_facts,
)
from model.training.low_rank import reduce_changes, write_changed
from model.training.odds import split_of
from model.training.precision import PRECISIONS, policy
from model.training.ranges import RANGE_SLICES, input_ranges
from model.training.sides import check_asked


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=folder, required=True, help="the folder that prepare_data.py was given")
    parser.add_argument("--manifest", type=Path, required=True, help="what prepare_data.py wrote")
    parser.add_argument("--run", type=Path, required=True, help="folder for checkpoints and logs; resumed when it holds some")
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL, help="the model.h5 to change, with its model.json")
    parser.add_argument("--epochs", type=positive, default=5, help="each shows all that is outlined once")
    parser.add_argument("--side", type=positive, default=SIDE, help="of a close-up in pixels, a multiple of 16, at least 32")
    parser.add_argument("--limit", type=positive, help="use so many slices: a smoke run")
    parser.add_argument("--begin", type=Path, metavar="WEIGHTS", help="of a run at another side, instead of the classifier's")
    parser.add_argument("--precision", choices=PRECISIONS, default="auto", help="auto: mixed_bfloat16 where it is fast")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    asked = {name: getattr(args, name) for name in ("epochs", "side", "limit", "seed")}
    try:
        info = json.loads(args.model.with_name("model.json").read_text())
        untrained = build(args.side)  # a side, or weights, that it cannot have are told before the work
        begun = args.begin and hashlib.sha256(args.begin.read_bytes()).hexdigest()
        if begun:
            untrained.load_weights(args.begin)
        split = split_of(info["training"], load_manifest(args.manifest))
        check_asked(args.run, {"model": info["version"], "begin": begun} | asked)
        train, validation = (
            gathered(args, info, split[name], scale, args.run / f"{name}.npy")
            for name, scale in (("train", WIDER), ("validation", 1.0))
        )
    except (ValueError, OSError, EngineError, ModelFileError) as error:
        parser.error(why(error))
    classifier = keras.saving.load_model(args.model, compile=False)
    keras.utils.set_random_seed(args.seed)
    keras.config.set_dtype_policy(policy(args.precision))
    network = build(args.side, info["mask_temperature"])
    if begun:
        network.load_weights(args.begin)
    else:
        begin(network, classifier)
    fit(network, train, validation, args.run, args.epochs, args.seed)

    keras.config.set_dtype_policy("float32")
    trained, network = network, build(args.side)
    network.set_weights(trained.get_weights())
    kept = trunk(network)
    changes = reduce_changes(network, classifier, kept)
    drawn = network.predict((validation[..., :2] / 255.0).astype(np.float32), batch_size=64, verbose=0)["mask"][..., 0]
    truth = validation[..., 2], np.ones(len(validation), bool)
    temperature = fit_mask_temperature(drawn, *truth)
    dice = mean_dice(drawn, *truth, temperature)
    print(f"Dice of {len(validation)} close-ups of validation slices: {dice:.4f}", flush=True)

    save_half(classifier, args.model, lambda group: write_changed(network, kept, changes, group, args.run / "part.h5"))
    info |= {"figures": figures_of_others(info)} | identity(args.model)
    some = np.linspace(0, len(train) - 1, min(RANGE_SLICES, len(train))).round().astype(int)
    ranges = input_ranges(network, middle(train[some], args.side)[..., :2])
    info["int8_ranges"] = CLOSEUP.with_ranges(info["int8_ranges"], ranges)
    info["closeup"] = {
        "side": args.side,
        "temperature": temperature,
        "epochs": args.epochs,
        "seed": args.seed,
        "begin": begun,
        "slices": {"train": len(train), "validation": len(validation)},
    }
    write_facts(info | {"version": version_of(info)}, args.model)
    return 0


def gathered(args: argparse.Namespace, info: dict, items: list[Item], scale: float, file: Path) -> np.ndarray:
    """From the run's folder, or gathered now and kept there."""
    if not file.is_file():
        items = [item for item in items if item.mask]
        if args.limit:
            chosen = np.random.default_rng(args.seed).permutation(len(items))[: args.limit]
            items = [items[i] for i in sorted(chosen)]
        infer = engines.load(args.model, info["input_size"], info=info)
        views = gather(args.data, items, infer, info["input_size"], info["mask_temperature"], args.side, scale)
        part = file.with_name("part-" + file.name)
        np.save(part, views)
        part.replace(file)
    return np.load(file)


if __name__ == "__main__":
    sys.exit(main())
