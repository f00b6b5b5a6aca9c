"""Masks of a whole volume as a file: NIfTI with the affine of the input, or DICOM SEG that refers to the input's images.

    data = nifti_mask(series, [prediction.mask for prediction in predictions[series.start : series.stop]])

Nothing is written to disk here. What writes the formats is imported when it is asked for: serving begins sooner without.
"""

import gzip
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from model.reading import Series


class ExportError(ValueError):
    """The masks of this series cannot be written in this format; the message says what was expected and what came."""


class VolumeFormat(NamedTuple):
    """A format of a mask of many slices: the end of its files' names, its media type."""

    suffix: str
    media_type: str


FORMATS = {"nifti": VolumeFormat(".nii.gz", "application/gzip"), "seg": VolumeFormat(".seg.dcm", "application/dicom")}


def volume_mask(format: str, series: Series, masks: Sequence[np.ndarray], version: str) -> bytes:
    """The masks in one of FORMATS; see `nifti_mask` and `seg_mask`."""
    return nifti_mask(series, masks) if format == "nifti" else seg_mask(series, masks, version)


def nifti_mask(series: Series, masks: Sequence[np.ndarray]) -> bytes:
    """The masks as .nii.gz, uint8, 1 inside the outlines.

    Of a NIfTI file they get its shape, affine and orientation; of a DICOM series the axes are (column, row, slice) and the
    affine follows from its positions. No text is taken over from the input: no name, no number, no date.

    Args:
        masks: bool (H, W), one for each slice of the series, in order.

    Raises:
        ExportError: the input does not say where its voxels are.
        ValueError: more or fewer masks than slices.
    """
    check(series, masks)
    import nibabel

    from model.formats.nifti import NiftiOrigin

    origin = series.origin
    if isinstance(origin, NiftiOrigin):
        header = origin.header.copy()
        header["vox_offset"], header["cal_min"], header["cal_max"] = 0, 0, 1
        header.set_slope_inter(1, 0)
        header.set_data_dtype(np.uint8)
        kind = nibabel.Nifti2Image if isinstance(header, nibabel.Nifti2Header) else nibabel.Nifti1Image
        image = kind(origin.restore([mask.astype(np.uint8) for mask in masks]), None, header)
    elif series.affine is not None and series.even:
        volume = np.stack(masks).astype(np.uint8).transpose(2, 1, 0)
        image = nibabel.Nifti1Image(volume, series.affine[:, [2, 1, 0, 3]])
        image.header.set_xyzt_units("mm")
    else:
        expected = "NIfTI, or DICOM slices with positions at even distances, for a mask as NIfTI"
        raise ExportError(f"Expected {expected}. Received: {_kind(series)}.")
    return gzip.compress(image.to_bytes(), 6, mtime=0)


def seg_mask(series: Series, masks: Sequence[np.ndarray], version: str) -> bytes:
    """The masks as DICOM SEG with one segment; see `segmentation.write`.

    Args:
        masks: as for `nifti_mask`.
        version: the model's.

    Raises:
        ExportError: the input is not DICOM, or lacks what a SEG must refer to.
        ValueError: more or fewer masks than slices.
    """
    check(series, masks)
    from model.formats.dicom import DicomOrigin

    if not isinstance(series.origin, DicomOrigin):
        raise ExportError(f"Expected DICOM for a mask as DICOM SEG. Received: {_kind(series)}.")
    from model import segmentation

    return segmentation.write(series.origin, masks, version)


def can_be_seg(series: Series, shape: tuple[int, int]) -> bool:
    """Whether the input of a series of slices of this `shape` has what `seg_mask` must refer to."""
    from model.formats.dicom import DicomOrigin

    if not isinstance(series.origin, DicomOrigin):
        return False
    from model import segmentation

    return segmentation.is_possible(series.origin, shape)


def check(series: Series, masks: Sequence[np.ndarray]) -> None:
    """Raises ValueError when there is not one mask for each slice."""
    if len(masks) != len(series):
        raise ValueError(f"Expected masks of the series' {len(series)} slices. Received: {len(masks)}")


def _kind(series: Series) -> str:
    kind = type(series.origin).__name__
    return {"NiftiOrigin": "NIfTI", "DicomOrigin": "DICOM without them"}.get(kind, "pictures, which have no place in space")
