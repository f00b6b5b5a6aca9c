"""Gather head CT, and MRI beside it, in folders by kind, for `scripts/evaluate.py --ct FOLDER`.

The Kaggle set and Br35H have some head CT among their MRI, listed in model/training/head_ct.csv; what the run has trained on
is left out. --volume adds CT of another source: a project of InVesalius, drawn slice by slice in five usual windows.
"""

import argparse
import plistlib
import shutil
import sys
import tarfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from PIL import Image

from model.commands import positive
from model.training.dataset import Item, load_manifest
from model.training.sides import remembered

LISTED = Path(__file__).resolve().parents[1] / "model" / "training" / "head_ct.csv"
# (level, width) in Hounsfield units
WINDOWS = {"stroke": (40, 40), "brain": (40, 80), "subdural": (80, 200), "soft": (40, 400), "bone": (500, 2000)}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder that the manifest is of")
    parser.add_argument("--manifest", type=Path, required=True, help="what scripts/prepare_data.py wrote")
    parser.add_argument("--run", type=Path, required=True, help="the folder of the training run that is asked about")
    parser.add_argument("--volume", type=Path, metavar="FILE.inv3", help="a project of InVesalius that holds a head CT")
    parser.add_argument("--side", type=positive, help="shrink pictures to at most so many pixels along the longer side")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write; it must not be there")
    args = parser.parse_args(arguments)
    if args.out.exists():
        parser.error(f"expected a new folder as --out. Received: {args.out}, which is there")
    items = load_manifest(args.manifest)
    split = remembered(args.run, items)
    if split is None:
        parser.error(f"expected a run with its split.json. Received: {args.run}")
    counts: Counter[str] = Counter()
    for kind, item in kinds(items, split, listed()):
        file, copy = args.data / item.path, folder_of(args.out, kind) / item.path.replace("/", "_")
        if args.side:
            shrunk(Image.open(file).convert("L"), args.side).save(copy.with_suffix(".png"))
        else:
            shutil.copy(file, copy)
        counts[kind] += 1
    for kind, number, picture in drawn(args.volume) if args.volume else ():
        shrunk(picture, args.side).save(folder_of(args.out, kind) / f"{number:03}.png")
        counts[kind] += 1
    print(dict(counts))
    return 0


def shrunk(picture: Image.Image, side: int | None) -> Image.Image:
    """With at most so many pixels along its longer side; None: as it is."""
    scale = min(1.0, side / max(picture.size)) if side else 1.0
    return picture if scale == 1.0 else picture.resize([max(1, round(n * scale)) for n in picture.size], Image.BILINEAR)


def folder_of(out: Path, kind: str) -> Path:
    """The folder of a kind, which is there from now on."""
    folder = out / kind
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def listed() -> set[str]:
    """Paths, relative to the data's folder, of what is head CT among the slices of MRI."""
    return set(LISTED.read_text(encoding="utf-8").split()[1:])


def kinds(items: Iterable[Item], split: dict[str, list[Item]], ct: set[str]) -> Iterator[tuple[str, Item]]:
    """(folder, item): CT of Testing and of the rest, and MRI by its side of the run; nothing that was trained on."""
    sides = {item.path: side for side, chosen in split.items() for item in chosen}
    for item in items:
        side = sides.get(item.path, "unused")
        if item.path in ct and side != "train":
            yield ("ct_testing" if side == "testing" else "ct_not_trained_on"), item
        elif item.path not in ct and side not in ("train", "unused"):
            yield f"mri_{side}", item


def drawn(project: Path) -> Iterator[tuple[str, int, Image.Image]]:
    """(folder, number, picture) of each axial slice of an InVesalius project in each of WINDOWS.

    Raises:
        ValueError: it holds no volume of int16 Hounsfield units.
    """
    with tarfile.open(project) as file:
        members = {Path(member.name).name: member for member in file.getmembers()}
        if not {"main.plist", "matrix.dat"} <= set(members):
            raise ValueError(f"Expected a project of InVesalius with main.plist and matrix.dat. Received: {sorted(members)}")
        facts = plistlib.load(file.extractfile(members["main.plist"]))["matrix"]
        if facts["dtype"] != "int16":
            raise ValueError(f"Expected a volume of int16. Received: {facts['dtype']}")
        volume = np.frombuffer(file.extractfile(members["matrix.dat"]).read(), np.int16).reshape(facts["shape"])
    for name, (level, width) in WINDOWS.items():
        for number, values in enumerate(volume.astype(np.float32)):
            yield f"ct_{name}_window", number, Image.fromarray(toned(values, level, width))


def toned(values: np.ndarray, level: float, width: float) -> np.ndarray:
    """Hounsfield units as a window shows them: uint8 of the same shape."""
    return np.round(255 * np.clip((values - level) / width + 0.5, 0.0, 1.0)).astype(np.uint8)


if __name__ == "__main__":
    sys.exit(main())
