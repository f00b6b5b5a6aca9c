"""NIfTI: every orientation gives the same slices, as a radiologist sees them, and masks find their way back."""

import gzip
import importlib.util
import itertools
from pathlib import Path

import nibabel
import numpy as np
import pytest
from nibabel.orientations import axcodes2ornt

import format_samples as samples
import spheres
from format_samples import PATIENT, SPACING, VOLUME, gzipped, nifti
from model.exports import nifti_mask
from model.reading import ReadError, UnsupportedFormat, read

RAS = VOLUME.transpose(2, 1, 0)[::-1, ::-1]  # (x to the right, y to the front, z to the top)
AFFINE = np.array([[1.25, 0, 0, -20], [0, 1.5, 0, -30], [0, 0, 3.0, -10], [0, 0, 0, 1.0]])
ONE_NUMBER = "Expected a NIfTI volume of one number per voxel. Received: "
EXCHANGED = "left and right, or top and bottom, may be exchanged."
CODES = [
    "".join(axes)
    for order in itertools.permutations(("LR", "AP", "IS"))
    for axes in itertools.product(*order)
]  # fmt: skip


def stored_as(codes: str, values: np.ndarray = RAS, affine: np.ndarray = AFFINE) -> bytes:
    """The same volume with its axes in another order and direction."""
    return nibabel.Nifti1Image(values, affine).as_reoriented(
        nibabel.orientations.ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(codes))
    ).to_bytes()  # fmt: skip


def test_there_are_48_orientations():
    assert len(set(CODES)) == 48


@pytest.mark.parametrize("codes", CODES)
def test_every_orientation_gives_the_same_slices_and_takes_masks_back(codes):
    data = stored_as(codes)
    image = nibabel.Nifti1Image.from_bytes(data)
    assert "".join(nibabel.aff2axcodes(image.affine)) == codes
    scan = read(data)
    np.testing.assert_array_equal(np.stack(scan), VOLUME)
    assert scan.spacing == pytest.approx(SPACING) and scan.notes == ()
    # Slice 3, row 10, column 20 is where the affine of the RAS volume puts that voxel.
    place = AFFINE @ (35 - 20, 39 - 10, 3, 1)
    np.testing.assert_allclose(scan.affine @ (3, 10, 20, 1), place, atol=1e-4)
    origin = scan.series[0].origin
    masks = [pixels > 500 for pixels in scan]
    restored = origin.restore(masks)
    assert restored.dtype == bool and restored.shape == image.shape == origin.shape
    np.testing.assert_array_equal(restored, np.asarray(image.dataobj) > 500)
    np.testing.assert_array_equal(origin.affine, image.affine)


def test_the_patient_lies_as_a_radiologist_expects():
    """In an even volume: axial, bottom first; the front is up, and the patient's right on the left."""
    values = np.zeros((20, 22, 24), np.int16)
    values[18, 11, 3] = 100  # far to the right, in the middle, near the bottom
    values[10, 20, 3] = 200  # in the middle, far to the front
    scan = read(nifti(values, np.eye(4)))
    assert len(scan) == 24 and scan[3].shape == (22, 20)
    assert np.argwhere(scan[3] == 100).tolist() == [[10, 1]]
    assert np.argwhere(scan[3] == 200).tolist() == [[1, 9]]


@pytest.mark.parametrize(
    ("spacing", "count", "shape", "place"),
    [
        ((5, 1, 1), 20, (24, 22), (18, 20, 10)),  # sagittal: (slice, row from the top, column from the front)
        ((1, 5, 1), 22, (24, 20), (11, 20, 1)),  # coronal: (slice, row from the top, column from the right)
        ((1, 1, 5), 24, (22, 20), (3, 10, 1)),
        ((1.4, 1, 1), 24, (22, 20), (3, 10, 1)),  # almost even: axial
    ],
    ids=["sagittal", "coronal", "axial", "even"],
)
def test_thick_slices_are_shown_in_the_plane_they_were_acquired_in(spacing, count, shape, place):
    values = np.zeros((20, 22, 24), np.int16)
    values[18, 11, 3] = 100
    scan = read(nifti(values, np.diag([*spacing, 1])))
    assert len(scan) == count and scan[0].shape == shape
    assert np.argwhere(np.stack(scan) == 100).tolist() == [list(place)]
    assert scan.spacing[0] == (max(spacing) if max(spacing) > 1.5 else 1)
    np.testing.assert_allclose(scan.affine @ (*place, 1), np.diag([*spacing, 1]) @ (18, 11, 3, 1))


