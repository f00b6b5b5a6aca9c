"""Fit a trained model's calibration and thresholds anew on validation slices, as train.py does at its end: model.json changes,
model.h5 not.

With --gate all that is fitted after training is fitted anew, the gate's features and what tells others from brain MRI, too:
then model.h5 changes, but for the weights that were trained. What was measured of this model before no longer holds, so those
figures leave model.json, with --gate those of other runs, too; measure.py and evaluate_patients.py fill them in again, once
sameness.py --record has told which engines may answer. --ranges measures anew only what 8 bits have to cover, which no other
engine's answers depend on; sameness.py --record then has to tell whether they are good enough.
"""

import argparse
import json
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import keras

from model.classifier import DEFAULT_MODEL
from model.commands import folder, why
from model.engines.network_file import CLASSIFIER
from model.gate import squared_distance
from model.training.arrays import Arrays
from model.training.averaging import average
from model.training.calibration import calibration
from model.training.dataset import load_manifest
from model.training.export import Closeup, export, figures_of_others, fit_mask_temperature, gate_facts, version_of
from model.training.familiar import evenly
from model.training.network import build
from model.training.odds import asked, split_of
from model.training.ranges import RANGE_SLICES, input_ranges


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=folder, required=True, help="the folder that prepare_data.py was given")
    parser.add_argument("--manifest", type=Path, required=True, help="what prepare_data.py wrote")
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL, help="a model.h5 with its model.json")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--gate", action="store_true", help="fit all of the gate, too")
    what.add_argument(
        "--ranges", action="store_true", help="measure the ranges of 8 bits, but the close-up's, and nothing else"
    )
    args = parser.parse_args()
    file = args.model.with_name("model.json")
    try:
        info = json.loads(file.read_text())
        split = split_of(info["training"], load_manifest(args.manifest))
    except (ValueError, OSError) as error:
        parser.error(why(error))
    if args.gate:
        network = build(info["input_size"], None)
        average(network, [args.model])
        beside = args.manifest.parent / args.model.parent.name  # where prepared slices are kept, see Arrays
        export(network, args.data, split, beside, args.model, info["training"], closeup=Closeup.of(args.model, info))
        return 0
    if args.ranges:
        network = keras.saving.load_model(args.model, compile=False)
        arrays = Arrays.load(args.data, split["train"], info["input_size"], args.manifest.parent)
        ranges = input_ranges(network, arrays.images[evenly(split["train"], RANGE_SLICES)])
        info["int8_ranges"] = CLASSIFIER.with_ranges(info["int8_ranges"], ranges)
        info.get("engines", {}).get("engines", {}).pop("openvino-int8", None)  # that was with other ranges
        file.write_text(json.dumps(info, indent=2) + "\n")
        return 0
    validation = split["validation"]
    given = asked(args.model, args.data, validation, args.manifest.parent, ("gate", "others"))
    fitted = calibration(given["probabilities"], given["mask"], validation)
    arrays = Arrays.load(args.data, validation, info["input_size"], args.manifest.parent)
    fitted["mask_temperature"] = fit_mask_temperature(given["mask"], arrays.masks, arrays.has_mask)
    fitted["gate"] = gate_facts(squared_distance(given["gate"]), given["others"])
    for name, value in fitted.items():
        print(f"{name}: {info.get(name)} -> {value}")
    anew = info | fitted | {"figures": figures_of_others(info)}
    file.write_text(json.dumps(anew | {"version": version_of(anew)}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
