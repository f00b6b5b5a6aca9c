"""What runs the network: ncnn, OpenVINO in float32, bfloat16 or 8 bits, or Keras. scripts/sameness.py compares their answers.

An engine is a function `infer` from float32 (n, size, size, 3) in [0, 1] to a dict of float32 arrays: `probabilities` (n, 4),
`mask` (n, m, m, 1), `evidence` (n, k, k, 4), `gate` (n, d) and `others` (n, 3); or, of a close-up, from (n, side, side, 2) to
`mask` (n, side, side, 1). It may be called from several threads.
"""

import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from model.engines.kept_graphs import Shelf, folder
from model.engines.network_file import CLASSIFIER, Part, check_labels
from model.engines.processor import computes_int8, computes_intels_avx512

TRUSTED = {"openvino"}  # unmeasured: the same arithmetic as Keras', in another order
REDUCED = ("openvino-bf16", "openvino-int8")  # fewer bits than float32: what their answers are worth has to be compared
PACKAGES = {  # by the engine that needs them
    "ncnn": "the package ncnn",
    "openvino": "the package openvino",
    "openvino-bf16": "the package openvino",
    "openvino-int8": "the package openvino",
    "tensorflow": "tensorflow and keras",
}
ENGINES = ("auto", *PACKAGES)

log = logging.getLogger("earlymed")


class EngineError(Exception):
    """The engine that was asked for cannot run here. One line: what was expected, what there is."""


def verdicts(info: Mapping) -> dict[str, bool]:
    """Which engines gave Keras' answers with these weights, as scripts/sameness.py recorded it; empty when it did not."""
    record = info.get("engines") or {}
    if record.get("model") != info["version"]:  # measured with other weights
        return {}
    return {name: row["passed"] for name, row in record["engines"].items()}


def ranking(passed: Mapping[str, bool], intels_avx512: bool) -> list[str]:
    """The engines that `auto` tries, the best first: those that passed, and TensorFlow when none of them can run.

    In 8 bits OpenVINO was measured to be the fastest by far, then in bfloat16, where there are instructions for these. In
    float32 ncnn was, for the multiplications that it saves, but with Intel's AVX-512: there OpenVINO was the faster one of the
    two, with less memory (docs/performance.md).
    """
    float32 = ["openvino", "ncnn"] if intels_avx512 else ["ncnn", "openvino"]
    order = ["openvino-int8", "openvino-bf16", *float32]
    return [engine for engine in order if passed.get(engine, engine in TRUSTED)] + ["tensorflow"]


def load(
    path: Path,
    size: int,
    engine: str | None = None,
    threads: int | None = None,
    info: Mapping | None = None,
    part: Part = CLASSIFIER,
    cache: str | None = None,
) -> Callable:
    """Make a function of the network in a model.h5.

    Args:
        path: the file. Its hash is for the caller to check.
        size: the input's side in pixels.
        engine: one of ENGINES. `auto` takes the first of the `ranking` that can run here. None: what the environment's
            EARLYMED_ENGINE says, else `auto`.
        threads: of one inference; 0 takes one per core. None: what EARLYMED_THREADS says, else 0.
        info: the content of the file's model.json: the `verdicts` on the engines, the ranges to compute in 8 bits within, and
            its SHA-256.
        part: which of the networks in the file. A close-up without ranges computes in float32 where the classifier does in
            8 bits.
        cache: where OpenVINO's graphs are kept, if the SHA-256 is known; see `kept_graphs.folder`.

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
    info = info or {}
    place = folder(cache) if "sha256" in info else None
    shelf = Shelf(place, info["sha256"]) if place else None
    given = path, size, threads, part.ranges_of(info.get("int8_ranges", {})), part, shelf
    if engine != "auto":
        return _made(engine, *given)
    missing = []
    for engine in ranking(verdicts(info) if info else {}, computes_intels_avx512()):
        if engine == "tensorflow" and missing and part == CLASSIFIER:
            log.warning("%s TensorFlow answers, with a slower start and more memory.", " ".join(missing))
        try:
            return _made(engine, *given)
        except EngineError as error:
            missing.append(str(error))
    raise EngineError(" ".join(missing))


def _made(
    engine: str, path: Path, size: int, threads: int, ranges: Mapping[str, Mapping], part: Part, shelf: Shelf | None
) -> Callable:
    """See `load`. What an engine needs is imported here, so that nobody waits for another's."""
    try:
        if engine == "tensorflow":
            from model.engines import keras_engine

            infer = keras_engine.load(path, size, threads, part)
        elif engine == "ncnn":
            from model.engines import ncnn_engine

            infer = ncnn_engine.load(path, size, threads, part)
        else:
            from model.engines import openvino_engine

            bfloat16, int8 = engine == "openvino-bf16", engine == "openvino-int8"
            if bfloat16 and not openvino_engine.computes_bfloat16():
                raise EngineError(f"The engine {engine}: expected a processor that computes bfloat16. Received: another.")
            if int8 and not computes_int8():
                raise EngineError(f"The engine {engine}: expected a processor with VNNI, for 8 bits. Received: another.")
            if int8 and not ranges and part == CLASSIFIER:
                raise EngineError(f"The engine {engine}: expected int8_ranges in model.json. Received: none.")
            infer = openvino_engine.load(path, size, threads, bfloat16, ranges if int8 else None, part, shelf)
    except ImportError as error:
        raise EngineError(f"The engine {engine}: expected {PACKAGES[engine]}. Received: {error}.") from None
    if part == CLASSIFIER:
        log.info("The network is run by %s.", engine)
    return infer
