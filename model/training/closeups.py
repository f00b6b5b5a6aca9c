"""The close-up's network: what it learns from, how it is built, how it learns. See `model.closeup` for what it is for.

VGG16 with the weights of the classifier, and its decoder, one step finer. Its deep blocks learn on: with blocks that stay as
they are it draws no better than a small network does. What they learn is kept as a change of low rank, see
`model.training.low_rank`. The last convolution takes the input along, so that training begins with what the first look drew.
"""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from model.closeup import SUREST, around, view
from model.explanation import region, tumor_mask
from model.preprocessing import preprocess
from model.reading import read
from model.training.augmentation import INTENSITY, move, tone, uniform
from model.training.dataset import Item, tumor_in
from model.training.losses import dice_cross_entropy
from model.training.network import STRIDE, decoder, freeze, merge
from model.training.optimizer import DiscriminativeAdamW
from model.tumor_odds import log_odds

SIDE = 112  # of a close-up that is served, in pixels
FIRST = "block1_conv1"
TRAINED = "trained.weights.h5"
FROZEN = 2  # of VGG16's blocks: what they tell, edges and textures, is the same in a close-up
FINEST = 24  # channels at the input's own resolution
BATCH, RATE, HEAD_FACTOR, WEIGHT_DECAY = 16, 5e-5, 4.0, 1e-4  # DiscriminativeAdamW
WARM_UP = 100  # steps
WIDER = 1.42  # how much further training looks than serving, so that what is turned and shifted is not cut off


def gather(
    data: Path, items: list[Item], infer: Callable, size: int, temperature: float, side: int, scale: float = 1.0
) -> np.ndarray:
    """Ask the first look about every slice that has a tumor in its mask, and look closely where it outlines something.

    Args:
        infer: runs the network, see `model.engines`; size: its input's side.
        temperature: of its mask.
        side: of a close-up in pixels.
        scale: how much further it looks, see `closeup.around`; its side in pixels grows as much.

    Returns:
        uint8 (n, s, s, 3), 0..255: gray and first look as `closeup.view` has them, and the expert's mask.

    Raises:
        ValueError: it outlines no tumor.
    """
    views, wider = [], round(side * scale)
    for item in items:
        expert = tumor_in(data / item.mask) if item.mask else np.zeros(0, bool)
        if not expert.any():
            continue
        pixels = read((data / item.path).read_bytes())[0]
        image, frame = preprocess(pixels, size)
        mask = infer(image[None, ..., None].repeat(3, axis=-1))["mask"][0, ..., 0]
        outline = tumor_mask(mask, frame, temperature)
        outlined = region(outline)
        if outlined is None or expert.shape != outline.shape:
            continue
        closeup = around(outlined.box, frame, scale)
        seen = [view(pixels, mask, frame, closeup, wider), closeup.from_input(expert, wider)[..., None]]
        views.append(np.round(np.concatenate(seen, axis=-1) * 255).astype(np.uint8))
    if not views:
        raise ValueError(f"Expected tumors that the model outlines. Received: {len(items)} slices, of which it does none")
    return np.stack(views)


