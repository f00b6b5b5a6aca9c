"""Synthetic slices and a small data tree, for tests of training and evaluation."""

from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from model.labels import LABELS


def head(seed: int, size: int = 96, tumor: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """A textured ellipse on black, with a bright disc in it where there is a tumor: uint8 slice and bool mask (s, s)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] / size - 0.5
    skull = (x / 0.36) ** 2 + (y / 0.44) ** 2 < 1
    coarse = Image.fromarray(rng.uniform(60, 150, (6, 6)).astype(np.float32)).resize((size, size), Image.BICUBIC)
    slice_ = np.where(skull, np.asarray(coarse), 0.0)
    cx, cy = rng.uniform(-0.12, 0.12, 2)
    mask = ((x - cx) ** 2 + (y - cy) ** 2 < 0.1**2) & tumor
    slice_[mask] = 245.0
    return np.clip(slice_, 0, 255).astype(np.uint8), mask


def smooth_head(seed: int, side: int, box: tuple[int, int, int, int]) -> np.ndarray:
    """A smooth random ellipse that fills the box (x0, y0, x1, y1), on black: uint8 (side, side)."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(side, side)), side / 20)
    y, x = np.mgrid[:side, :side] + 0.5
    x0, y0, x1, y1 = box
    inside = ((2 * x - x0 - x1) / (x1 - x0)) ** 2 + ((2 * y - y0 - y1) / (y1 - y0)) ** 2 <= 1
    noise = (noise - noise[inside].min()) / np.ptp(noise[inside])
    return np.where(inside, 50 + 150 * noise, 0).astype(np.uint8)


def write_tree(data: Path, per_class: int = 4) -> Path:
    """A Kaggle-like tree below `data` with Training, Testing and masks, and one folder of tumors of unknown type."""
    seed = 0
    for split in ("Training", "Testing"):
        for label in LABELS:
            for number in range(per_class):
                seed += 1
                pixels, mask = head(seed, tumor=label != "notumor")
                _save(pixels, data / "brain_tumor_mri" / split / label / f"{label}_{number}.png")
                if label != "notumor":
                    _save(mask, data / "tumor_masks" / split / label / f"{label}_{number}.png")
    for number in range(per_class):
        _save(head(1000 + number, tumor=True)[0], data / "br35h_tumor" / f"y{number}.png")
    return data


def _save(pixels: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
