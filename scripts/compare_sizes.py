"""Compare input sizes: what a run's weights answer on its validation slices at other sides than the one they were trained at.

VGG16 without its top takes any side. What is served should not be larger than it needs to be.
"""

import argparse
import json
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import keras

from model.training.arrays import Arrays
from model.training.dataset import load_manifest
from model.training.sides import remembered
from model.training.sizes import at_size, compared


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder that prepare_data.py was given")
    parser.add_argument("--manifest", type=Path, required=True, help="what prepare_data.py wrote")
    parser.add_argument("--run", type=Path, required=True, help="a run and its model.h5")
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 144, 160, 192, 224], help="input sides in pixels")
    parser.add_argument("--json", type=Path, metavar="OUT.json", help="write every figure here")
    args = parser.parse_args()
    split = remembered(args.run, load_manifest(args.manifest))
    if not split or not split["validation"]:
        parser.error(f"expected a run with validation slices in {args.run}. Received: none")
    trained = keras.saving.load_model(args.run / "model.h5", compile=False)

    report = {}
    print(f"{'side':>6}{'class loss':>12}{'accuracy':>10}{'Dice':>8}   ({len(split['validation'])} validation slices)")
    for size in args.sizes:
        arrays = Arrays.load(args.data, split["validation"], size, args.run.parent)
        row = report[size] = compared(at_size(trained, size), arrays)
        print(f"{size:>6}{row['class_loss']:>12.4f}{100 * row['accuracy']:>9.2f}%{row['dice']:>8.4f}", flush=True)
    if args.json:
        args.json.write_text(json.dumps({"run": args.run.name, "sizes": report}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