def test_an_oblique_volume_keeps_its_affine():
    angle = np.radians(25)
    turn = np.eye(4)
    turn[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    scan = read(nifti(RAS, turn @ AFFINE))
    np.testing.assert_array_equal(np.stack(scan), VOLUME)
    np.testing.assert_allclose(scan.affine @ (3, 10, 20, 1), turn @ AFFINE @ (15, 29, 3, 1), atol=1e-4)
    assert scan.spacing == pytest.approx(SPACING)


def in_unit(unit: str, per_mm: float, values: np.ndarray = RAS, affine: np.ndarray = AFFINE, kind=nibabel.Nifti1Image):
    """A volume whose header has its distances in another unit, of which so many are a mm."""
    image = kind(values, np.diag([per_mm, per_mm, per_mm, 1.0]) @ affine)
    image.header.set_xyzt_units(unit, "sec")
    return image


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize(("unit", "per_mm"), [("meter", 0.001), ("mm", 1.0), ("micron", 1000.0), ("unknown", 1.0)])
def test_distances_are_mm_whatever_the_unit(unit, per_mm, kind):
    data = in_unit(unit, per_mm, kind=kind).to_bytes()
    scan = read(data)
    np.testing.assert_array_equal(np.stack(scan), VOLUME)
    assert scan.spacing == pytest.approx(SPACING) and scan.notes == ()
    assert scan.series[0].voxel_ml == pytest.approx(3.0 * 1.5 * 1.25 / 1000)
    np.testing.assert_allclose(scan.affine @ (3, 10, 20, 1), AFFINE @ (15, 29, 3, 1), atol=1e-3)
    np.testing.assert_array_equal(scan.series[0].origin.affine, kind.from_bytes(data).affine)


def test_a_mask_keeps_the_unit_of_its_input():
    image = in_unit("micron", 1000.0, spheres.sphere().transpose(2, 1, 0))
    scan = read(image.to_bytes())
    masks = [pixels > spheres.BRIGHT for pixels in scan]
    mask = nibabel.Nifti1Image.from_bytes(gzip.decompress(nifti_mask(scan.series[0], masks)))
    assert mask.header.get_xyzt_units() == ("micron", "sec")
    np.testing.assert_array_equal(mask.affine, image.affine)
    assert mask.header.get_zooms() == pytest.approx((1250.0, 1500.0, 3000.0))
    assert sum(m.sum() for m in masks) * scan.series[0].voxel_ml == pytest.approx(spheres.ML, rel=0.01)


def test_small_voxels_in_meters_have_a_valid_orientation():
    scan = read(in_unit("meter", 0.001, affine=np.diag([0.5, 0.5, 0.5, 1.0])).to_bytes())
    assert scan.spacing == pytest.approx((0.5, 0.5, 0.5)) and scan.notes == ()


@pytest.mark.parametrize(
    "data",
    [nifti(kind=nibabel.Nifti2Image), gzipped(nifti()), samples.big_endian_nifti(), nifti(RAS.astype(np.float64))],
    ids=["NIfTI-2", "gzip", "big-endian", "float64"],
)
def test_the_same_volume_in_another_coat(data):
    scan = read(data)
    assert scan[0].dtype.isnative and scan[0].dtype.itemsize <= 4
    np.testing.assert_array_equal(np.stack(scan), VOLUME)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.uint32, np.int64, np.uint64, np.float32])
