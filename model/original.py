"""The original project's kind of file: a Sequential of VGG16, Flatten, Dropout, Dense, Dropout, Dense(4, softmax).

EarlyMed's own weights do not come this way (see `classifier.py`). The original's preprocessing is another one: the
whole slice as RGB, resized to 128 x 128 as `keras.utils.load_img` does (nearest neighbor), divided by 255.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from model.preprocessing import to_gray, window

SIDE = 128
UNPROVEN_ORDER = ("class 0", "class 1", "class 2", "class 3")


@dataclass(frozen=True)
class OriginalModel:
    """A loaded file of the original project.

    Attributes:
        network: the Keras model, (n, 128, 128, 3) -> (n, 4).
        order: the names of its four outputs.
    """

    network: object
    order: tuple[str, ...]

    def predict(self, pixels: np.ndarray) -> dict[str, float]:
        """The four probabilities of one slice, by name, in the order of the outputs.

        Raises:
            ValueError: `pixels` is not a slice that `to_rgb` accepts.
        """
        probabilities = self.network.predict(to_rgb(pixels)[np.newaxis], verbose=0)[0]
        return dict(zip(self.order, map(float, probabilities), strict=True))


def to_rgb(pixels: np.ndarray) -> np.ndarray:
    """A slice as the original's network saw it: float32 (128, 128, 3) in [0, 1]. `pixels` is unchanged.

    Args:
        pixels: (H, W), (H, W, 2), (H, W, 3) or (H, W, 4). Alpha is dropped, as `load_img` does. The original read 8-bit
            images only; a slice of another type is windowed to 8 bits first.

    Raises:
        ValueError: when `pixels` has another shape, has no pixels, or holds no finite value.
    """
    gray = to_gray(pixels)
    if pixels.dtype != np.uint8:
        pixels = np.round(window(gray) * 255).astype(np.uint8)
    image = Image.fromarray(pixels).convert("RGB").resize((SIDE, SIDE), Image.NEAREST)
    return np.asarray(image, np.float32) / 255


def load_original(path: str | Path, order: Sequence[str] | None = None) -> OriginalModel:
    """Load a file of the original project. Nothing in it is trusted: no code, no optimizer, no other shape.

    Args:
        path: the .h5 file.
        order: the names of the four outputs, for who can prove them. The file does not say; without it they are named
            `class 0` to `class 3`.

    Raises:
        OSError: the file is missing or is no HDF5 file.
        ValueError: `order` is not four different names, the file holds no model Keras can load safely, or the model
            does not go from (128, 128, 3) to 4.
    """
    names = UNPROVEN_ORDER if order is None else tuple(order)
    if len(names) != 4 or len(set(names)) != 4:
        raise ValueError(f"Expected four different names of outputs. Received: {names}")
    import keras

    network = keras.saving.load_model(path, compile=False, safe_mode=True)
    expected = f"from {(None, SIDE, SIDE, 3)} to {(None, 4)}"
    received = f"from {network.input_shape} to {network.output_shape}"
    if received != expected:
        raise ValueError(f"{path}: expected a network {expected}. Received: {received}")
    return OriginalModel(network, names)
