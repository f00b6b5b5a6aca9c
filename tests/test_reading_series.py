"""DICOM slices to series: order, spacing, affine, and what belongs together."""

import numpy as np
import pytest
from pydicom.uid import MRImageStorage

import format_samples as samples
from format_samples import SPACING, VOLUME, dicom, enhanced, save, series, zipped
from format_table import shipped_files
from model.exports import ExportError, nifti_mask
from model.reading import read

AFFINE = np.array([[0, 0, -1.25, 10], [0, -1.5, 0, 20], [3, 0, 0, 5], [0, 0, 0, 1.0]])  # of samples.series, in RAS
UNEVEN = "The distances between the slices of a series differ (one may be missing): no volume in ml can be given."


def pack(files: list[bytes], order=None) -> bytes:
    order = range(len(files)) if order is None else order
    return zipped([(f"IM{n:03}", files[i]) for n, i in enumerate(order)])


def scrambled(files: list[bytes]) -> bytes:
    return pack(files, np.random.default_rng(1).permutation(len(files)))


def test_a_series_in_any_order_comes_by_position():
    scan = read(scrambled(series()))
    np.testing.assert_array_equal(np.stack(scan), VOLUME)
    assert scan.is_study and scan.notes == ()
    assert scan.spacing == pytest.approx(SPACING)
    np.testing.assert_allclose(scan.affine, AFFINE)


def test_position_counts_more_than_instance_number():
    files = [dicom(one, position=3.0 * i, number=100 - i) for i, one in enumerate(VOLUME)]
    np.testing.assert_array_equal(np.stack(read(scrambled(files))), VOLUME)


def test_instance_numbers_count_where_there_are_no_positions():
    files = [dicom(one, number=i + 1, ImagePositionPatient=None) for i, one in enumerate(VOLUME)]
    scan = read(scrambled(files))
    np.testing.assert_array_equal(np.stack(scan), VOLUME)
    assert scan.spacing == SPACING and scan.affine is None and scan.is_study


def test_the_affine_of_oblique_slices():
    """A voxel's place by the affine is what PS3.3, C.7.6.2.1.1 says, turned from LPS to RAS."""
    angle = np.radians(20)
    row, column = np.array([1, 0, 0.0]), np.array([0, np.cos(angle), np.sin(angle)])
    normal = np.cross(row, column)
    files = [
        dicom(
            one,
            number=i,
            ImagePositionPatient=[round(float(v), 6) for v in (5, -7, 11) + 4.0 * i * normal],
            ImageOrientationPatient=[round(float(v), 9) for v in (*row, *column)],
        )
        for i, one in enumerate(VOLUME)
    ]
    scan = read(scrambled(files))
    assert scan.spacing == pytest.approx((4.0, 1.5, 1.25), rel=1e-5)
    lps = (5, -7, 11) + 4.0 * 6 * normal + column * 1.5 * 10 + row * 1.25 * 20
    np.testing.assert_allclose(scan.affine @ (6, 10, 20, 1), (-lps[0], -lps[1], lps[2], 1), atol=1e-4)


def test_a_missing_slice_is_noted_and_no_spacing_is_claimed():
    files = series()
    scan = read(pack(files[:3] + files[4:]))
    assert scan.notes == (UNEVEN,) and scan.spacing is None and scan.affine is None and len(scan) == 7


def test_with_a_missing_slice_what_lies_in_a_slice_and_the_usual_distance_are_still_known():
    """Else a study of thin slices would be answered for by three of them, and high pixels be taken for square ones."""
    files = series()
    (whole,), (gap,) = (read(pack(some)).series for some in (files, files[:3] + files[4:]))
    assert (whole.even, gap.even) == (True, False)
    assert gap.spacing == pytest.approx(SPACING)
    assert gap.pixel_aspect == whole.pixel_aspect == pytest.approx(1.2)
    np.testing.assert_allclose(gap.affine, whole.affine)
    assert gap.voxel_ml is None and whole.voxel_ml == pytest.approx(np.prod(SPACING) / 1000)
    with pytest.raises(ExportError, match="even distances"):
        nifti_mask(gap, [np.zeros(VOLUME.shape[1:], bool)] * 7)


