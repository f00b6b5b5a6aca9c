"""What runs the network: OpenVINO in float32 or bfloat16, or Keras on TensorFlow. scripts/sameness.py compares their answers.

An engine is a function `infer` from float32 (n, size, size, 3) in [0, 1] to a dict of float32 arrays: `probabilities` (n, 4),
`mask` (n, m, m, 1), `evidence` (n, k, k, 4) and `gate` (n, d). It may be called from several threads.
"""

import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from model.engines.network_file import check_labels

ENGINES = ("auto", "openvino", "openvino-bf16", "tensorflow")

log = logging.getLogger("earlymed")


class EngineError(Exception):
    """The engine that was asked for cannot run here. One line: what was expected, what there is."""


def verdicts(info: Mapping) -> dict[str, bool]:
    """Which engines gave Keras' answers with these weights, as scripts/sameness.py recorded it; empty when it did not."""
    record = info.get("engines") or {}
    if record.get("model") != info["version"]:  # measured with other weights
        return {}
    return {name: row["passed"] for name, row in record["engines"].items()}


def fastest(passed: Mapping[str, bool], bfloat16: bool) -> str:
    """The engine that `auto` takes: of those that passed, the fastest on a processor that computes bfloat16, or does not.

    Unmeasured, float32 is trusted (it is the same arithmetic in another order), and bfloat16 is not.
    """
    if bfloat16 and passed.get("openvino-bf16", False):
        return "openvino-bf16"
    return "openvino" if passed.get("openvino", True) else "tensorflow"


def load(
    path: Path, size: int, engine: str | None = None, threads: int | None = None, passed: Mapping[str, bool] | None = None
) -> Callable:
    """Make a function of the network in a model.h5.

    Args:
        path: the file. Its hash is for the caller to check.
        size: the input's side in pixels.
        engine: one of ENGINES. `auto` takes the `fastest`, and TensorFlow where OpenVINO is not installed. None: what the
            environment's EARLYMED_ENGINE says, else `auto`.
        threads: of one inference; 0 takes one per core. None: what EARLYMED_THREADS says, else 0.
        passed: the `verdicts` on these weights.

    Raises:
        EngineError: there is no such engine, or its package or instruction set is missing.
        ModelFileError: the file is no such network.
    """
    engine = engine or os.environ.get("EARLYMED_ENGINE") or "auto"
    if engine not in ENGINES:
        raise EngineError(f"EARLYMED_ENGINE: expected one of {', '.join(ENGINES)}. Received: {engine!r}.")
    if threads is None:
        text = os.environ.get("EARLYMED_THREADS") or "0"
        if not text.isdecimal():
            raise EngineError(f"EARLYMED_THREADS: expected a whole number, 0 or more. Received: {text!r}.")
        threads = int(text)
    check_labels(path)
    try:
        from model.engines import openvino_engine
    except ImportError as error:
        if engine.startswith("openvino"):
            raise EngineError(f"The engine {engine}: expected the package openvino. Received: {error}.") from None
        if engine == "auto":
            log.warning("OpenVINO cannot be used (%s): TensorFlow answers, with a slower start and more memory.", error)
            engine = "tensorflow"
    else:
        if engine == "auto":
            engine = fastest(passed or {}, openvino_engine.computes_bfloat16())
    if engine == "tensorflow":
        from model.engines import keras_engine

        try:
            infer = keras_engine.load(path, size, threads)
        except ImportError as error:
            raise EngineError(f"The engine tensorflow: expected tensorflow and keras. Received: {error}.") from None
    else:
        bfloat16 = engine == "openvino-bf16"
        if bfloat16 and not openvino_engine.computes_bfloat16():
            raise EngineError(f"The engine {engine}: expected a processor that computes bfloat16. Received: another.")
        infer = openvino_engine.load(path, size, threads, bfloat16)
    log.info("The network is run by %s.", engine)
    return infer
