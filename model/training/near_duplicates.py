"""Find the same slice under another name: byte copies, mirrored, re-windowed, re-framed or re-encoded."""

import numpy as np
from PIL import Image
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from model.preprocessing import find_box, to_gray

THUMBNAIL_SIDE = 32
TWIN_COSINE = 0.99
BLOCK = 1024


def thumbnail(pixels: np.ndarray) -> np.ndarray:
    """Fingerprint of a slice: margins cropped, 32 x 32, mean-free, unit length.

    Linear windowing and framing leave it as it is. Returns float32 (1024,), all 0 for a constant image.
    """
    gray = to_gray(pixels)
    cropped = Image.fromarray(gray).crop(find_box(gray))
    values = np.asarray(cropped.resize((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.BILINEAR)).ravel()
    centered = values - values.mean(dtype=np.float64)
    norm = np.linalg.norm(centered)
    return (centered / norm if norm > 1e-6 * np.linalg.norm(values) else np.zeros_like(values)).astype(np.float32)


def twins(thumbnails: np.ndarray, threshold: float = TWIN_COSINE) -> sparse.csr_matrix:
    """Which slices are the same slice.

    Args:
        thumbnails: float32 (n, 1024) from `thumbnail`.
        threshold: cosine above which two are the same, the mirrored thumbnail tried too.

    Returns:
        A symmetric boolean (n, n) sparse matrix with an empty diagonal.
    """
    n = len(thumbnails)
    mirrored = thumbnails.reshape(n, THUMBNAIL_SIDE, THUMBNAIL_SIDE)[:, :, ::-1].reshape(n, -1)
    rows, columns = [], []
    for start in range(0, n, BLOCK):
        block = thumbnails[start : start + BLOCK]
        hit = np.maximum(block @ thumbnails.T, block @ mirrored.T) > threshold
        r, c = np.nonzero(hit)
        rows.append(r + start)
        columns.append(c)
    r, c = np.concatenate(rows), np.concatenate(columns)
    keep = r != c
    matrix = sparse.csr_matrix((np.ones(keep.sum(), bool), (r[keep], c[keep])), shape=(n, n))
    return (matrix + matrix.T).astype(bool)


def groups(matrix: sparse.csr_matrix) -> np.ndarray:
    """Connected components of `twins`: int (n,), the same number for slices that must stay on one side of a split."""
    return connected_components(matrix, directed=False)[1]
