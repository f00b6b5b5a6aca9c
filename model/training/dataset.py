"""The manifest of every slice (class, split, source, hash, near-duplicate group) and the splits made from it."""

import csv
import hashlib
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
from scipy import sparse

from model.labels import LABELS
from model.preprocessing import preprocess, to_gray
from model.reading import ReadError, read
from model.training.near_duplicates import groups, thumbnail, twins
from model.walking import walk

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"}
ANY_TUMOR = "tumor"  # a tumor is there, its type is not known
MIN_BRAIN_FRACTION = 0.12  # of an LGG slice's pixels; below it, an empty mask says nothing about the brain
VALIDATION_FRACTION = 0.12


@dataclass
class Item:
    """One image of the manifest.

    Attributes:
        path: relative to the data folder, with forward slashes.
        source: kaggle, br35h_tumor, tcga_lgg or healthy_t1.
        split: Training, Testing, or Extra for what is not of the Kaggle set.
        label: one of LABELS, "tumor" (of unknown type), or "" when the slice shows too little to have one.
        width, height: pixels; 0 when unreadable.
        sha256: of the file's bytes.
        group: near-duplicate group; slices that share it are the same slice.
        patient: where the source names one, else "".
        testing_twin: whether it is outside Testing and has a twin there.
        mask: relative path of its tumor mask, or "".
        error: why it cannot be read, or "".
    """

    path: str
    source: str
    split: str
    label: str
    width: int = 0
    height: int = 0
    sha256: str = ""
    group: int = -1
    patient: str = ""
    testing_twin: bool = False
    mask: str = ""
    error: str = ""


def find_items(data: Path) -> list[Item]:
    """List the images below `data`: the Kaggle folder itself, or a folder that holds it and the other sources.

    Raises:
        FileNotFoundError: when neither Training nor Testing is there, or there are no images in their folders of classes.
        OSError: a folder cannot be opened.
    """
    kaggle = _kaggle(data)
    if not kaggle.is_dir():
        raise FileNotFoundError(
            f"Expected Training/ and Testing/ (one folder per class), or brain_tumor_mri/ holding them, in {data}. "
            f"Received: {sorted(p.name for p in data.iterdir())[:8] if data.is_dir() else 'no such folder'}"
        )
    items = []
    for split in ("Training", "Testing"):
        for label in LABELS:
            for file in _images(kaggle / split / label):
                mask = data / "tumor_masks" / split / label / f"{file.stem}.png"
                items.append(Item(_relative(file, data), "kaggle", split, label, mask=_found(mask, data)))
    if not items:
        raise FileNotFoundError(
            f"Expected images in Training/ or Testing/ of {kaggle}, in folders named {', '.join(LABELS)}. "
            f"Received: {', '.join(unused_folders(data)) or 'none'}"
        )
    items += [Item(_relative(f, data), "br35h_tumor", "Extra", ANY_TUMOR) for f in _images(data / "br35h_tumor")]
    items += [Item(_relative(f, data), "healthy_t1", "Extra", "notumor") for f in _images(data / "healthy_t1")]
    for file in _images(data / "tcga_lgg" / "images"):
        mask = data / "tcga_lgg" / "masks" / f"{file.stem.rsplit('_', 1)[0]}.png"
        patient = file.name[:12]
        items.append(Item(_relative(file, data), "tcga_lgg", "Extra", "", patient=patient, mask=_found(mask, data)))
    return items


def unused_folders(data: Path) -> list[str]:
    """The folders in Training and Testing, relative to `data`, that name no class exactly: their images are not listed."""
    splits = (_kaggle(data) / split for split in ("Training", "Testing"))
    folders = (f for split in splits if split.is_dir() for f in sorted(split.iterdir()) if f.is_dir())
    return [_relative(f, data) for f in folders if f.name not in LABELS and not f.name.startswith(".")]


def _kaggle(data: Path) -> Path:
    return data if (data / "Training").is_dir() or (data / "Testing").is_dir() else data / "brain_tumor_mri"