@pytest.mark.parametrize("placed", [{}, {"ImagePositionPatient": None}])
def test_without_a_distance_between_slices_what_lies_in_a_slice_is_known(placed):
    (one,) = read(dicom(SpacingBetweenSlices=None, SliceThickness="", PixelSpacing=[2, 1], **placed)).series
    assert one.spacing == (0.0, 2.0, 1.0) and one.pixel_aspect == 2.0
    assert not one.even and one.voxel_ml is None
    if placed:
        assert one.affine is None
    else:
        np.testing.assert_allclose(one.affine[:3, 1:3], [[0, -1], [-2, 0], [0, 0]])


def test_several_series_stay_apart_in_the_order_of_their_numbers():
    first, second = VOLUME, VOLUME[::-1] + 5
    files = series(second, SeriesInstanceUID="1.9", SeriesNumber=7) + series(first, SeriesInstanceUID="1.8", SeriesNumber=2)
    scan = read(scrambled(files))
    assert [(s.start, s.stop) for s in scan.series] == [(0, 8), (8, 16)]
    np.testing.assert_array_equal(np.stack(scan[:8]), first)
    np.testing.assert_array_equal(np.stack(scan[8:]), second)
    assert scan.spacing is None and scan.series[1].spacing == pytest.approx(SPACING)


def test_a_localizer_of_three_orientations_becomes_three_series():
    turns = ([1, 0, 0, 0, 1, 0], [0, 1, 0, 0, 0, -1], [1, 0, 0, 0, 0, -1])
    files = [
        dicom(VOLUME[i], number=3 * k + i, ImageOrientationPatient=turn, ImagePositionPatient=[9.0 * i] * 3)
        for k, turn in enumerate(turns)
        for i in range(3)
    ]
    scan = read(scrambled(files))
    assert [len(s) for s in scan.series] == [3, 3, 3]


def test_two_echoes_at_each_position_become_two_series():
    files = [dicom(VOLUME[i] + 3000 * echo, position=3.0 * i, number=2 * i + echo + 1) for i in range(8) for echo in range(2)]
    scan = read(scrambled(files))
    assert [len(s) for s in scan.series] == [8, 8]
    np.testing.assert_array_equal(np.stack(scan[:8]), VOLUME)
    np.testing.assert_array_equal(np.stack(scan[8:]), VOLUME + 3000)


def test_a_copy_of_a_file_counts_once():
    files = series()
    scan = read(pack([*files, files[2], files[5]]))
    assert len(scan) == 8 and len(scan.series) == 1


def test_slices_that_were_given_one_identifier_are_no_copies():
    """Some programs that take names out of files give all of them the same UID."""
    scan = read(zipped({f"{i}": one for i, one in enumerate(samples.series(SOPInstanceUID="1.2.3"))}))
    np.testing.assert_array_equal(scan.slices, VOLUME)


def test_names_count_where_there_are_neither_positions_nor_numbers():
    values = {"ImagePositionPatient": None, "InstanceNumber": None}
    files = {f"IM{i}": dicom(VOLUME[i % 8] + i, SOPInstanceUID=f"1.2.3.{i}", **values) for i in reversed(range(12))}
    assert read(zipped(files)).names == tuple(f"IM{i}" for i in range(12))


def test_slices_of_another_size_are_another_series():
    files = [*series(), dicom(VOLUME[0][:20], position=40.0, number=20)]
    assert [len(s) for s in read(pack(files)).series] == [8, 1]


@pytest.mark.parametrize(
    ("values", "spacing"),
    [
        ({}, (3.0, 1.5, 1.25)),
        ({"SpacingBetweenSlices": None}, (2.5, 1.5, 1.25)),
        ({"SpacingBetweenSlices": None, "SliceThickness": None}, None),
        ({"PixelSpacing": None}, None),
        ({"PixelSpacing": [0, 1]}, None),
        ({"ImageOrientationPatient": [0, 0, 0, 0, 0, 0]}, None),
    ],
)
def test_the_spacing_of_a_single_slice(values, spacing):
    assert read(dicom(**values)).spacing == spacing


