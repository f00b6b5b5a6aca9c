"""Train what is served, from the data to model.h5: the network, then the close-up's, first at a larger side than it is served.

Each step is a command of its own, which is told. When this is called again, finished steps are left out, and a killed one goes
on from its last finished epoch.
"""

import argparse
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from model.commands import folder, run_in_turn

ROOT = Path(__file__).resolve().parent.parent
FILES = ("model.h5", "model.json")
WEIGHTS = "trained.weights.h5"  # closeups.TRAINED; TensorFlow is for the steps to import
FIRST_SIDE, MORE_EPOCHS = 144, 3


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=folder, required=True, help="the folder that prepare_data.py was given")
    parser.add_argument("--manifest", type=Path, required=True, help="what prepare_data.py wrote")
    parser.add_argument("--run", type=Path, required=True, help="folder for all that is kept on the way")
    parser.add_argument("--out", type=Path, required=True, help="the model.h5 to write; model.json goes beside it")
    parser.add_argument("--weights", default="imagenet", help='VGG16 base: a .weights.h5 file, or "imagenet" (fetched)')
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    run, out = args.run.resolve(), args.out.resolve()
    shared = ["--data", str(args.data.resolve()), "--manifest", str(args.manifest.resolve()), "--seed", str(args.seed)]
    whole, larger, served = run, run / "closeup", run / "closeup-served"

    if not all((whole / name).is_file() for name in FILES):
        base = args.weights if args.weights == "imagenet" else str(Path(args.weights).resolve())
        step = ["scripts/train.py", *shared, "--run", str(whole), "--out", str(whole / "model.h5"), "--weights", base]
        if status := run_in_turn([step], ROOT):
            return status
    closeup = ["scripts/train_closeup.py", *shared]
    if not (larger / WEIGHTS).is_file():
        model = beside(whole, larger / "model.h5")
        if status := run_in_turn([[*closeup, "--run", str(larger), "--model", model, "--side", str(FIRST_SIDE)]], ROOT):
            return status
    more = ["--epochs", str(MORE_EPOCHS), "--begin", str(larger / WEIGHTS)]
    return run_in_turn([[*closeup, "--run", str(served), "--model", beside(whole, out), *more]], ROOT)


def beside(finished: Path, model: Path) -> str:
    """Copy a finished network and its model.json to where its close-up is put into it; where that is."""
    model.parent.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        shutil.copy(finished / name, model.with_name(name) if name == "model.json" else model)
    return str(model)


if __name__ == "__main__":
    sys.exit(main())
