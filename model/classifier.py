"""The classifier: loads model.h5 once, answers for slices."""

import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

from model import closeup, engines
from model.delivery import sha256_of
from model.engines.network_file import CLASSIFIER, CLOSEUP, ModelFileError, Part
from model.explanation import region, tumor_mask
from model.gate import Gate, look
from model.labels import LABELS, NOTUMOR
from model.later import Later
from model.prediction import Prediction
from model.preprocessing import VERSION as PREPROCESSING_VERSION
from model.preprocessing import Frame, preprocess
from model.tumor_odds import outline_odds, weigh

DEFAULT_MODEL = Path(__file__).with_name("model.h5")
BATCH = 16
NOT_BRAIN_MRI = (
    "This does not look like the brain MRI slices that the classifier knows, so it gives no answer. Expected one gray "
    "slice of a head: axial, coronal or sagittal."
)
SEVERAL_SLICES = "This looks like several slices in one picture. Expected one slice: please give each by itself."
UNLIKE = "This is unlike nearly all brain MRI slices that the classifier knows, so its answer may mean nothing."
LOOKS_LIKE_CT = "This looks like computed tomography (CT). The classifier knows MRI alone, so its answer means nothing here."


class Classifier:
    """VGG16 with its heads, ready to answer. `Classifier.load()` makes one; it may be called from several threads.

    Attributes:
        info: what `model.json` holds.
        version: the model's version.
    """

    def __init__(self, infer, info: dict, look_closely=None):
        """
        Args:
            infer: what runs the network, see `model.engines`.
            info: the content of model.json.
            look_closely: what runs the network of the close-up, see `model.closeup`; None: outlines stay as first drawn.
        """
        self._infer, self._look_closely = infer, look_closely
        self.info = info
        self.version = info["version"]
        self._size = info["input_size"]
        self._temperature = info["temperature"]
        self._uncertain_below = info["uncertain_below"]
        self._mask_temperature = info.get("mask_temperature", 1.0)
        self._closeup = info.get("closeup")
        self._gate = Gate(**info["gate"])
        self._odds = info.get("outline_weight", 0.0), info.get("tumor_offset", 0.0)

    @classmethod
    def load(
        cls, path: Path = DEFAULT_MODEL, engine: str | None = None, threads: int | None = None, cache: str | None = None
    ) -> "Classifier":
        """Check model.h5 against the model.json beside it, load it and answer once, so that the first user need not wait.

        The network of the close-up is loaded when it is first needed, or before that by `load_closeup`.

        Args:
            path: the model.h5.
            engine, threads, cache: what runs the network, how widely, and where it is kept compiled; see `engines.load`.

        Raises:
            ModelFileError: when a file is missing, truncated, changed, of something else, or names other labels.
            engines.EngineError: the engine cannot run here.
        """
        path = Path(path)
        info = _read_info(path.with_name("model.json"))
        with ThreadPoolExecutor(1) as beside:  # the start is shorter so, and nobody is answered before
            checked = beside.submit(_check_weights, path, info)
            try:
                infer = engines.load(path, info["input_size"], engine, threads, info, CLASSIFIER, cache)
                _answer_once(infer, info["input_size"], CLASSIFIER)
            finally:
                checked.result()  # what is wrong with the file itself is told first
        side = info.get("closeup", {}).get("side")
        look_closely = Later(lambda: engines.load(path, side, engine, threads, info, CLOSEUP, cache)) if side else None
        return cls(infer, info, look_closely)

    def load_closeup(self) -> None:
        """Load the network of the close-up now, so that no outline has to wait for it.

        Raises:
            ModelFileError, engines.EngineError: as `load`.
        """
        if isinstance(self._look_closely, Later):
            _answer_once(self._look_closely.made(), self._closeup["side"], CLOSEUP)

    def predict(self, slices: Sequence[np.ndarray], aspects: Sequence[float] | None = None) -> list[Prediction]:
        """Answer for each slice.

        A tumor that is named is outlined. So is what may be one where the answer is "no tumor", uncertain, and the mask says
        otherwise: that is where to look.

        Args:
            slices: each (H, W), (H, W, 2), (H, W, 3) or (H, W, 4), any numeric dtype; see `preprocessing.preprocess`.
            aspects: of each slice, how many times as high as wide its pixels are; None: they are square.

        Returns:
            One Prediction per slice, in order.

        Raises:
            ValueError: when a slice has another shape, no pixels or no finite value.
        """
        aspects = [1.0] * len(slices) if aspects is None else aspects
        batches = (slice(start, start + BATCH) for start in range(0, len(slices), BATCH))
        return [answer for batch in batches for answer in self._predict_batch(slices[batch], aspects[batch])]

    def _predict_batch(self, slices: Sequence[np.ndarray], aspects: Sequence[float]) -> list[Prediction]:
        started = time.perf_counter()
        refusals = [look(pixels) for pixels in slices]
        prepared = [preprocess(pixels, self._size, aspect) for pixels, aspect in zip(slices, aspects, strict=True)]
        batch = np.stack([image for image, _ in prepared])[..., None].repeat(3, axis=-1)
        preprocessed = time.perf_counter()
        outputs = self._infer(batch)
        inferred = time.perf_counter()
        scores, looks = self._gate.in_distribution(outputs["gate"]), self._gate.looks_like(outputs["others"])
        masks = outputs["mask"][..., 0]
        probabilities = calibrate(weigh(outputs["probabilities"], masks, *self._odds), self._temperature)
        answers = [
            self._decide(refusal, frame, float(score), *rows)
            for refusal, (_, frame), score, *rows in zip(
                refusals, prepared, scores, looks, probabilities, masks, outputs["evidence"], strict=True
            )
        ]
        decided = time.perf_counter()
        if self._look_closely:
            answers = [self._outlined_anew(*row) for row in zip(answers, slices, masks, strict=True)]
        share = 1000.0 / len(slices)
        timings = {
            "preprocess": (preprocessed - started) * share,
            "infer": (inferred - preprocessed + time.perf_counter() - decided) * share,
            "decide": (decided - inferred) * share,
        }
        for answer in answers:
            answer.timings_ms.update(timings)
        return answers

    def _decide(
        self, refusal: str | None, frame: Frame, score: float, looks: set[str], probabilities, mask, evidence
    ) -> Prediction:
        outline = np.zeros((frame.height, frame.width), bool)
        doubt = LOOKS_LIKE_CT if "ct" in looks else UNLIKE if score < self._gate.doubtful_below else None
        if not refusal and (score < 0.5 or looks - {"ct"}):
            refusal = SEVERAL_SLICES if score >= 0.5 and "body" not in looks else NOT_BRAIN_MRI
        if refusal:
            return Prediction("refused", min(score, 0.49), outline, reason=refusal, frame=frame)
        best = int(probabilities.argmax())
        uncertain = bool(doubt or probabilities[best] < self._uncertain_below)
        if best != NOTUMOR or (uncertain and outline_odds(mask[None])[0] > 0.0):
            outline = tumor_mask(mask, frame, self._mask_temperature)
        return Prediction(
            "ok",
            score,
            outline,
            label=LABELS[best],
            probabilities=dict(zip(LABELS, probabilities.tolist(), strict=True)),
            uncertain=uncertain,
            tumor=region(outline),
            reason=doubt,
            evidence=np.asarray(evidence, np.float32),
            frame=frame,
        )

    def _outlined_anew(self, answer: Prediction, pixels: np.ndarray, mask: np.ndarray) -> Prediction:
        """The answer with what was outlined, if anything was, drawn by the close-up's network; see `model.closeup`.

        Where the close-up would show it in no more pixels than the first look, the answer stays as it is.
        """
        if answer.tumor is None:
            return answer
        where, side = closeup.around(answer.tumor.box, answer.frame), self._closeup["side"]
        if side / where.side <= self._size / answer.frame.side:
            return answer
        view = closeup.view(pixels, mask, answer.frame, where, side)
        outline = tumor_mask(self._look_closely(view[None])["mask"][0, ..., 0], where, self._closeup["temperature"])
        return replace(answer, mask=outline, tumor=region(outline)) if outline.any() else answer


