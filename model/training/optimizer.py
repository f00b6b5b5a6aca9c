"""AdamW with a higher rate for the layers that start from nothing than for those that were trained before."""

import keras


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
