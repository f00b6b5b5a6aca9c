"""A sphere of known volume, written as the formats that hold volumes; and a classifier that outlines what is bright."""

import functools
import io

import nibabel
import numpy as np
import pydicom

import format_samples as samples
from fakes import TIMINGS, FakeClassifier, evidence_for
from model.explanation import region
from model.labels import LABELS
from model.prediction import Prediction
from model.preprocessing import Frame

RADIUS = 20.0  # mm
ML = 4 / 3 * np.pi * RADIUS**3 / 1000
SHAPE = (24, 70, 60)  # slices, rows, columns
SPACING = (3.0, 1.5, 1.25)  # mm
BRIGHT = 900
FRAME_OF_REFERENCE = {"FrameOfReferenceUID": "1.2.3.4.5.6"}


@functools.cache
def sphere() -> np.ndarray:
    """int16 (slices, rows, columns): 300, in the sphere BRIGHT + 100; it lies nearer to the first corner than to the last."""
    center = [0.45 * n * step for n, step in zip(SHAPE, SPACING, strict=True)]
    axes = [(np.arange(n) + 0.5) * step for n, step in zip(SHAPE, SPACING, strict=True)]
    z, y, x = np.meshgrid(*axes, indexing="ij")
    inside = (z - center[0]) ** 2 + (y - center[1]) ** 2 + (x - center[2]) ** 2 < RADIUS**2
    return np.where(inside, BRIGHT + 100, 300).astype(np.int16)


def outlining(label: str = "glioma") -> FakeClassifier:
    """Calls a slice `label` when a pixel of it is bright, else "notumor"; outlines what is."""

    def answer(pixels: np.ndarray) -> Prediction:
        mask = pixels > BRIGHT
        found = label if mask.any() else "notumor"
        probabilities = dict.fromkeys(LABELS, 0.01) | {found: 0.97}
        frame = Frame(*mask.shape, (0, 0, mask.shape[1], mask.shape[0]))
        return Prediction(
            "ok", 0.97, mask, found, probabilities, False, region(mask), None, dict(TIMINGS), evidence_for(found), frame
        )

    fake = FakeClassifier()
    fake.answer = answer
    return fake


def nifti(turn: bool = True, kind=nibabel.Nifti1Image) -> bytes:
    """With axes to the patient's left, front and bottom, oblique at will."""
    values = sphere().transpose(2, 1, 0)[:, ::-1, ::-1]
    affine = np.diag([-SPACING[2], SPACING[1], -SPACING[0], 1.0])
    affine[:3, 3] = (31, -17, 80)
    if turn:
        angle = np.radians(9)
        tilt = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
        affine[:3] = tilt @ affine[:3]
    return kind(values, affine).to_bytes()


def dicom_files(**values) -> list[bytes]:
    """One for each slice, from bottom to top, 3 mm apart; SliceThickness says 2.5 mm and SpacingBetweenSlices 4."""
    values = FRAME_OF_REFERENCE | {"SpacingBetweenSlices": 4.0} | values
    return [
        samples.dicom(one, position=SPACING[0] * i, number=100 - i, **values) for i, one in enumerate(sphere())
    ]  # fmt: skip


def dicom_zip(**values) -> bytes:
    """In an order that is not that of the slices."""
    files = dicom_files(**values)
    order = np.random.default_rng(0).permutation(len(files))
    return samples.zipped([(f"IM{n:03}", files[i]) for n, i in enumerate(order)])


def multi_frame(pixels: np.ndarray | None = None, **values) -> bytes:
    pixels = sphere() if pixels is None else pixels
    return samples.save(samples.enhanced(pixels, slope=1.0, **(FRAME_OF_REFERENCE | values)))


def uids(files: list[bytes]) -> list[str]:
    return [str(pydicom.dcmread(io.BytesIO(data)).SOPInstanceUID) for data in files]