class Batches(keras.utils.PyDataset):
    """One epoch of all close-ups in a random order, augmented; every epoch another, the same for the same seed.

    `views` are what `gather` returns, looking further than `side`.
    """

    def __init__(self, views: np.ndarray, side: int, seed: int):
        super().__init__(workers=1, max_queue_size=4)
        self.views, self.side, self.seed, self.epoch = views, side, seed, 0
        self.on_epoch_end()

    def on_epoch_end(self) -> None:
        self.epoch += 1
        self.order = np.random.default_rng((self.seed, self.epoch)).permutation(len(self.views))

    def __len__(self) -> int:
        return max(1, len(self.views) // BATCH)

    def __getitem__(self, index: int):
        drawn = self.views[self.order[index * BATCH : (index + 1) * BATCH]]
        seed = np.random.default_rng((self.seed, self.epoch, index)).integers(0, 2**31 - 2000, 2).astype(np.int32)
        return augment(tf.constant(drawn), self.side, tf.constant(seed))


def middle(views, side: int):
    """Of close-ups that look further, (n, s, s, c), see `gather`, the part that serving would see: (n, side, side, c)."""
    cut = (ops.shape(views)[1] - side) // 2
    return views[:, cut : cut + side, cut : cut + side]


@tf.function
def augment(views: tf.Tensor, side: int, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Augment close-ups that look further, and cut them to their middle; the same seed gives the same result.

    The first look is made surer or less sure, and more or less generous: on a scanner that it has not seen it errs more.

    Args:
        views: uint8 (n, s, s, 3), see `gather`.
        side: of the middle in pixels, at most s.
        seed: int32 (2,).

    Returns:
        What the network sees, float32 (n, side, side, 2), and the expert's mask, (n, side, side, 1), in [0, 1].
    """
    n = tf.shape(views)[0]
    seeds = tf.random.split(seed, 3)
    moved = move(tf.cast(views, tf.float32) / 255.0, tf.zeros([n], tf.bool), seeds[0])
    moved = middle(moved, side)
    gray, first, expert = moved[..., :1], moved[..., 1:2], moved[..., 2:]
    gray = tf.where(uniform(n, 0.0, 1.0, seeds[2], 0) < INTENSITY, tone(gray, seeds[1]), gray)
    surer, generous = tf.exp(uniform(n, -0.35, 0.35, seeds[2], 1)), uniform(n, -0.05, 0.05, seeds[2], 2)
    told = tf.clip_by_value((first - 0.5) * surer + generous + 0.5, 0.0, 1.0)
    return tf.concat([gray, tf.where(first > 0.0, told, 0.0)], axis=-1), expert


def build(side: int, temperature: float = 1.0) -> keras.Model:
    """The network from float32 (n, side, side, 2), see `closeup.view`, to `mask`, (n, side, side, 1) in [0, 1].

    Args:
        side: in pixels, a multiple of STRIDE of at least twice that.
        temperature: of the first look's mask: untrained, the network hands on that mask at this temperature.

    Raises:
        ValueError: for another side.
    """
    if side < 2 * STRIDE or side % STRIDE:
        raise ValueError(f"The side must be a multiple of {STRIDE}, at least {2 * STRIDE}. Received: {side}")
    inputs = keras.Input((side, side, 2), name="closeup")
    base = keras.applications.VGG16(include_top=False, input_tensor=inputs, weights=None)
    _, x = decoder(base)
    x = merge(x, base.get_layer("block1_conv2").output, FINEST, 1, inputs)
    x = layers.Concatenate(name="last_join")([x, inputs])
    last = layers.Conv2D(1, 1, activation="sigmoid", dtype="float32", name="mask")
    mask = last(x)
    lowest = float(log_odds(np.float64(SUREST))) / temperature
    kernel = np.zeros(last.kernel.shape, np.float32)
    kernel[..., -1, 0] = -2 * lowest
    last.set_weights([kernel, np.array([lowest], np.float32)])
    return keras.Model(inputs, {"mask": mask}, name="closeup")


def begin(network: keras.Model, classifier: keras.Model) -> None:
    """Give a network of `build` what the classifier has learned: its blocks, and its decoder but for the mask itself.

    The first convolution takes one gray where the classifier's takes it three times over, and nothing of the first look.
    """
    known = {layer.name for layer in classifier.layers} - {"mask"}
    for layer in network.layers:
        if layer.weights and layer.name in known:
            kernel, bias = classifier.get_layer(layer.name).get_weights()
            if layer.name == FIRST:
                gray = kernel.astype(np.float32).sum(axis=2, keepdims=True)
                kernel = np.concatenate([gray, np.zeros_like(gray)], axis=2)
            layer.set_weights([kernel, bias])


def trunk(network: keras.Model) -> list[str]:
    """The layers whose kernels have the shapes of the classifier's VGG16: all of its convolutions but the first."""
    return [layer.name for layer in network.layers if layer.name.startswith("block") and layer.weights and layer.name != FIRST]


def fit(network: keras.Model, train: np.ndarray, validation: np.ndarray, run: Path, epochs: int, seed: int) -> None:
    """Train it, or go on with the training that `run` holds.

    Args:
        network: see `build` and `begin`.
        train: close-ups that look further, see `gather`.
        validation: close-ups as they are served.
        run: gets `log.csv`, a row for each epoch; `val_overlap` is the mean Dice of what is likelier than not; and
            TRAINED, once it is done.
    """
    if (run / TRAINED).is_file():
        network.load_weights(run / TRAINED)
        return
    freeze(network, FROZEN)
    batches = Batches(train, validation.shape[1], seed)
    steps = len(batches) * epochs
    rate = keras.optimizers.schedules.CosineDecay(
        RATE / 50, max(1, steps - WARM_UP), alpha=0.01, warmup_target=RATE, warmup_steps=min(WARM_UP, steps // 2)
    )
    network.compile(
        optimizer=DiscriminativeAdamW(rate, HEAD_FACTOR, weight_decay=WEIGHT_DECAY),
        loss={"mask": dice_cross_entropy},
        metrics={"mask": [overlap]},
    )
    views = validation.astype(np.float32) / 255.0
    network.fit(
        batches,
        epochs=epochs,
        validation_data=(views[..., :2], views[..., 2:]),
        validation_batch_size=32,
        callbacks=[keras.callbacks.BackupAndRestore(run / "backup"), keras.callbacks.CSVLogger(run / "log.csv", append=True)],
        verbose=2,
    )
    network.save_weights(run / TRAINED)


def overlap(mask, predicted):
    """Dice of what is likelier than not, one for each slice."""
    mask, predicted = (ops.cast(values > 0.5, "float32") for values in (mask, predicted))
    both = ops.sum(mask * predicted, axis=(1, 2, 3))
    return 2.0 * both / ops.maximum(ops.sum(mask, axis=(1, 2, 3)) + ops.sum(predicted, axis=(1, 2, 3)), 1.0)
