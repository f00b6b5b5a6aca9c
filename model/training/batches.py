"""What the network is shown: drawn by source and class, tissue exchanged, augmented, a batch at a time."""

from collections import Counter
from collections.abc import Iterable

import keras
import numpy as np
import tensorflow as tf

from model.labels import LABELS, NOTUMOR
from model.training import recipe
from model.training.arrays import Arrays
from model.training.augmentation import augment
from model.training.contrast import recontrast
from model.training.dataset import ANY_TUMOR, Item
from model.training.grafting import graft, restyle
from model.training.sharpness import refocus

TUMOR = 1.0 - np.eye(len(LABELS), dtype=np.float32)[NOTUMOR]  # admissible for a tumor of unknown type
DONOR_SIZES = (0.002, 0.12)  # of the slice: tumors that are grafted


def admissible(items: Iterable[Item]) -> np.ndarray:
    """float32 (n, 4): 1 for each class an item may be of."""
    known = np.eye(len(LABELS), dtype=np.float32)
    return np.stack([TUMOR if i.label == ANY_TUMOR else known[LABELS.index(i.label)] for i in items])


def shares(items: list[Item]) -> np.ndarray:
    """The probability of drawing each item, after recipe.SHARES; sources that are not there leave their share to the rest."""
    keys = [(i.source, i.label) for i in items]
    count = Counter(keys)
    weights = np.array([recipe.SHARES[k] / count[k] for k in keys])
    return weights / weights.sum()


