"""Convolutions in 8 bits: what is rounded, and to what; halves as floats; ranges as model.json tells them."""

import json
from collections import Counter

import h5py
import numpy as np
import pytest

from model.classifier import DEFAULT_MODEL
from model.engines import openvino_engine, openvino_graph, processor
from model.engines.eight_bits import ranges_of, read_ranges, told, whole_steps
from model.engines.network_file import CLASSIFIER, Layer, ModelFileError, read_network, single
from model.engines.quiet_openvino import openvino
from model.engines.quiet_openvino import opset13 as ops

INFO = json.loads(DEFAULT_MODEL.with_name("model.json").read_text())
needs_vnni = pytest.mark.skipif(not processor.computes_int8(), reason="this processor has no VNNI")


@needs_vnni
def test_convolutions_with_ranges_compute_with_integers_and_no_others():
    """As the compiled graph says of itself."""
    ranges = read_ranges(CLASSIFIER.ranges_of(INFO["int8_ranges"]))
    with h5py.File(DEFAULT_MODEL, "r") as file:
        graph = openvino_graph.build(read_network(file).with_ranges(ranges))
    compiled = openvino.compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})  # as `openvino_engine` does
    facts = [node.get_rt_info() for node in compiled.get_runtime_model().get_ops()]
    convolutions = [f["runtimePrecision"].astype(str) for f in facts if f["layerType"].astype(str) == "Convolution"]
    assert Counter(convolutions) == {"u8": 20, "f32": 4}  # the first one, the mask, the votes and their attention


@needs_vnni
def test_a_convolution_in_8_bits_rounds_to_whole_steps():
    """Values to 255ths of their channel's range, what is beyond to the range; an output's kernel to 127ths of its largest."""
    kernel = np.array([[1.0, 0.02], [-0.3, -0.0025]], np.float16)[None, None]  # (1, 1, in, out)
    config = {"strides": [1, 1], "dilation_rate": [1, 1], "padding": "same", "use_bias": False, "activation": "linear"}
    layer = Layer("Conv2D", "one", config, (), {"kernel": kernel}, ranges=np.array([1.0, 2.0], np.float32))
    given = ops.parameter([1, 2, 1, 3], np.float32)
    graph = openvino.Model([ops.result(openvino_graph._convolution(layer, given))], [given])
    values = np.array([[0.0, 0.311, 1.0], [0.9, 5.0, 0.004]], np.float32)
    [answer] = openvino.compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})([values[None, :, None]]).values()
    rounded = np.array([[0, 79, 255], [115, 255, 1]]) / 255  # of the range: 0.9 of 2 is 114.75 steps, 0.004 half a step
    steps = np.array([[127, -76], [127, -32]]) * np.array([[1.0], [0.02]]) / 127  # -0.3 times 2 is -76.2 steps
    assert answer[0, :, 0] == pytest.approx(steps @ rounded, abs=1e-4)


def test_kernels_are_rounded_by_output_channel_and_make_up_for_what_is_lost():
    kernel = np.zeros((1, 3, 2, 3), np.float16)  # (height, width, in, out)
    kernel[0, :, 0, 0] = 2.0, 0.5, -0.5
    kernel[0, :, 1, 0] = 0.25, 0.25, 0.25
    kernel[0, :, 1, 1] = 1.0, -1.0, 1.0
    steps, size = whole_steps(kernel, np.array([1.0, 4.0], np.float32))
    assert (steps.dtype, steps.shape, size.dtype) == (np.int8, (3, 2, 1, 3), np.float32)
    assert size == pytest.approx([2 / 127, 4 / 127, 1.0])
    assert steps[0, 0, 0].tolist() == [127, 32, -32]  # 31.75 is rounded up, so that 32.0 is left to be taken off
    assert steps[0, 1, 0].tolist() == [64, 63, 64]  # 63.5 each: the sum is 190.5 steps
    assert steps[1, 1, 0].tolist() == [127, -127, 127]
    assert not steps[2].any() and not steps[1, 0].any()


def test_every_finite_half_becomes_the_same_number():
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16)
    halves = halves[np.isfinite(halves)]
    assert len(halves) == 2 * 31 * 1024
    singles = single(halves)
    assert singles.dtype == np.float32 and np.array_equal(singles, halves.astype(np.float32))
    assert np.signbit(singles).sum() == len(halves) // 2  # also of nil
    assert single(singles) is singles


def test_nothing_that_is_made_up_for_runs_over():
    kernel = np.full((1, 2, 1, 1), 1.0, np.float32)
    kernel[0, 0] = 0.996  # 126.49 steps, and the half that is lost would make 127.49 of the next
    assert whole_steps(kernel, np.ones(1, np.float32))[0].ravel().tolist() == [126, 127]


def test_ranges_are_told_in_two_digits_a_channel():
    """Between what a channel takes and what the layer does: a quarter of the most has half the range."""
    most = np.array([8.0, 2.0, 0.0, 0.001])
    assert told(most) == {"most": 8.0, "channels": "ff400101"}
    assert told(np.zeros(2)) == {"most": 1.0, "channels": "0101"}
    assert ranges_of(8.0, "ff400101") == pytest.approx([8.0, 8 * (64 / 255) ** 0.5, 8 / 255**0.5, 8 / 255**0.5])


@pytest.mark.parametrize(
    ("ranges", "message"),
    [
        ({"block9_conv1": {"most": 1.0, "channels": "ff"}}, "Expected ranges of the network's layers. Received: block9_conv1"),
        ({"block1_conv2": {"most": 1.0, "channels": "ff"}}, "block1_conv2: expected 64 ranges. Received: 1"),
        ({"block1_conv2": {"most": 0.0, "channels": "ff" * 64}}, "Expected positive ranges. Received: 0.0 and"),
        ({"block1_conv2": {"most": float("nan"), "channels": "ff" * 64}}, "Expected positive ranges. Received: nan and"),
        ({"block1_conv2": {"most": 1.0, "channels": "00" * 64}}, "Expected positive ranges. Received: 1.0 and"),
        ({"block1_conv2": {"most": 1.0, "channels": "no"}}, "non-hexadecimal number"),
        ({"gate": {"most": 1.0, "channels": "ff" * 768}}, "gate: expected places where it is to compute in 8 bits"),
    ],
)
def test_ranges_of_something_else_are_told(network_file, ranges, message):
    with pytest.raises(ModelFileError, match=message):
        openvino_engine.load(network_file, 64, ranges=ranges)
