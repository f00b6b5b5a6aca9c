import numpy as np
import pytest

from model.training.augmentation import augment
from synthetic import head

SEED = np.array([3, 4], np.int32)


@pytest.fixture(scope="module")
def batch():
    slices, masks = zip(*(head(seed, tumor=True) for seed in range(16)), strict=True)
    return np.stack(slices), np.stack(masks).astype(np.uint8) * 255


def run(batch, seed=SEED, turned=False):
    images, masks = augment(*batch, np.full(len(batch[0]), turned), seed)
    return np.asarray(images), np.asarray(masks)


def test_same_seed_same_result_other_seed_another(batch):
    first, again, other = run(batch), run(batch), run(batch, SEED + 1)
    assert np.array_equal(first[0], again[0])
    assert np.abs(first[0] - other[0]).mean() > 0.02


def test_images_stay_in_range_and_differ_from_the_input(batch):
    images, masks = run(batch)
    assert images.shape == masks.shape == (16, 96, 96, 1)
    assert images.dtype == masks.dtype == np.float32
    assert images.min() >= 0.0
    assert images.max() <= 1.0
    assert (np.abs(images[..., 0] - batch[0] / 255.0).mean(axis=(1, 2)) > 0.01).all()


def test_mask_moves_with_the_image(batch):
    """The tumor is the brightest part of every slice and must stay so under its moved mask."""
    images, masks = run(batch)
    for image, mask in zip(images[..., 0], masks[..., 0], strict=True):
        inside, outside = image[mask > 0.9], image[(mask < 0.01) & (image > 0.1)]
        assert inside.mean() > outside.mean() + 0.05


def test_turned_slices_take_every_right_angle():
    """A slice that is bright in its upper half only: the bright half must come to lie on each of the four sides."""
    slices = np.zeros((64, 96, 96), np.uint8)
    slices[:, :48] = 200
    images = run((slices, np.zeros_like(slices)), turned=True)[0][..., 0]
    halves = [images[:, :48], images[:, 48:], images[:, :, :48], images[:, :, 48:]]
    brightest = np.stack([h.mean(axis=(1, 2)) for h in halves], axis=1).argmax(axis=1)
    assert (np.bincount(brightest, minlength=4) >= 6).all()
    upright = run((slices, np.zeros_like(slices)))[0][..., 0]
    assert (upright[:, :48].mean(axis=(1, 2)) > upright[:, 48:].mean(axis=(1, 2))).mean() > 0.85
