"""The arithmetic of training."""

from model.engines import openvino_engine

PRECISIONS = ("auto", "mixed_bfloat16", "float32")


def policy(precision: str) -> str:
    """Keras' dtype policy for one of PRECISIONS.

    `auto` takes `mixed_bfloat16` where the processor has instructions for it, which halves the time of a step. Elsewhere
    TensorFlow imitates them, many times slower than float32.
    """
    if precision != "auto":
        return precision
    return "mixed_bfloat16" if openvino_engine.computes_bfloat16() else "float32"