def calibrate(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Temperature scaling (Guo et al., arXiv:1706.04599) of (..., 4) softmax probabilities; float64, summing to 1."""
    scaled = np.log(np.clip(np.asarray(probabilities, np.float64), 1e-12, 1.0)) / temperature
    scaled = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return scaled / scaled.sum(axis=-1, keepdims=True)


def _read_info(path: Path) -> dict:
    expected = "the model's facts as JSON"
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelFileError(path, expected, "no such file") from None
    except (OSError, ValueError) as error:
        raise ModelFileError(path, expected, f"{type(error).__name__}: {error}") from None
    needed = ("version", "labels", "sha256", "size", "input_size", "temperature", "uncertain_below", "gate")
    missing = [key for key in needed if not isinstance(info, dict) or key not in info]
    if missing:
        raise ModelFileError(path, expected, f"a file without {', '.join(missing)}")
    if tuple(info["labels"]) != LABELS:
        raise ModelFileError(path, f"the labels in the order {', '.join(LABELS)}", ", ".join(map(str, info["labels"])))
    if info.get("preprocessing") != PREPROCESSING_VERSION:
        raise ModelFileError(path, f"preprocessing version {PREPROCESSING_VERSION}", str(info.get("preprocessing")))
    return info


def _answer_once(infer: Callable, side: int, part: Part) -> None:
    """The first answer takes longest."""
    infer(np.zeros((1, side, side, part.channels), np.float32))


def _check_weights(path: Path, info: dict) -> None:
    try:
        size = path.stat().st_size
        received = sha256_of(path)
    except FileNotFoundError:
        raise ModelFileError(path, f"the trained network, {info['size']:,} bytes", "no such file") from None
    except OSError as error:
        raise ModelFileError(path, f"the trained network, {info['size']:,} bytes", str(error.strerror)) from None
    if size != info["size"]:
        what = "a truncated file" if size < info["size"] else "another file"
        raise ModelFileError(path, f"{info['size']:,} bytes", f"{size:,} bytes, {what}")
    if received != info["sha256"]:
        raise ModelFileError(path, f"SHA-256 {info['sha256']}", f"SHA-256 {received}, the file was changed")