def test_the_frames_of_a_plain_file_stay_in_order():
    scan = read(dicom(VOLUME))
    np.testing.assert_array_equal(np.stack(scan), VOLUME)
    assert scan.is_study and scan.spacing == SPACING and scan.affine is None  # its position is its first frame's


def test_an_enhanced_file_has_a_rescale_and_a_place_for_each_frame():
    ds = enhanced(slope=2.0)
    groups = list(ds.PerFrameFunctionalGroupsSequence)
    order = np.random.default_rng(2).permutation(8)
    ds.PerFrameFunctionalGroupsSequence = [groups[i] for i in order]
    ds.PixelData = VOLUME[order].tobytes()
    scan = read(save(ds))
    np.testing.assert_allclose(np.stack(scan), 2.0 * VOLUME + np.arange(8)[:, None, None])
    assert scan.spacing == pytest.approx(SPACING)
    np.testing.assert_allclose(scan.affine, AFFINE)
    origin = scan.series[0].origin
    assert list(origin.frames) == list(np.argsort(order)) and len({id(ds) for ds in origin.datasets}) == 1


def test_an_origin_names_the_file_of_every_slice_and_holds_no_pixels():
    scan = read(scrambled(series()))
    origin = scan.series[0].origin
    assert [ds.InstanceNumber for ds in origin.datasets] == list(range(1, 9)) and origin.frames == (0,) * 8
    assert not any("PixelData" in ds for ds in origin.datasets)


def test_an_origin_keeps_neither_the_file_nor_what_no_mask_needs():
    """pydicom's data sets hold on to the bytes that they were read from: a thousand of them to a thousand files."""
    more = {"InstitutionName": "Zebulonplant", "SpecificCharacterSet": "ISO_IR 192", "PatientName": "Ζωή"}
    (ds,) = read(dicom(**more)).series[0].origin.datasets
    assert "InstitutionName" not in ds and getattr(ds, "buffer", None) is None
    assert (str(ds.PatientName), ds.PatientID, ds.SOPClassUID) == ("Ζωή", "PLANTED-4711", MRImageStorage)


def test_names_follow_their_slices():
    files = series()
    scan = read(zipped([(f"folder/slice {7 - i}", one) for i, one in enumerate(files)]))
    assert scan.names == tuple(f"slice {7 - i}" for i in range(8))


def test_distances_that_are_none_are_not_known():
    for spacing in (["1e-300", "1e-300"], ["0", "1"], ["-1", "1"]):
        (series,) = read(dicom(PixelSpacing=spacing)).series
        assert (series.spacing, series.affine) == (None, None)


def test_localizers_and_projections_turning_about_an_axis_are_no_volumes():
    """The MR images of a disc that pydicom ships: no two of a series have the same orientation."""
    files = {name: data for name, data in shipped_files().items() if name.startswith("dicomdirtests/98892003")}
    scan = read(zipped(files))
    assert len(scan) == len(scan.series) == 17 and scan.failures == () and not scan.is_study


def test_bad_numbers_in_the_header_do_not_matter():
    scan = read(dicom(InstanceNumber="", SeriesNumber=None, ImagePositionPatient=[1, 2], PixelSpacing=[1]))
    assert len(scan) == 1 and scan.spacing is None


@pytest.mark.parametrize("number", ["1e200", "-1e300"])
def test_numbers_beyond_all_bounds_are_none(number):
    files = [dicom(VOLUME[0]), dicom(VOLUME[1], number=2, ImagePositionPatient=["0", "0", number])]
    scan = read(pack(files))
    assert len(scan) == 2 and scan.affine is None


def test_samples_are_what_these_tests_think():
    assert len({one.tobytes() for one in VOLUME}) == 8 and samples.SLICES == 8
