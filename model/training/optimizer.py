"""AdamW with a higher rate for the layers that start from nothing than for those that were trained before."""

import math

import keras
from keras import ops


@keras.saving.register_keras_serializable("earlymed")
class DiscriminativeAdamW(keras.optimizers.AdamW):
    """AdamW (Loshchilov & Hutter, arXiv:1711.05101) with discriminative rates (Howard & Ruder, arXiv:1801.06146).

    Args:
        learning_rate: of VGG16's blocks.
        head_factor: times that rate for every other layer.
        kwargs: as AdamW's.
    """

    def __init__(self, learning_rate=1e-3, head_factor: float = 1.0, **kwargs):
        super().__init__(learning_rate, **kwargs)
        self.head_factor = head_factor

    def update_step(self, gradient, variable, learning_rate):
        path = self._trainable_variables[self._get_variable_index(variable)].path
        super().update_step(gradient, variable, learning_rate * (1.0 if path.startswith("block") else self.head_factor))

    def get_config(self) -> dict:
        return super().get_config() | {"head_factor": self.head_factor}


@keras.saving.register_keras_serializable("earlymed")
class WarmHeldCosine(keras.optimizers.schedules.LearningRateSchedule):
    """A rate that rises over a tenth of the steps, is held, and falls to a hundredth along half a cosine.

    Held first and lowered late, as in Hu et al., arXiv:2404.06395, section 4; with `held` at a tenth, the usual warm-up and
    cosine (Loshchilov & Hutter, arXiv:1608.03983).

    Args:
        peak: the highest rate.
        steps: how many there are.
        held: the share of the steps after which the rate falls, in [0.1, 1).
    """

    FIRST, LAST = 0.05, 0.01  # of the peak

    def __init__(self, peak: float, steps: int, held: float = 0.1):
        if not 0.1 <= held < 1.0:
            raise ValueError(f"Expected a share of the steps in [0.1, 1) to hold the rate for. Received: {held}")
        self.peak, self.steps, self.held = peak, steps, held

    def __call__(self, step):
        done = ops.cast(step, "float32") / self.steps
        rising = self.FIRST + (1.0 - self.FIRST) * ops.minimum(done / 0.1, 1.0)
        fallen = ops.clip((done - self.held) / (1.0 - self.held), 0.0, 1.0)
        falling = self.LAST + (1.0 - self.LAST) * 0.5 * (1.0 + ops.cos(math.pi * fallen))
        return self.peak * rising * falling

    def get_config(self) -> dict:
        return {"peak": self.peak, "steps": self.steps, "held": self.held}
