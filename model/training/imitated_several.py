"""Imitate pictures of several slices, side by side or one below the other, as viewers and papers show them: no single slice.

The network sees what is in them, much too small, and answers for it.
"""

import numpy as np

from model.preprocessing import preprocess

COUNTS = {2: 0.7, 3: 0.15, 4: 0.15}  # slices in a picture, and their shares; four stand in a square
SAME_SHARE = 0.3  # of the pictures repeat one slice: the neighbors of a series are much alike
TRIMMED_SHARE = 0.6  # of the slices come without the black beside the head
WHITE_SHARE = 0.15  # of the pictures have a white ground
MOST_GAP = 12  # pixels between two slices
BLACK = 15  # of 255: what is no brighter is trimmed


def imitations(images: np.ndarray, count: int) -> np.ndarray:
    """So many, of preprocessed slices, uint8 (n, s, s): uint8 (count, s, s), the same for the same slices."""
    rng = np.random.default_rng(0)
    return np.stack([several(images, rng) for _ in range(count)])


def several(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One such picture, as `preprocess` leaves it: uint8 (s, s)."""
    count = rng.choice(list(COUNTS), p=list(COUNTS.values()))
    chosen = rng.integers(len(images), size=count)
    if rng.random() < SAME_SHARE:
        chosen[:] = chosen[0]
    tiles = [_trimmed(images[row]) if rng.random() < TRIMMED_SHARE else images[row] for row in chosen]
    rows = 2 if count == 4 else rng.choice((1, count))
    columns = count // rows
    gap = rng.integers(MOST_GAP)
    height, width = (max(sides) for sides in zip(*(tile.shape for tile in tiles), strict=True))
    ground = 255 if rng.random() < WHITE_SHARE else 0
    picture = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap), ground, np.uint8)
    for place, tile in enumerate(tiles):
        row, column = divmod(place, columns)
        top = row * (height + gap) + (height - tile.shape[0]) // 2
        left = column * (width + gap) + (width - tile.shape[1]) // 2
        picture[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    return np.round(255 * preprocess(picture, images.shape[1])[0]).astype(np.uint8)


def _trimmed(image: np.ndarray) -> np.ndarray:
    shown = image > BLACK
    rows, columns = np.flatnonzero(shown.any(axis=1)), np.flatnonzero(shown.any(axis=0))
    return image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] if rows.size else image
