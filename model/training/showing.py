"""What the notebook shows: pictures side by side, tables, a small data tree with a twin, plots of model.json's figures."""

import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from matplotlib import pyplot
from matplotlib.figure import Figure
from PIL import Image, ImageDraw

from model.explanation import OUTLINE
from model.labels import DISPLAY, LABELS
from model.preprocessing import find_box, preprocess, to_gray, window
from model.reading import read

COLUMN = 1.7  # inches of a picture in a montage


class Table:
    """Rows of text under a header, as a notebook or a terminal shows them."""

    def __init__(self, header: Sequence[str], rows: Iterable[Sequence]):
        self.lines = [header, ["---"] * len(header), *rows]

    def _repr_markdown_(self) -> str:
        return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in self.lines)

    __repr__ = _repr_markdown_


def montage(pictures: Sequence, titles: Sequence[str] = (), columns: int = 6) -> Figure:
    """Pictures in rows: arrays (H, W) or (H, W, 3), or encoded ones (bytes); each is shown in its own range."""
    rows = -(-len(pictures) // columns)
    figure, axes = pyplot.subplots(rows, columns, figsize=(COLUMN * columns, (COLUMN + 0.25) * rows), layout="constrained")
    for place in np.ravel(axes):
        place.set_axis_off()
    for place, picture in zip(np.ravel(axes), pictures, strict=False):
        if isinstance(picture, bytes):
            picture = np.asarray(Image.open(io.BytesIO(picture)))
        place.imshow(picture, cmap="gray")
    for place, title in zip(np.ravel(axes), titles, strict=False):
        place.set_title(title, fontsize=8)
    pyplot.close(figure)  # else a notebook shows it twice
    return figure


def twin(content: bytes) -> bytes:
    """The same slice as other collections hold it: mirrored, re-windowed, smaller, with a frame, as a JPEG of its own."""
    gray = to_gray(read(content)[0])[:, ::-1]
    image = Image.fromarray((0.7 * 255 * gray / gray.max()).astype(np.uint8))
    image = image.resize([round(0.7 * side) for side in image.size], Image.BILINEAR)
    framed = Image.new("L", (image.width + 40, image.height + 20))
    framed.paste(image, (25, 5))
    out = io.BytesIO()
    framed.save(out, "JPEG", quality=85)
    return out.getvalue()


def small_tree(data: Path, samples: Iterable[Path], seed: int = 0) -> Path:
    """A data folder like Kaggle's in miniature: the first sample of each class is Testing, the rest Training.

    The twin of each Testing slice lies in Training, as it does in the public set for 944 of 1,311.
    """
    for label in LABELS:
        first, *rest = sorted(path for path in samples if path.name.startswith(label))
        for split in ("Training", "Testing"):
            (data / split / label).mkdir(parents=True, exist_ok=True)
        (data / "Testing" / label / first.name).write_bytes(first.read_bytes())
        (data / "Training" / label / f"twin_{label}.jpg").write_bytes(twin(first.read_bytes()))
        for path in rest:
            (data / "Training" / label / path.name).write_bytes(path.read_bytes())
    return data


def steps(pixels: np.ndarray, size: int) -> dict[str, np.ndarray]:
    """A slice after each step of `preprocessing.preprocess`, by the step's name; the last is what the network sees."""
    gray = to_gray(pixels)
    x0, y0, x1, y1 = find_box(gray)
    boxed = Image.fromarray((255 * window(gray)).astype(np.uint8)).convert("RGB")
    ImageDraw.Draw(boxed).rectangle((x0, y0, x1 - 1, y1 - 1), outline=OUTLINE, width=max(1, boxed.width // 128))
    cropped = gray[y0:y1, x0:x1]
    return {
        f"gray, {gray.shape[1]} x {gray.shape[0]}": gray,
        "margins found": np.asarray(boxed),
        "cropped": cropped,
        "windowed": window(cropped),
        f"squared, {size} x {size}": preprocess(pixels, size)[0],
    }


def history(rows: Sequence[dict]) -> Figure:
    """Loss and validation loss by epoch, with a line where a stage begins."""
    figure, axes = pyplot.subplots(figsize=(6.5, 3), layout="constrained")
    epochs = range(1, len(rows) + 1)
    for key in ("loss", "val_loss"):
        axes.plot(epochs, [row[key] for row in rows], "o-", markersize=3, label=key)
    for number, row in enumerate(rows, start=1):
        if row["epoch"] == 1:
            axes.axvline(number - 0.5, color="gray", linewidth=0.7)
            axes.annotate(row["stage"], (number - 0.4, axes.get_ylim()[1]), fontsize=8, va="top")
    axes.set(xlabel="epoch", ylabel="loss")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(fontsize=8)
    pyplot.close(figure)
    return figure


def confusion(report: dict) -> Figure:
    """The confusion matrix of a report of `evaluation.figures`."""
    figure, axes = pyplot.subplots(figsize=(4.6, 3.8), layout="constrained")
    counts = np.array(report["confusion"]["counts"])
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        axes.text(column, row, str(count), ha="center", va="center", color="white" if shares[row, column] > 0.5 else "black")
    names = [DISPLAY[label] for label in report["confusion"]["rows"]]
    axes.set_xticks(range(counts.shape[1]), [*names, "refused"], rotation=25, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="answer", ylabel="truth")
    pyplot.close(figure)
    return figure


def roc(report: dict, picture: Path) -> Figure:
    """Each class against the rest; `picture` is what scripts/evaluate.py drew, for a report that keeps no curves."""
    if "roc" not in report:
        return _drawn(picture)
    figure, axes = pyplot.subplots(figsize=(4.6, 3.8), layout="constrained")
    for label, sensitivity in report["roc"]["sensitivity"].items():
        name = f"{DISPLAY[label]} (AUC {report['auc'][label]:.4f})"
        axes.plot(report["roc"]["false_positive_rate"], sensitivity, "o-", markersize=3, label=name)
    axes.set(xlabel="1 - specificity", ylabel="sensitivity")
    axes.legend(loc="lower right", fontsize=8)
    pyplot.close(figure)
    return figure


def calibration(report: dict, picture: Path) -> Figure:
    """How often answers of a confidence are right; `picture` as in `roc`."""
    if not report.get("calibration_bins"):
        return _drawn(picture)
    figure, axes = pyplot.subplots(figsize=(4.6, 3.8), layout="constrained")
    _, confidence, accuracy = zip(*report["calibration_bins"], strict=True)
    axes.plot([0, 1], [0, 1], "--", color="gray")
    axes.plot(confidence, accuracy, "o-")
    axes.set(xlabel="confidence", ylabel="accuracy", title=f"ECE {report['calibration_error']['value']:.3f}")
    pyplot.close(figure)
    return figure


def _drawn(picture: Path) -> Figure:
    figure, axes = pyplot.subplots(figsize=(4.8, 4.2), layout="constrained")
    axes.imshow(pyplot.imread(picture))
    axes.set_axis_off()
    pyplot.close(figure)
    return figure
