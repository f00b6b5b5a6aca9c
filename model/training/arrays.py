"""Preprocessed slices in memory, and on disk for the next run."""

import hashlib
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model.preprocessing import VERSION
from model.training.dataset import Item, load_arrays
from model.training.stripping import DEPTHS, strip_skull


@dataclass
class Arrays:
    """Preprocessed slices: images and masks uint8 (n, s, s), has_mask bool (n,), and their manifest items."""

    items: list[Item]
    images: np.ndarray
    masks: np.ndarray
    has_mask: np.ndarray

    @classmethod
    def load(cls, data: Path, items: list[Item], size: int, folder: Path) -> "Arrays":
        """Preprocess what `arrays-SIZE.npz` in a folder does not hold yet, and keep it there; runs may share it.

        A slice is prepared anew when its class, its mask or how slices are prepared has changed.
        """
        cache = folder / f"arrays-{size}.npz"
        keys = [f"{i.path}:{i.sha256}:{i.label}:{_mask_of(data, i)}:{VERSION}" for i in items]
        saved = {"keys": np.array([], str)}
        if cache.is_file():
            with np.load(cache) as file:
                saved = dict(file)
        row = {key: n for n, key in enumerate(saved["keys"])}
        missing = {key: item for key, item in zip(keys, items, strict=True) if key not in row}
        if missing:
            new = dict(zip(("images", "masks", "has_mask"), load_arrays(data, list(missing.values()), size), strict=True))
            saved = {k: np.concatenate([saved[k], v]) if row else v for k, v in new.items()} | {"keys": [*row, *missing]}
            part = cache.with_name("part-" + cache.name)
            np.savez(part, **saved)
            part.replace(cache)
            row = {key: n for n, key in enumerate(saved["keys"])}
        rows = [row[key] for key in keys]
        return cls(items, saved["images"][rows], saved["masks"][rows], saved["has_mask"][rows])

    def stripped(self, seed: int, workers: int = 2) -> "Arrays":
        """A copy of each slice with its skull stripped in imitation, to a random depth."""
        depths = np.random.default_rng(seed).uniform(*DEPTHS, len(self.items))
        with ProcessPoolExecutor(workers) as pool:
            rows = list(pool.map(_strip, self.images, self.masks, depths, chunksize=64))
        images, masks = zip(*rows, strict=True)
        return Arrays(self.items, np.stack(images), np.stack(masks), self.has_mask)


def _mask_of(data: Path, item: Item) -> str:
    """The SHA-256 of its mask, nothing when it has none."""
    return hashlib.sha256((data / item.mask).read_bytes()).hexdigest() if item.mask else ""


def _strip(image: np.ndarray, mask: np.ndarray, depth: float) -> tuple[np.ndarray, np.ndarray]:
    stripped, left = strip_skull(image / 255.0, depth, mask / 255.0)
    return np.round(stripped * 255).astype(np.uint8), np.round(left * 255).astype(np.uint8)
