"""Compare how much fine detail the slices of each source and class hold."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from model.training.arrays import Arrays
from model.training.dataset import assign, load_manifest
from model.training.sharpness import amplitudes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder that prepare_data.py was given")
    parser.add_argument("--manifest", type=Path, required=True, help="what prepare_data.py wrote")
    parser.add_argument("--size", type=int, default=160, help="side in pixels that slices are brought to")
    args = parser.parse_args()

    items = assign(load_manifest(args.manifest), "leakfree", 1, [])["train"]
    arrays = Arrays.load(args.data, items, args.size, args.manifest.parent)
    shares = np.array([fine(image) for image in arrays.images])
    kinds = np.array([f"{item.source}, {item.label}" for item in items])
    print("| source and class | slices | median share of the finest detail | a quarter below | a quarter above |")
    print("|---|---|---|---|---|")
    for kind in np.unique(kinds):
        low, middle, high = np.percentile(100 * shares[kinds == kind], (25, 50, 75))
        print(f"| {kind} | {(kinds == kind).sum()} | {middle:.1f} % | {low:.1f} % | {high:.1f} % |")


def fine(image: np.ndarray) -> float:
    """The share, in [0, 1], that waves of at most two and a half pixels have in all amplitudes of a slice, uint8 (s, s)."""
    sums = amplitudes(image)
    return sums[2 * len(image) // 5 :].sum() / max(sums[1:].sum(), 1.0)


if __name__ == "__main__":
    main()
