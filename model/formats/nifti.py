"""NIfTI-1 and -2, by nibabel: any orientation in, slices as a radiologist sees them out."""

import logging
from dataclasses import dataclass

import nibabel
import numpy as np
from nibabel import orientations

from model.formats.common import Budget, ReadError, Scan, Series, UnsupportedFormat, damaged, only_finite

logging.getLogger("nibabel.global").setLevel(logging.CRITICAL)  # it reports every oddity of a header

# What the axes of (slice, row, column) increase towards. The patient's right is on the left of axial and coronal slices.
PLANES = {"axial": "SPL", "sagittal": "RIP", "coronal": "AIL"}
ACROSS = ("sagittal", "coronal", "axial")  # the plane that is cut across the patient's right-left, front-back, top-bottom
THICK = 1.5  # times the finest spacing: slices were acquired across the axis with the coarsest
MM = {1: 1000.0, 3: 0.001}  # in a unit of xyzt_units (meter, micron); the others are mm (2), or not told (0)
FREE_TEXT = {"descrip", "aux_file", "db_name", "intent_name"}


@dataclass(frozen=True, eq=False, repr=False)
class NiftiOrigin:
    """How to give masks of the slices back as a volume like the input.

    Attributes:
        affine: the input's, float (4, 4), in the header's unit.
        shape: of the input's first volume, (x, y, z).
        header: the input's, without its free text: spacing, units and the codes of its affines.
        back: nibabel's orientation transform from the slices' axes to the input's.
    """

    affine: np.ndarray
    shape: tuple[int, int, int]
    header: object
    back: np.ndarray

    def restore(self, masks) -> np.ndarray:
        """Lay masks, one (H, W) for each slice, into a volume of the input's shape and orientation; keeps their dtype."""
        return orientations.apply_orientation(np.stack(masks), self.back).reshape(self.shape)


def read(data: bytes, budget: Budget) -> Scan:
    """Read the first volume, across its thickest spacing, or as axial slices from bottom to top where it is even.

    The values are views of `data` where the header scales nothing, else float32.

    Raises:
        UnsupportedFormat: color, complex numbers, or vectors.
        ReadError: damaged, cut short, over the limits, or without a finite value.
    """
    try:
        return _read(data, budget)
    except ReadError:
        raise
    except Exception:  # nibabel and NumPy raise whatever a broken header leads them into
        raise damaged("NIfTI file") from None


def _read(data: bytes, budget: Budget) -> Scan:
    header = _header(data)
    shape, notes = [int(n) for n in header.get_data_shape()], []
    if not 2 <= len(shape) <= 7 or min(shape) < 1:
        raise ReadError(f"Expected a NIfTI volume of two or more dimensions. Received: {len(shape)}, or an empty one.")
    if any(n > 1 for n in shape[4:]):
        raise UnsupportedFormat("Expected a NIfTI volume of one number per voxel. Received: vectors.")
    if len(shape) > 3 and shape[3] > 1:
        notes.append(f"The NIfTI file holds {shape[3]:,} volumes; the first was read.")
    shape = tuple((*shape, 1)[:3])
    unit, known, oriented = MM.get(int(header["xyzt_units"]) & 7, 1.0), True, False
    affine = header.get_best_affine().astype(float)
    if not _is_valid(affine, unit):
        affine = header.get_base_affine().astype(float)
        if not _is_valid(affine, unit):
            affine, unit, known = np.eye(4), 1.0, False
        notes.append("The NIfTI file's orientation is invalid; left and right, or top and bottom, may be exchanged.")
    elif not (header["qform_code"] or header["sform_code"]):
        notes.append("The NIfTI file does not say how it is oriented; left and right, or top and bottom, may be exchanged.")
    else:
        oriented = True
    if not (header["sform_code"] and np.array_equal(affine, header.get_sform())):
        axes = slice(1, 1 + min(3, int(header["dim"][0])))
        known &= bool(_header(data, check=False)["pixdim"][axes].all())  # what is checked has 1 for 0
    stored = orientations.io_orientation(affine)
    shown = orientations.axcodes2ornt(PLANES[_plane(affine, shape, stored)])
    turn = orientations.ornt_transform(stored, shown)
    slices, rows, columns = (shape[int(axis)] for axis in np.argsort(turn[:, 0]))
    budget.take(rows, columns, slices)

    slices = _slices(orientations.apply_orientation(_volume(data, header, shape), turn), header)
    in_mm = np.diag([unit, unit, unit, 1.0]) @ affine
    affine_shown = in_mm @ orientations.inv_ornt_aff(turn, shape) + 0.0  # -0.0 becomes 0.0
    spacing = tuple(float(n) for n in np.sqrt((affine_shown[:3, :3] ** 2).sum(axis=0)))
    for field in FREE_TEXT & set(header.keys()):
        header[field] = b""
    origin = NiftiOrigin(affine, shape, header, orientations.ornt_transform(shown, stored))
    measured = spacing if known else None, affine_shown if known and oriented else None
    return Scan("NIfTI", slices, (Series(0, len(slices), *measured, origin),), tuple(notes))