def build_manifest(data: Path, workers: int = 2) -> list[Item]:
    """Read every image once; fill in sizes, hashes, labels that depend on a mask, groups and Testing twins."""
    items = find_items(data)
    with ProcessPoolExecutor(workers) as pool:
        results = list(pool.map(_inspect, [data] * len(items), items, chunksize=64))
    items = [item for item, _ in results]
    readable = [i for i, item in enumerate(items) if not item.error]
    if not readable:
        return items
    matrix = twins(np.stack([results[i][1] for i in readable]))
    testing = np.array([items[i].split == "Testing" for i in readable])
    touches_testing = np.asarray(matrix[:, testing].sum(axis=1)).ravel() > 0
    for i, group, twin in zip(readable, groups(matrix), touches_testing, strict=True):
        items[i].group = int(group)
        items[i].testing_twin = bool(twin) and items[i].split != "Testing"
    return items


def leak_figures(items: Iterable[Item]) -> dict[str, int]:
    """How far Testing leaks: its size, its images with a twin outside it, and what must be purged for an honest test."""
    items = [i for i in items if not i.error]
    purged = [i for i in items if i.testing_twin]
    outside, tested = ({i.group for i in items if i.split == split} for split in ("Training", "Testing"))
    testing = [i for i in items if i.split == "Testing"]
    return {
        "testing": len(testing),
        "testing_linked_to_training": sum(i.group in outside for i in testing),
        "training": sum(i.split == "Training" for i in items),
        "training_purged": sum(i.split == "Training" for i in purged),
        "training_left_out": sum(i.split == "Training" and _touches_testing(i, tested) for i in items),
        "extra_purged": sum(i.split == "Extra" for i in purged),
    }


def assign(items: Iterable[Item], protocol: str, seed: int, hold_out: Iterable[str] = ()) -> dict[str, list[Item]]:
    """Split the manifest into train, validation, testing and held_out.

    Near-duplicates and slices of one patient stay together. The side is a hash of the group and the seed, so adding a source
    moves nothing. Under `leakfree` whatever has a twin in Testing, or a group in common with it, is left out; under
    `official` all of Training is used, as published figures do. Sources in `hold_out` are seen by neither, nor is what has a
    group in common with them.

    Raises:
        ValueError: for another protocol.
    """
    if protocol not in ("leakfree", "official"):
        raise ValueError(f"Expected protocol 'leakfree' or 'official'. Received: {protocol!r}")
    hold_out = set(hold_out)
    items = [i for i in items if not i.error and i.label]
    units = _units(items)
    testing_groups = {i.group for i in items if i.split == "Testing"}
    held_out_groups = {i.group for i in items if i.source in hold_out and i.split != "Testing"}
    split = {"train": [], "validation": [], "testing": [], "held_out": []}
    for item, unit in zip(items, units, strict=True):
        if item.split == "Testing":
            split["testing"].append(item)
        elif item.source in hold_out:
            split["held_out"].append(item)
        elif item.group in held_out_groups or (protocol == "leakfree" and _touches_testing(item, testing_groups)):
            continue
        else:
            draw = int.from_bytes(hashlib.sha256(f"{seed}:{unit}".encode()).digest()[:8], "big") / 2**64
            split["validation" if draw < VALIDATION_FRACTION else "train"].append(item)
    return split


def _touches_testing(item: Item, testing_groups: set[int]) -> bool:
    """Whether it has a twin in Testing, or is in a group with an image of it."""
    return item.testing_twin or item.group in testing_groups


def _units(items: list[Item]) -> list[str]:
    """What must stay on one side, by item: all that share a group or a patient, directly or through others.

    A unit is named by its smallest hash, not by a group's number, which other sources shift.
    """
    keys: dict = {}
    links = [
        (row, keys.setdefault(key, len(keys)))
        for row, item in enumerate(items)
        for key in [("group", item.group), ("patient", item.patient)]
        if key[1] != ""
    ]
    rows, columns = np.array(links or np.empty((0, 2)), int).T
    size = len(items) + len(keys)
    graph = sparse.csr_matrix((np.ones(len(rows), bool), (rows, columns + len(items))), shape=(size, size))
    component = groups(graph)[: len(items)]
    names: dict[int, str] = {}
    for item, c in zip(items, component, strict=True):
        names[c] = min(names.get(c, item.sha256), item.sha256)
    return [names[c] for c in component]


