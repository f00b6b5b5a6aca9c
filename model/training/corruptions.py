"""What a slice may suffer on its way to the page, each at one strength: to measure how far an answer can be relied on.

In the manner of Hendrycks & Dietterich, arXiv:1903.12261, with what happens to MRI in place of weather.
"""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from model.classifier import Classifier
from model.preprocessing import to_gray
from model.training.asking import Answers, Case, ask
from model.training.evaluation import CONFIDENT, proportion

RANDOM_SEED = 7


def _image(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(pixels)


def noise(pixels: np.ndarray) -> np.ndarray:
    """Rician noise of 5 % of the range, as magnitude images have it (Gudbjartsson & Patz, 1995)."""
    rng = np.random.default_rng(RANDOM_SEED)
    real, imaginary = rng.normal(0, 0.05 * 255, (2, *pixels.shape))
    return _clip(np.hypot(pixels + real, imaginary))


def blur(pixels: np.ndarray) -> np.ndarray:
    """Gaussian, with a deviation of 1 % of the longer side."""
    return np.asarray(_image(pixels).filter(ImageFilter.GaussianBlur(0.01 * max(pixels.shape))))


def jpeg_20(pixels: np.ndarray) -> np.ndarray:
    """JPEG of quality 20."""
    buffer = io.BytesIO()
    _image(pixels).save(buffer, "JPEG", quality=20)
    return np.asarray(Image.open(buffer))


def gamma_dark(pixels: np.ndarray) -> np.ndarray:
    """Gamma 2: the middle tones sink."""
    return _clip(255 * (pixels / 255.0) ** 2.0)


def gamma_bright(pixels: np.ndarray) -> np.ndarray:
    """Gamma 0.5: the middle tones rise."""
    return _clip(255 * (pixels / 255.0) ** 0.5)


def low_contrast(pixels: np.ndarray) -> np.ndarray:
    """A fifth of the contrast, on gray."""
    return _clip(100 + 0.2 * pixels.astype(np.float64))


def rotated_left(pixels: np.ndarray) -> np.ndarray:
    """By 15 degrees."""
    return np.asarray(_image(pixels).rotate(15, Image.BILINEAR))


def rotated_right(pixels: np.ndarray) -> np.ndarray:
    """By 15 degrees."""
    return np.asarray(_image(pixels).rotate(-15, Image.BILINEAR))


def mirrored(pixels: np.ndarray) -> np.ndarray:
    """Left and right exchanged."""
    return pixels[:, ::-1].copy()


def upside_down(pixels: np.ndarray) -> np.ndarray:
    """Turned by 180 degrees."""
    return pixels[::-1, ::-1].copy()


def cropped_tight(pixels: np.ndarray) -> np.ndarray:
    """A tenth of each side gone."""
    dy, dx = (n // 10 for n in pixels.shape)
    return pixels[dy : pixels.shape[0] - dy, dx : pixels.shape[1] - dx].copy()


def wide_margins(pixels: np.ndarray) -> np.ndarray:
    """Black margins of half the side all around."""
    return np.pad(pixels, [(n // 2, n // 2) for n in pixels.shape])


def bias_field(pixels: np.ndarray) -> np.ndarray:
    """A receive coil to one side: from 0.4 of the signal on the left to 1.6 on the right."""
    return _clip(pixels * np.linspace(0.4, 1.6, pixels.shape[1]))


def low_resolution(pixels: np.ndarray) -> np.ndarray:
    """96 pixels on the longer side."""
    scale = 96 / max(pixels.shape)
    return np.asarray(_image(pixels).resize([max(1, round(n * scale)) for n in pixels.shape[::-1]], Image.BOX))


def inverted(pixels: np.ndarray) -> np.ndarray:
    """Black and white exchanged."""
    return 255 - pixels


CORRUPTIONS: tuple[Callable[[np.ndarray], np.ndarray], ...] = (
    noise,
    blur,
    jpeg_20,
    gamma_dark,
    gamma_bright,
    low_contrast,
    rotated_left,
    rotated_right,
    mirrored,
    upside_down,
    cropped_tight,
    wide_margins,
    bias_field,
    low_resolution,
    inverted,
)
"""Each takes and gives uint8 (H, W)."""


def robustness(classifier: Classifier, cases: list[Case], progress=lambda cases: cases) -> tuple[dict[str, dict], Answers]:
    """Accuracy, refusals and confident errors as the slices come and under each corruption, by its name; and what was said of
    them as they come.

    A confident error is a wrong class with a probability of at least 0.9. Arguments are those of `asking.ask`.
    """
    as_they_come = ask(classifier, cases, progress)
    report = {"none": _summary(as_they_come)}
    for corrupt in CORRUPTIONS:
        given = ask(classifier, cases, progress, lambda p, corrupt=corrupt: corrupt(_gray8(p)))
        report[corrupt.__name__] = _summary(given)
    return report, as_they_come


def robustness_plot(report: dict[str, dict], path: Path) -> None:
    """Bars of accuracy and confident errors by corruption, as a PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 5.5), layout="constrained")
    places = np.arange(len(report))
    for key, shift, color in (("accuracy", -0.2, "tab:blue"), ("confident_errors", 0.2, "tab:red")):
        values = [100 * row[key]["value"] for row in report.values()]
        axes.barh(places + shift, values, 0.4, color=color, label=key.replace("_", " "))
    axes.set_yticks(places, [name.replace("_", " ") for name in report])
    axes.invert_yaxis()
    axes.set(xlabel="% of slices", xlim=(0, 100), title="What a corruption does to the answers")
    axes.legend(loc="lower right")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _summary(answers: Answers) -> dict:
    known = answers.truth >= 0
    right = (answers.predicted == answers.truth)[known]
    sure = (np.nan_to_num(answers.probabilities).max(axis=1) >= CONFIDENT)[known]
    return {
        "accuracy": proportion(right),
        "refused": proportion(~answers.answered[known]),
        "confident_errors": proportion(sure & ~right & answers.answered[known]),
    }


def _gray8(pixels: np.ndarray) -> np.ndarray:
    gray = to_gray(pixels)
    return _clip(gray if pixels.dtype == np.uint8 else 255 * (gray - gray.min()) / max(float(np.ptp(gray)), 1e-6))


def _clip(values: np.ndarray) -> np.ndarray:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)
