"""Compare gates: how many images of other things each refuses, and how many slices of a source that the run held out.

Color images are made gray first, since their color alone would have them refused; what a cheap look at the pixels
refuses all the same (size, blank) is left out of the count.
"""

import argparse
import json
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import keras

from model.commands import positive
from model.training.arrays import Arrays
from model.training.dataset import load_manifest
from model.training.export import GATE_SLICES
from model.training.familiar import evenly, with_variants
from model.training.gates import compare, outside_arrays, pooled
from model.training.sides import remembered
from model.training.sizes import at_size


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder that prepare_data.py was given")
    parser.add_argument("--manifest", type=Path, required=True, help="what prepare_data.py wrote")
    parser.add_argument("--run", type=Path, required=True, help="a run with --hold-out, and its model.h5")
    parser.add_argument("--outside", type=Path, required=True, help="images of other things, in subfolders by kind")
    parser.add_argument("--size", type=int, help="input side in pixels, where another than the run's is to be served")
    parser.add_argument("--every", type=positive, default=1, metavar="N", help="take each Nth slice of the held-out source")
    parser.add_argument("--json", type=Path, metavar="OUT.json", help="write every figure here")
    args = parser.parse_args()
    split = remembered(args.run, load_manifest(args.manifest))
    if not split or not split["held_out"]:
        parser.error(f"expected a run with --hold-out in {args.run}. Received: none")
    network = keras.saving.load_model(args.run / "model.h5", compile=False)
    size = args.size or network.input_shape[1]
    network = at_size(network, size)

    arrays = {
        name: Arrays.load(args.data, split[name], size, args.run.parent).images for name in ("train", "validation", "held_out")
    }
    train = pooled(network, with_variants(arrays["train"][evenly(split["train"], GATE_SLICES)]))
    validation = pooled(network, arrays["validation"])
    others = {kind: pooled(network, images) for kind, images in outside_arrays(args.outside, size).items()}
    others |= {"held out": pooled(network, arrays["held_out"][:: args.every])}

    report = compare(train, validation, others)
    kinds = list(others)
    print(f"{'share refused, %':90}" + "".join(f"{kind:>19}" for kind in kinds))
    print(f"{'images':90}" + "".join(f"{len(others[kind]['logits']):>19}" for kind in kinds))
    for name, row in report.items():
        print(f"{name:90}" + "".join(f"{100 * row[kind]:>19.1f}" for kind in kinds))
    if args.json:
        args.json.write_text(json.dumps({"run": args.run.name, "refused": report}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
