"""The same slice under another name is found, another slice is not."""

import io

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage, sparse

from model.training.near_duplicates import BLOCK, THUMBNAIL_SIDE, TWIN_COSINE, groups, thumbnail, twins
from synthetic import smooth_head


def slice_of(seed, side=160, box=(20, 10, 140, 150)):
    return smooth_head(seed, side, box)


def jpeg(pixels, quality=70):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def resized(pixels, width, height):
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.BICUBIC))


def alike(*slices, **kwargs):
    """The (i, j) that are found to be twins, i < j."""
    matrix = twins(np.stack([thumbnail(s) for s in slices]), **kwargs).toarray()
    assert (matrix == matrix.T).all()
    assert not matrix.diagonal().any()
    return [(int(i), int(j)) for i, j in np.argwhere(np.triu(matrix))]


A, B = slice_of(1), slice_of(2)
DISGUISES = [
    pytest.param(lambda a: a.copy(), id="copy"),
    pytest.param(lambda a: a[:, ::-1], id="mirrored"),
    pytest.param(lambda a: a * 0.8 + 30, id="windowed"),
    pytest.param(lambda a: a.astype(np.uint16) * 257, id="16 bit"),
    pytest.param(lambda a: a[:, ::-1] * 3.0 - 200, id="mirrored and windowed"),
    pytest.param(lambda a: 255 * (a / 255.0) ** 0.9, id="gamma 0.9"),
    pytest.param(lambda a: 255 * (a / 255.0) ** 1.1, id="gamma 1.1"),
    pytest.param(jpeg, id="jpeg"),
    pytest.param(lambda a: jpeg(a[:, ::-1], 40), id="mirrored, jpeg 40"),
    pytest.param(lambda a: np.pad(a, ((30, 5), (0, 60))), id="margins added"),
    pytest.param(lambda a: a[10:150, 20:140], id="margins removed"),
    pytest.param(lambda a: resized(a, 320, 320), id="larger"),
    pytest.param(lambda a: resized(a, 100, 90), id="smaller, another aspect"),
    pytest.param(lambda a: np.dstack([a] * 3), id="rgb"),
    pytest.param(lambda a: np.pad(jpeg(a[:, ::-1]) * 0.9 + 5, 20, constant_values=5), id="all of it"),
]


@pytest.mark.parametrize("disguise", DISGUISES)
def test_a_disguised_slice_is_a_twin(disguise):
    assert alike(A, B, disguise(A)) == [(0, 2)]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(B, id="another"),
        pytest.param(A[::-1], id="upside down"),
        pytest.param(np.rot90(A), id="turned"),
        pytest.param(255 - A, id="inverted"),
        pytest.param((A * 0.6 + B * 0.4).astype(np.uint8), id="blended with another"),
        pytest.param(np.zeros_like(A), id="blank"),
    ],
)
def test_another_slice_is_not(other):
    assert alike(A, other) == []


def test_many_different_slices_have_no_twins():
    assert alike(*(slice_of(seed, 64, (8, 4, 56, 60)) for seed in range(40))) == []


def test_a_thumbnail_is_mean_free_and_of_length_one():
    values = thumbnail(A)
    assert values.shape == (THUMBNAIL_SIDE**2,) == (1024,)
    assert values.dtype == np.float32
    assert values.mean() == pytest.approx(0, abs=1e-6)
    assert np.linalg.norm(values) == pytest.approx(1, abs=1e-5)


def test_a_linear_window_and_margins_leave_the_thumbnail_as_it_is():
    expected = thumbnail(A)
    np.testing.assert_allclose(thumbnail(A * 7.0 - 300), expected, atol=1e-5)
    np.testing.assert_allclose(thumbnail(np.pad(A, 40)), expected, atol=1e-5)


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((40, 40), np.uint8),
        np.full((77, 91), 255, np.uint8),
        np.full((40, 40, 3), 90, np.uint8),
        np.full((77, 91), 1 / 3, np.float32),
        np.full((77, 91), 60000.7, np.float32),  # rounding of its mean must not become a picture
    ],
)
def test_a_constant_image_has_no_thumbnail_and_no_twin(pixels):
    np.testing.assert_array_equal(thumbnail(pixels), np.zeros(1024, np.float32))
    assert alike(pixels, pixels) == []


def test_the_slice_is_not_changed():
    pixels = A.copy()
    pixels.setflags(write=False)
    thumbnail(pixels)
    np.testing.assert_array_equal(pixels, A)


@pytest.mark.parametrize(("cosine", "found"), [(0.992, True), (0.988, False)])
def test_the_threshold_is_a_cosine_of_0_99(cosine, found):
    assert TWIN_COSINE == 0.99
    axes = np.zeros((2, 1024), np.float32)
    axes[0, 100] = axes[1, 500] = 1
    pair = np.stack([axes[0], cosine * axes[0] + np.sqrt(1 - cosine**2) * axes[1]]).astype(np.float32)
    assert bool(twins(pair)[0, 1]) is found


def test_another_threshold_may_be_asked():
    blend = (A * 0.6 + B * 0.4).astype(np.uint8)
    assert alike(A, blend, threshold=0.8) == [(0, 1)]


def test_twins_are_found_across_blocks():
    thumbnails = np.random.default_rng(0).normal(size=(BLOCK + 3, 1024)).astype(np.float32)
    thumbnails /= np.linalg.norm(thumbnails, axis=1, keepdims=True)
    thumbnails[BLOCK + 1] = thumbnails[5]
    thumbnails[BLOCK + 2] = thumbnails[BLOCK - 1].reshape(32, 32)[:, ::-1].ravel()
    rows, columns = twins(thumbnails).nonzero()
    pairs = {(int(r), int(c)) for r, c in zip(rows, columns, strict=True) if r < c}
    assert pairs == {(5, BLOCK + 1), (BLOCK - 1, BLOCK + 2)}


@pytest.mark.parametrize(
    ("links", "expected"),
    [
        ([], [0, 1, 2, 3, 4]),
        ([(0, 1)], [0, 0, 1, 2, 3]),
        ([(0, 2), (2, 4)], [0, 1, 0, 2, 0]),
        ([(0, 1), (3, 4), (1, 3)], [0, 0, 1, 0, 0]),
        ([(0, 1), (3, 4)], [0, 0, 1, 2, 2]),
    ],
)
def test_groups_are_connected_components(links, expected):
    matrix = np.zeros((5, 5), bool)
    for i, j in links:
        matrix[i, j] = matrix[j, i] = True
    assert groups(sparse.csr_matrix(matrix)).tolist() == expected


def test_a_chain_of_twins_is_one_group():
    drift = [ndimage.shift(A.astype(float), (0, k)) for k in (0, 3, 6, 9)]  # the margin's crop is undone below
    thumbnails = np.stack([resized(d[10:150, 20:140].astype(np.float32), 32, 32).ravel() for d in drift])
    thumbnails -= thumbnails.mean(axis=1, keepdims=True)
    thumbnails /= np.linalg.norm(thumbnails, axis=1, keepdims=True)
    near, far = thumbnails[0] @ thumbnails[1], thumbnails[0] @ thumbnails[3]
    matrix = twins(thumbnails, threshold=(near + far) / 2)
    assert not matrix[0, 3]
    assert len(set(groups(matrix))) == 1
