"""The two losses. Both return one value per slice, so that a slice without a mask can weigh nothing."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("earlymed")
def admissible_cross_entropy(admissible, probabilities):
    """Categorical cross-entropy for labels that may be partial.

    Args:
        admissible: (n, 4) in [0, 1], 1 for each class the slice may be of, less for one that is in doubt. One-hot gives plain
            categorical cross-entropy; a tumor of unknown type has ones for the three tumors and costs -log of their summed
            probability.
        probabilities: (n, 4).

    Returns:
        (n,) losses.
    """
    return -ops.log(ops.clip(ops.sum(admissible * probabilities, axis=-1), 1e-6, 1.0))


@keras.saving.register_keras_serializable("earlymed")
def dice_cross_entropy(mask, predicted):
    """Binary cross-entropy plus, where there is a tumor, soft Dice loss (Milletari et al., arXiv:1606.04797).

    Args:
        mask, predicted: (n, h, w, 1) in [0, 1].

    Returns:
        (n,) losses.
    """
    predicted = ops.clip(predicted, 1e-6, 1.0 - 1e-6)
    entropy = -ops.mean(mask * ops.log(predicted) + (1.0 - mask) * ops.log(1.0 - predicted), axis=(1, 2, 3))
    size = ops.sum(mask, axis=(1, 2, 3))
    overlap = ops.sum(mask * predicted, axis=(1, 2, 3))
    dice = 2.0 * overlap / (size + ops.sum(predicted, axis=(1, 2, 3)) + 1e-6)
    return 4.0 * entropy + ops.where(size > 1.0, 1.0 - dice, 0.0)
