"""Draw Testing slices of the Kaggle set, and below each a twin of it in Training, as docs/figures/twins.jpg shows them."""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from matplotlib.figure import Figure

from model.reading import read
from model.training.dataset import Item, load_manifest
from model.training.showing import montage


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder that the manifest is of")
    parser.add_argument("--manifest", type=Path, required=True, help="what scripts/prepare_data.py wrote")
    parser.add_argument("--out", type=Path, required=True, help="the picture to write (JPEG)")
    args = parser.parse_args(arguments)
    items = load_manifest(args.manifest)
    draw(args.data, items).savefig(args.out, dpi=100, pil_kwargs={"quality": 85})
    print(f"{args.out}: {len(pairs(items))} Testing slices have a twin in Training")
    return 0


def pairs(items: Iterable[Item]) -> list[tuple[Item, Item]]:
    """Testing slices that have a near-duplicate in Training, each with the first one."""
    items = [item for item in items if not item.error]
    training = {item.group: item for item in reversed(items) if item.split == "Training"}
    return [(item, training[item.group]) for item in items if item.split == "Testing" and item.group in training]


def draw(data: Path, items: Iterable[Item], count: int = 6) -> Figure:
    """Up to `count` pairs from all over Testing, a column each; every picture is shown in its own range of gray."""
    found = pairs(items)
    chosen = [found[len(found) * place // count] for place in range(count)] if len(found) > count else found
    shown = [*(testing for testing, _ in chosen), *(twin for _, twin in chosen)]
    titles = [f"{item.split}/{item.label}/\n{Path(item.path).name}" for item in shown]
    return montage([read((data / item.path).read_bytes())[0] for item in shown], titles, columns=len(chosen))


if __name__ == "__main__":
    sys.exit(main())