def test_every_type_of_number(dtype):
    values = (RAS // 8).astype(dtype)
    image = nibabel.Nifti1Image(values, AFFINE, dtype=dtype)
    np.testing.assert_array_equal(np.stack(read(image.to_bytes())), (VOLUME // 8).astype(dtype))


def test_values_are_scaled():
    scan = read(samples.scaled_nifti(0.5, 3.0))
    assert scan[0].dtype == np.float32
    np.testing.assert_array_equal(np.stack(scan), VOLUME * np.float32(0.5) + 3)


def test_the_first_of_several_volumes_is_read_with_a_note():
    scan = read(nifti(np.stack([RAS, RAS + 9, RAS - 9], axis=-1)))
    np.testing.assert_array_equal(np.stack(scan), VOLUME)
    assert scan.notes == ("The NIfTI file holds 3 volumes; the first was read.",)
    assert scan.series[0].origin.shape == RAS.shape


@pytest.mark.parametrize("values", [RAS[:, :, 3:4], RAS[:, :, 3]], ids=["one slice", "2-D"])
def test_a_single_slice(values):
    scan = read(nifti(values))
    np.testing.assert_array_equal(scan[0], VOLUME[3])
    assert len(scan) == 1 and not scan.is_study


def test_what_is_not_finite_becomes_the_lowest_value():
    values = RAS.astype(np.float32) + 100
    values[..., 2] = np.nan
    values[3, 4, 5], values[3, 5, 5] = np.inf, -np.inf
    scan = read(nifti(values))
    assert (scan[2] == 100).all() and np.isfinite(np.stack(scan)).all()
    assert scan[5].max() == VOLUME[5].max() + 100


def test_numbers_beyond_float32_are_not_finite():
    values = RAS.astype(np.float64)
    values[0, 0, 0] = 1e300
    assert np.stack(read(nifti(values))).max() == VOLUME.max()


@pytest.mark.parametrize(
    ("data", "kind", "message"),
    [
        (nifti(np.full((4, 4, 4), np.nan)), ReadError, "Expected a NIfTI volume with finite values. Received: none."),
        (nifti(np.ones((4, 4, 4, 1, 3))), UnsupportedFormat, ONE_NUMBER + "vectors."),
        (nifti(np.ones((4, 4, 4), np.complex64)), UnsupportedFormat, ONE_NUMBER + "complex numbers."),
        (nifti(np.ones((4, 4, 4), [(c, "u1") for c in "RGB"])), UnsupportedFormat, ONE_NUMBER + "color."),
        (
            nifti()[:-1],
            ReadError,
            "Expected a whole NIfTI file. Received: fewer voxels than its header says.",
        ),
        (
            nifti()[:300],
            UnsupportedFormat,
            "Expected NIfTI. Received: Analyze 7.5, which does not tell left from right. Please convert it to NIfTI.",
        ),
        (
            samples.pair_header(),
            UnsupportedFormat,
            "Expected NIfTI in one file. Received: the header of a pair (.hdr and .img). Please convert it to .nii.",
        ),
        (
            nifti(np.ones(5)),
            ReadError,
            "Expected a NIfTI volume of two or more dimensions. Received: 1, or an empty one.",
        ),
    ],
    ids=["only NaN", "vectors", "complex", "RGB", "cut short", "Analyze", "pair", "1-D"],
)
def test_what_is_refused_and_how_it_is_told(data, kind, message):
    with pytest.raises(ReadError) as caught:
        read(data)
    assert (type(caught.value), str(caught.value)) == (kind, message)


@pytest.mark.parametrize(
    ("place", "content", "note"),
    [
        (
            252,
            bytes(4),
            "The NIfTI file does not say how it is oriented; left and right, or top and bottom, may be exchanged.",
        ),
        (280, bytes(48), "The NIfTI file's orientation is invalid; " + EXCHANGED),
        (280, b"\xff" * 4, "The NIfTI file's orientation is invalid; " + EXCHANGED),
    ],
    ids=["no codes", "all zero", "NaN"],
)
def test_an_orientation_that_is_not_known_is_noted(place, content, note):
    data = bytearray(nifti())
    data[place : place + len(content)] = content
    scan = read(bytes(data))
    assert scan.notes == (note,) and len(scan) == 8
    assert scan.affine is None  # so that no side of the patient is told by it
    assert scan.spacing is not None and min(scan.spacing) > 0


@pytest.mark.parametrize("codes", [(0, 0), (1, 0), (0, 1)], ids=["no codes", "qform", "an sform of zeros"])
@pytest.mark.parametrize("distance", [0.0, 1e-9, np.nan])
def test_distances_that_cannot_be_made_out_are_not_known(distance, codes):
    """Else a volume in ml would be told of voxels that nobody knows."""
    data = bytearray(nifti())
    data[80:92] = np.full(3, distance, np.float32).tobytes()  # pixdim
    data[252:256] = np.int16(codes).tobytes()  # qform_code, sform_code
    data[280:328] = bytes(48)  # srow_x, srow_y, srow_z
    scan = read(bytes(data))
    assert (scan.spacing, scan.affine, scan.series[0].voxel_ml) == (None, None, None)
    assert len(scan) == 8 and all(note.endswith("may be exchanged.") for note in scan.notes)
    assert scan.series[0].origin.restore([pixels > 0 for pixels in scan]).shape == scan.series[0].origin.shape


def test_the_free_text_of_the_header_is_left_behind():
    image = nibabel.Nifti1Image(RAS, AFFINE)
    image.header["descrip"], image.header["db_name"] = PATIENT.encode(), b"Zebulon"
    image.header["intent_name"], image.header["aux_file"] = b"Zebulon", b"Zebulon"
    image.set_sform(AFFINE, code=4)
    header = read(image.to_bytes()).series[0].origin.header
    assert b"Zebulon" not in header.binaryblock
    assert header["sform_code"] == 4 and header.get_zooms() == pytest.approx((1.25, 1.5, 3.0))


def test_the_mni_template():
    """The T1 template of a normal brain that nilearn ships (BSD; ICBM 2009a, 1 mm)."""
    spec = importlib.util.find_spec("nilearn")
    if spec is None:
        pytest.skip("nilearn, which ships the MNI template, is not installed")
    folder = Path(spec.origin).parent / "datasets" / "data"
    data = (folder / "mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz").read_bytes()
    scan = read(data)
    assert (len(scan), scan[0].shape, scan.spacing, scan.notes) == (189, (233, 197), (1.0, 1.0, 1.0), ())
    middle = scan[90] > 30
    rows, columns = np.flatnonzero(middle.any(1)), np.flatnonzero(middle.any(0))
    assert 160 < len(rows) < 190 and 125 < len(columns) < 150  # a brain is longer than it is wide
    # The template is symmetric, and its ventricles' back horns lie in the lower half: the front is up.
    np.testing.assert_array_equal(scan[90], scan[90][:, ::-1])
    dark = middle & (scan[90] < 100) & (np.hypot(*np.ogrid[-116:117, -98:99]) < 50)
    assert np.argwhere(dark)[:, 0].mean() > 116
    image = nibabel.Nifti1Image.from_bytes(gzip.decompress(data))
    np.testing.assert_array_equal(scan.series[0].origin.restore(scan), np.asarray(image.dataobj))