class TrainingBatches(keras.utils.PyDataset):
    """One epoch of drawn, exchanged and augmented batches, the same for the same seed, stage and epoch.

    `stripped` holds the same slices without a skull; a share of the draws is taken from there. `exchange` is the stage's.
    """

    def __init__(self, arrays: Arrays, stripped: Arrays, samples: int, seed: tuple[int, ...], exchange: float = 1.0):
        super().__init__(workers=1, max_queue_size=4)
        self.exchange = exchange
        self.arrays, self.stripped = arrays, stripped
        self.targets = admissible(arrays.items)
        self.seed = seed
        rng = np.random.default_rng(seed)
        probability = shares(arrays.items)
        self.cumulated = np.cumsum(probability)[:-1]
        drawn = rng.choice(len(arrays.items), samples, p=probability)
        self.batches = np.array_split(drawn, max(1, samples // recipe.BATCH))
        source = np.array([i.source in recipe.TURNED_SOURCES for i in arrays.items])
        self.turned = [source[b] & (rng.random(len(b)) < recipe.TURNED_SHARE) for b in self.batches]
        self.peeled = [rng.random(len(b)) < recipe.STRIPPED_SHARE for b in self.batches]
        size = (arrays.masks > 127).mean(axis=(1, 2)) * arrays.has_mask
        self.healthy = np.flatnonzero([i.label == LABELS[NOTUMOR] for i in arrays.items])
        sharp = np.array([i.label in recipe.HEALED_LABELS for i in arrays.items])
        self.small = sharp & (size > 0) & (size <= recipe.SMALL_TUMOR)
        self.donors = np.flatnonzero((size >= DONOR_SIZES[0]) & (size <= DONOR_SIZES[1]))

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int):
        drawn, arrays = self.batches[index], self.arrays
        rng = np.random.default_rng((*self.seed, index))
        seed = rng.integers(0, 2**31 - 2000, 2).astype(np.int32)
        peeled = self.peeled[index][:, None, None]
        images = np.where(peeled, self.stripped.images[drawn], arrays.images[drawn])
        masks = np.where(peeled, self.stripped.masks[drawn], arrays.masks[drawn])
        targets = self.targets[drawn]
        for n, row in enumerate(drawn):
            images[n], masks[n], targets[n] = self.exchanged(row, images[n], masks[n], targets[n], rng)
        images, masks = augment(tf.constant(images), tf.constant(masks), tf.constant(self.turned[index]), tf.constant(seed))
        return _batch(images, masks, targets, arrays.has_mask[drawn], np.ones(len(drawn), np.float32))

    def exchanged(self, row: int, image: np.ndarray, mask: np.ndarray, target: np.ndarray, rng: np.random.Generator):
        """A drawn slice after what the recipe lets happen to it: image, mask (uint8 (s, s)) and admissible classes (4,)."""
        if rng.random() < self.exchange * recipe.RESTYLED_SHARE:
            image = restyle(image, self._reference(rng), rng.random())
        image, mask, target = self._grafted(row, image, mask, target, rng)
        if rng.random() < self.exchange * recipe.RECONTRASTED_SHARE:
            image = recontrast(image, rng)
        if rng.random() < self.exchange * recipe.REFOCUSED_SHARE:
            image = refocus(image, self._reference(rng), rng.random())
        return image, mask, target

    def _reference(self, rng: np.random.Generator) -> np.ndarray:
        """A slice to take tones or sharpness from, drawn as training draws, so that no source keeps a look to itself."""
        return self.arrays.images[np.searchsorted(self.cumulated, rng.random())]

    def _grafted(self, row: int, image: np.ndarray, mask: np.ndarray, target: np.ndarray, rng: np.random.Generator):
        """As `exchanged`, tissue alone. What is grafted is as sharp as what it is grafted into."""
        arrays = self.arrays
        if not len(self.donors) or not len(self.healthy):
            return image, mask, target
        draw = rng.random() / self.exchange if self.exchange else 1.0
        if arrays.items[row].label == LABELS[NOTUMOR]:
            donor = rng.choice(self.donors)
            region = arrays.masks[donor] > 127
            if draw < recipe.GRAFTED_SHARE:
                tumor = arrays.images[donor]
                if rng.random() < self.exchange * recipe.RECONTRASTED_SHARE:
                    tumor = recontrast(tumor, rng)
                made = graft(image, refocus(tumor, image, 1.0), region, rng)
                if made:
                    return made[0], np.where(made[1], 255, 0).astype(np.uint8), (TUMOR + self.targets[donor]) / 2
            elif draw < recipe.GRAFTED_SHARE + recipe.SHAM_SHARE:
                made = graft(image, refocus(arrays.images[rng.choice(self.healthy)], image, 1.0), region, rng)
                if made:
                    return made[0], mask, target
        elif self.small[row] and draw < recipe.HEALED_SHARE:
            donor = refocus(arrays.images[rng.choice(self.healthy)], image, 1.0)
            made = graft(image, donor, mask > 127, rng, move=False)
            if made:
                return made[0], np.zeros_like(mask), self.targets[self.healthy[0]]
        return image, mask, target


class ValidationBatches(keras.utils.PyDataset):
    """Every slice once, as it is served; sources and classes weigh as training draws them, not as they are many."""

    def __init__(self, arrays: Arrays):
        super().__init__(workers=1)
        self.arrays = arrays
        self.targets = admissible(arrays.items)
        self.weights = (shares(arrays.items) * len(arrays.items)).astype(np.float32)
        self.batches = np.array_split(np.arange(len(arrays.items)), max(1, len(arrays.items) // recipe.BATCH))

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int):
        rows, arrays = self.batches[index], self.arrays
        images, masks = (tf.cast(a[rows][..., None], tf.float32) / 255.0 for a in (arrays.images, arrays.masks))
        return _batch(images, masks, self.targets[rows], arrays.has_mask[rows], self.weights[rows])


def _batch(images, masks, targets, has_mask, weights):
    """Inputs, targets and weights in the shapes that the network takes; the mask output has half the input's side."""
    half = tf.shape(masks)[1] // 2
    return (
        tf.repeat(images, 3, axis=-1),
        {"probabilities": targets, "mask": tf.image.resize(masks, [half, half], antialias=True)},
        {"probabilities": weights, "mask": weights * has_mask},
    )