def save_manifest(items: Iterable[Item], path: Path) -> None:
    """Write it whole or not at all. What is not Unicode in a name is kept as it is."""
    part = path.with_name("part-" + path.name)
    with part.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        writer = csv.DictWriter(file, [f.name for f in fields(Item)])
        writer.writeheader()
        writer.writerows(asdict(i) for i in items)
    part.replace(path)


def load_manifest(path: Path) -> list[Item]:
    """Raises ValueError when the file is not a manifest."""
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        reader = csv.DictReader(file)
        if reader.fieldnames != [f.name for f in fields(Item)]:
            raise ValueError(f"{path} is not a manifest of scripts/prepare_data.py. Received columns: {reader.fieldnames}")
        rows = list(reader)
    for row in rows:
        row |= {k: int(row[k]) for k in ("width", "height", "group")} | {"testing_twin": row["testing_twin"] == "True"}
    return [Item(**row) for row in rows]


def load_arrays(data: Path, items: list[Item], size: int, workers: int = 2) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Preprocess the slices and their masks for the network.

    Returns:
        images uint8 (n, size, size), masks uint8 (n, size, size) of 0..255, and has_mask bool (n,): whether the mask is
        known. `notumor` slices have a known, empty one.
    """
    with ProcessPoolExecutor(workers) as pool:
        rows = list(pool.map(_load, [data] * len(items), items, [size] * len(items), chunksize=64))
    images, masks, known = zip(*rows, strict=True)
    return np.stack(images), np.stack(masks), np.array(known)


def tumor_in(mask: Path) -> np.ndarray:
    """An expert's mask as bool (H, W): what is brighter than half its brightest pixel, for edges may be soft.

    Raises:
        ReadError, OSError: it cannot be read.
    """
    pixels = to_gray(read(mask.read_bytes())[0])
    return pixels > pixels.max() / 2


def _load(data: Path, item: Item, size: int) -> tuple[np.ndarray, np.ndarray, bool]:
    image, frame = preprocess(read((data / item.path).read_bytes())[0], size)
    mask = np.zeros((size, size), np.float32)
    known = item.label == "notumor"
    if item.mask:
        tumor = tumor_in(data / item.mask)
        if tumor.shape == (frame.height, frame.width):
            mask, known = frame.from_input(tumor, size), True
    return np.round(image * 255).astype(np.uint8), np.round(mask * 255).astype(np.uint8), known


def _inspect(data: Path, item: Item) -> tuple[Item, np.ndarray | None]:
    try:
        content = (data / item.path).read_bytes()
        pixels = read(content)[0]
        if item.source == "tcga_lgg":
            if not item.mask:
                raise ReadError("has no mask in tcga_lgg/masks")
            item.label = _lgg_label(pixels, data / item.mask)
    except ReadError as error:
        item.error = str(error)
        return item, None
    except OSError as error:
        item.error = f"cannot be opened ({error.strerror})"
        return item, None
    item.height, item.width = pixels.shape[:2]
    item.sha256 = hashlib.sha256(content).hexdigest()
    return item, thumbnail(pixels)


def _lgg_label(pixels: np.ndarray, mask: Path) -> str:
    if tumor_in(mask).any():
        return "glioma"
    gray = to_gray(pixels)
    return "notumor" if (gray > 0.1 * np.percentile(gray, 99.5)).mean() >= MIN_BRAIN_FRACTION else ""


def _images(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    found = walk(folder)
    for closed, why in found.closed.items():
        raise OSError(f"Expected folders that can be opened. Received: {closed} ({why})")
    return [file for file in found.files if file.suffix.lower() in SUFFIXES]


def _found(file: Path, data: Path) -> str:
    return _relative(file, data) if file.exists() else ""


def _relative(file: Path, data: Path) -> str:
    return file.relative_to(data).as_posix()
