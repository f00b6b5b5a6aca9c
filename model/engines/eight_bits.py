"""Convolutions of 8-bit integers in an OpenVINO graph: a quarter of the bytes, and far less time where a processor has VNNI.

What goes in is rounded to 256 steps from 0 to a range, and each output channel's kernel to 127 steps on either side of 0
(Jacob et al., arXiv:1712.05877; a step per channel: Krishnamoorthi, arXiv:1806.08342). Products are added up in 32 bits,
exactly. OpenVINO finds the pattern that is written here, and computes it so.

Every input channel has a range of its own, and the kernel is multiplied by it: the geometric mean of the most that this
channel was seen to take and of the most that any did. So neither the values nor the kernel lose too much (Xiao et al.,
arXiv:2211.10438).
"""

from collections.abc import Mapping

import numpy as np

from model.engines.quiet_openvino import openvino
from model.engines.quiet_openvino import opset13 as ops

STEPS_UP, STEPS_EITHER_SIDE = 255, 127


def told(most: np.ndarray) -> dict[str, float | str]:
    """The most that each channel was seen to take, (c,), as model.json keeps it: two digits (base 16) for a channel."""
    highest = float(most.max()) or 1.0  # of a layer that takes in nothing
    shares = np.ceil(255 * most / highest).clip(1, 255).astype(np.uint8)
    return {"most": round(highest, 4), "channels": shares.tobytes().hex()}


def read_ranges(told_of: Mapping[str, Mapping]) -> dict[str, np.ndarray]:
    """The ranges of each layer in model.json's `int8_ranges`, by its name; see `ranges_of`."""
    return {name: ranges_of(**of_layer) for name, of_layer in told_of.items()}


def ranges_of(most: float, channels: str) -> np.ndarray:
    """The range of every channel, float32 (c,), of what `told` tells.

    Raises:
        ValueError: it tells of something else.
    """
    shares = np.frombuffer(bytes.fromhex(channels), np.uint8)
    if not (0.0 < most < float("inf") and len(shares) and shares.min()):
        raise ValueError(f"Expected positive ranges. Received: {most} and {channels!r}")
    return (most * np.sqrt(shares / 255)).astype(np.float32)


def rounded_input(x: openvino.Node, ranges: np.ndarray) -> openvino.Node:
    """Rounded to whole steps of [0, range], and divided by the range of its channel; what lies beyond is brought to 1."""
    zero, one = (ops.constant(np.float32(bound)) for bound in (0.0, 1.0))
    return ops.fake_quantize(x, zero, ops.constant(ranges.reshape(1, -1, 1, 1)), zero, one, STEPS_UP + 1)


def rounded_kernel(kernel: np.ndarray, ranges: np.ndarray) -> openvino.Node:
    """A kernel, rounded, for inputs that `rounded_input` divided; see `whole_steps`."""
    steps, size = whole_steps(kernel, ranges)
    return ops.multiply(ops.convert(ops.constant(steps), "f32"), ops.constant(size.reshape(-1, 1, 1, 1)))


def whole_steps(kernel: np.ndarray, ranges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A kernel times the ranges of its inputs, in whole steps.

    What is lost at one place of the kernel is made up for at the next: neighboring pixels are much alike, so what an input
    channel adds up to hardly changes.

    Args:
        kernel: float32, in Keras' order, (height, width, in, out).
        ranges: float32 (in,).

    Returns:
        The steps, int8 in [-127, 127], in OpenVINO's order, (out, in, height, width); and the size of each output channel's,
        float32 (out,).
    """
    largest = np.maximum(kernel.max(axis=(0, 1)), -kernel.min(axis=(0, 1))) * ranges[:, None]
    size = largest.max(axis=0) / np.float32(STEPS_EITHER_SIDE)
    size[size == 0] = 1.0  # a channel of zeros
    in_steps = ranges[:, None] / size
    steps = np.empty(kernel.T.shape[:2] + kernel.shape[:2], np.int8)
    wanted, rounded, lost = np.zeros((3, *in_steps.shape), np.float32)  # filled again and again: a start waits for this
    for y, x in np.ndindex(kernel.shape[:2]):
        np.multiply(kernel[y, x], in_steps, out=wanted)
        wanted += lost
        np.rint(wanted, out=rounded)
        rounded.clip(-STEPS_EITHER_SIDE, STEPS_EITHER_SIDE, out=rounded)
        steps[:, :, y, x] = rounded.astype(np.int8).T
        np.subtract(wanted, rounded, out=lost)
    return steps, size