def _header(data: bytes, check: bool = True):
    if int.from_bytes(data[:4], "little") == 540 or int.from_bytes(data[:4], "big") == 540:
        return nibabel.Nifti2Header(data[:540], check=check)
    return nibabel.Nifti1Header(data[:348], check=check)


def _is_valid(affine: np.ndarray, unit: float) -> bool:
    """Does an affine in a unit of so many mm span a volume?"""
    return bool(np.isfinite(affine).all() and abs(np.linalg.det(unit * affine[:3, :3])) >= 1e-9)


def _plane(affine: np.ndarray, shape: tuple[int, ...], stored: np.ndarray) -> str:
    """The plane of the slices. A single slice, or thick ones, can only be shown the way they were acquired."""
    spacing = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
    single = [axis for axis in range(3) if shape[axis] == 1]
    if single:
        return ACROSS[int(stored[single[-1], 0])]
    thickest = int(np.argmax(spacing))
    return ACROSS[int(stored[thickest, 0])] if spacing[thickest] > THICK * spacing.min() else "axial"


def _volume(data: bytes, header, shape: tuple[int, int, int]) -> np.ndarray:
    dtype = header.get_data_dtype()
    if dtype.kind not in "iuf":
        kind = "complex numbers" if dtype.kind == "c" else "color"
        raise UnsupportedFormat(f"Expected a NIfTI volume of one number per voxel. Received: {kind}.")
    offset, count = int(header["vox_offset"]), int(np.prod(shape))
    if offset < len(header.binaryblock) or offset + count * dtype.itemsize > len(data):
        raise ReadError("Expected a whole NIfTI file. Received: fewer voxels than its header says.")
    return np.frombuffer(data, dtype, count, offset).reshape(shape, order="F")


def _slices(volume: np.ndarray, header) -> list[np.ndarray]:
    """Scaled, and finite: what is not becomes the volume's lowest value."""
    slope, intercept = header.get_slope_inter()
    scaled = slope is not None and (slope, intercept) != (1.0, 0.0)
    slices = [volume[i] for i in range(len(volume))]
    with np.errstate(all="ignore"):
        if scaled:
            slices = [(values * float(slope) + float(intercept)).astype(np.float32) for values in slices]
        elif volume.dtype.kind == "f":
            slices = [values.astype(np.float32) for values in slices]
    if slices[0].dtype.kind != "f":
        return [only_finite(values) for values in slices]
    lows = [values[np.isfinite(values)].min(initial=np.inf) for values in slices]
    if not np.isfinite(min(lows)):
        raise ReadError("Expected a NIfTI volume with finite values. Received: none.")
    return [only_finite(values, min(lows)) for values in slices]
