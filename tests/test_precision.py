"""Training picks the arithmetic that the processor has."""

import pytest

from model.engines import openvino_engine
from model.training.precision import policy


@pytest.mark.parametrize("native, expected", [(True, "mixed_bfloat16"), (False, "float32")])
def test_training_takes_bfloat16_only_where_the_processor_computes_it(native, expected, monkeypatch):
    """Imitated, one epoch took longer than a whole run: on a processor with AVX2 alone none had ended after twelve minutes."""
    monkeypatch.setattr(openvino_engine, "computes_bfloat16", lambda: native)
    assert policy("auto") == expected


@pytest.mark.parametrize("asked", ["mixed_bfloat16", "float32"])
def test_what_is_asked_for_is_taken(asked, monkeypatch):
    monkeypatch.setattr(openvino_engine, "computes_bfloat16", lambda: asked == "float32")
    assert policy(asked) == asked
