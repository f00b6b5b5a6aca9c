"""Measure everything that the model card quotes, keep it in model.json, and write the README's table and the model card.

Runs named by --beside are measured too: those that held sources out, or trained under the official protocol.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from model.commands import positive, run_in_turn

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder that prepare_data.py was given")
    parser.add_argument("--manifest", type=Path, required=True, help="what prepare_data.py wrote")
    parser.add_argument("--run", type=Path, required=True, help="the run that gave the model its weights")
    parser.add_argument("--model", type=Path, default=ROOT / "model" / "model.h5", help="a model.h5 with its model.json")
    parser.add_argument("--ct", type=Path, metavar="FOLDER", help="what gather_ct.py wrote for this run")
    parser.add_argument("--bodies", type=Path, metavar="FOLDER", help="what gather_bodies.py wrote")
    parser.add_argument(
        "--beside",
        type=Path,
        nargs="+",
        default=[],
        metavar="RUN",
        help="runs that held sources out, or took the official protocol",
    )
    parser.add_argument("--every", type=positive, default=4, metavar="N", help="corrupt only each Nth Testing slice")
    args = parser.parse_args()
    try:
        planned = commands(args.data, args.manifest, args.run, args.model, args.every, args.ct, args.beside, args.bodies)
    except (FileNotFoundError, ValueError) as error:
        parser.error(str(error))
    return run_in_turn(planned, ROOT)


def commands(
    data: Path,
    manifest: Path,
    run: Path,
    model: Path,
    every: int,
    ct: Path | None = None,
    beside: Sequence[Path] = (),
    bodies: Path | None = None,
) -> list[list[str]]:
    """What is run, in order, each as arguments of python. Without DATA/not_brain_mri nothing is asked of other things.

    Raises:
        FileNotFoundError: when a run in `beside` has no model.json.
        ValueError: when two of them would be kept under the same name.
    """
    data, manifest, run, model = (path.resolve() for path in (data, manifest, run, model))
    facts = str(model.with_name("model.json"))
    testing = ["--data", data / "brain_tumor_mri" / "Testing"]
    masks = ["--masks", data / "tumor_masks" / "Testing"]
    sides = ["--data", data, "--manifest", manifest]
    plots = ["--plots", ROOT / "docs" / "figures"]
    plan = [
        [*testing, *masks, *plots, "--model", model, "--record", "testing"],
        [*sides, "--run", run, "--side", "validation", "--model", model, "--record", "validation"],
        [*testing, "--corruptions", "--every", every, *plots, "--model", model, "--record", "corruptions"],
    ]
    if (data / "not_brain_mri").is_dir():
        plan.insert(2, ["--outside", data / "not_brain_mri", "--model", model, "--record", "outside"])
    if ct:
        plan.append(["--ct", ct.resolve(), "--model", model, "--record", "ct"])
    if bodies:
        plan.append(["--outside", bodies.resolve(), "--model", model, "--record", "bodies"])
    for other in (folder.resolve() / "model.json" for folder in beside):
        training = json.loads(other.read_text())["training"]
        weights = ["--model", other.with_name("model.h5"), "--record-in", facts]
        held_out = [*sides, "--run", other.parent, "--side", "held_out"]
        for source in training["held_out_sources"]:
            plan.append([*held_out, "--source", source, *weights, "--record", f"held_out_{source}"])
        if len(training["held_out_sources"]) > 1:
            plan.append([*held_out, *weights, "--record", "held_out"])
        if training["protocol"] == "official":
            plan.append([*testing, *masks, *weights, "--record", "official"])
    names = [arguments[arguments.index("--record") + 1] for arguments in plan]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"expected runs that show different things. Received: more than one for {', '.join(twice)}")
    evaluations = [["scripts/evaluate.py", *map(str, arguments)] for arguments in plan]
    return [*evaluations, ["scripts/figures.py", "--write"], ["scripts/model_card.py", "--write"]]


if __name__ == "__main__":
    sys.exit(main())
