"""Masks of volumes, read back by nibabel, pydicom and highdicom and compared with the input voxel by voxel."""

import gzip
import io

import highdicom
import nibabel
import numpy as np
import pydicom
import pytest

import format_samples as samples
import spheres
from fakes import pages
from model.exports import ExportError, nifti_mask, seg_mask, volume_mask
from model.reading import Scan, Series, read
from web.messages import said, told


def masks_of(scan: Scan, series: Series | None = None) -> list[np.ndarray]:
    series = series or scan.series[0]
    return [pixels > spheres.BRIGHT for pixels in scan.slices[series.start : series.stop]]


def written_nifti(data: bytes) -> nibabel.Nifti1Image:
    scan = read(data)
    written = gzip.decompress(nifti_mask(scan.series[0], masks_of(scan)))
    return (nibabel.Nifti2Image if written[:2] == b"\x1c\x02" else nibabel.Nifti1Image).from_bytes(written)


def written_seg(data: bytes, masks=None) -> pydicom.Dataset:
    scan = read(data)
    seg = seg_mask(scan.series[0], masks_of(scan) if masks is None else masks, "1.2.test")
    return pydicom.dcmread(io.BytesIO(seg))


# --- NIfTI


TURNS = [np.diag(signs)[list(order)] for signs in ((1, 1, 1), (-1, 1, 1), (-1, -1, 1)) for order in ((0, 1, 2), (2, 0, 1))]


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_nifti_lies_on_the_input_whatever_its_orientation(turn, kind):
    values = spheres.sphere().transpose(2, 1, 0)
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([1.25, 1.5, 3.0])
    affine[:3, 3] = (7, -11, 13)
    image = kind(values, affine)
    image.header["descrip"] = b"Plantedname"
    mask = written_nifti(image.to_bytes())
    assert type(mask) is kind
    assert (mask.shape, mask.get_data_dtype()) == (values.shape, np.uint8)
    np.testing.assert_array_equal(mask.affine, image.affine)
    np.testing.assert_array_equal(np.asarray(mask.dataobj), values > spheres.BRIGHT)
    for code in ("sform_code", "qform_code"):
        assert mask.header[code] == image.header[code]
    assert mask.header["descrip"] == b""
    np.testing.assert_allclose(mask.header.get_zooms(), image.header.get_zooms())


def test_nifti_of_an_oblique_volume():
    mask, image = written_nifti(spheres.nifti()), nibabel.Nifti1Image.from_bytes(spheres.nifti())
    np.testing.assert_array_equal(mask.affine, image.affine)
    np.testing.assert_array_equal(np.asarray(mask.dataobj), np.asarray(image.dataobj) > spheres.BRIGHT)


def test_nifti_of_what_is_scaled_big_endian_or_has_time():
    scan = read(samples.scaled_nifti(2.0, 5.0))
    mask = nibabel.Nifti1Image.from_bytes(gzip.decompress(nifti_mask(scan.series[0], [np.ones((40, 36), bool)] * 8)))
    assert np.unique(np.asarray(mask.dataobj)).tolist() == [1]  # not scaled again
    assert mask.dataobj.slope == 1 and mask.dataobj.inter == 0
    big = read(samples.big_endian_nifti())
    written = gzip.decompress(nifti_mask(big.series[0], [pixels > 500 for pixels in big.slices]))
    image = nibabel.Nifti1Image.from_bytes(samples.big_endian_nifti())
    np.testing.assert_array_equal(np.asarray(nibabel.Nifti1Image.from_bytes(written).dataobj), np.asarray(image.dataobj) > 500)
    values = np.stack([spheres.sphere().transpose(2, 1, 0)] * 2, axis=-1)
    mask = written_nifti(nibabel.Nifti1Image(values, np.diag([1.25, 1.5, 3, 1])).to_bytes())
    assert mask.shape == values.shape[:3]


def test_nifti_is_the_same_each_time():
    """No time of writing in the gzip's header."""
    scan = read(spheres.nifti())
    assert nifti_mask(scan.series[0], masks_of(scan)) == nifti_mask(scan.series[0], masks_of(scan))


@pytest.mark.parametrize("make", [spheres.dicom_zip, spheres.multi_frame])
def test_nifti_of_dicom_lies_where_the_patient_lay(make):
    mask = written_nifti(make())
    assert mask.shape == spheres.SHAPE[::-1]
    np.testing.assert_array_equal(np.asarray(mask.dataobj), (spheres.sphere() > spheres.BRIGHT).transpose(2, 1, 0))
    start = 0 if make is spheres.dicom_zip else 5
    corner = nibabel.affines.apply_affine(mask.affine, [4, 5, 6])  # DICOM: to the left, back and top
    np.testing.assert_allclose(corner, [10 - 1.25 * 4, 20 - 1.5 * 5, start + 3.0 * 6])
    assert mask.header.get_xyzt_units()[0] == "mm"


# --- DICOM SEG


def test_seg_of_a_series():
    files = spheres.dicom_files()
    ds = written_seg(spheres.dicom_zip())
    expected = spheres.sphere() > spheres.BRIGHT
    ids = spheres.uids(files)
    seg = highdicom.seg.Segmentation.from_dataset(ds)
    pixels = seg.get_pixels_by_source_instance(ids, assert_missing_frames_are_empty=True)
    np.testing.assert_array_equal(pixels[..., 0], expected)
    assert [str(ref.ReferencedSOPInstanceUID) for ref in ds.ReferencedSeriesSequence[0].ReferencedInstanceSequence] == ids
    assert ds.ReferencedSeriesSequence[0].SeriesInstanceUID == "1.2.3.4.5"
    assert int(ds.NumberOfFrames) == expected.any((1, 2)).sum() < len(files)
    # every frame lies where the image that it refers to lies
    places = {uid: [-10.0, -20.0, spheres.SPACING[0] * i] for i, uid in enumerate(ids)}
    for group in ds.PerFrameFunctionalGroupsSequence:
        uid = group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        assert group.PlanePositionSequence[0].ImagePositionPatient == places[uid]
    shared = ds.SharedFunctionalGroupsSequence[0]
    assert shared.PixelMeasuresSequence[0].PixelSpacing == [1.5, 1.25]
    assert shared.PlaneOrientationSequence[0].ImageOrientationPatient == [1, 0, 0, 0, 1, 0]


def test_seg_says_who_drew_it():
    ds = written_seg(spheres.dicom_zip())
    (segment,) = ds.SegmentSequence
    (algorithm,) = segment.SegmentationAlgorithmIdentificationSequence
    assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion) == ("EarlyMed", "1.2.test")
    assert (segment.SegmentAlgorithmType, segment.SegmentLabel) == ("AUTOMATIC", "Tumor outline")
    assert (ds.Manufacturer, ds.SoftwareVersions, ds.Modality) == ("EarlyMed", "1.2.test", "SEG")
    assert (ds.SegmentationType, ds.ContentLabel) == ("BINARY", "TUMOR_OUTLINE")


def test_seg_belongs_to_the_patient_and_the_study():
    ds = written_seg(spheres.dicom_zip(StudyDate="20200102", AccessionNumber="A1", PatientSex="F"))
    assert (ds.PatientName, ds.PatientID, ds.PatientBirthDate) == (samples.PATIENT, "PLANTED-4711", "19010203")
    assert (ds.StudyInstanceUID, ds.StudyDate, ds.AccessionNumber, ds.PatientSex) == ("1.2.3.4", "20200102", "A1", "F")
    assert ds.FrameOfReferenceUID == spheres.FRAME_OF_REFERENCE["FrameOfReferenceUID"]
    assert ds.SeriesInstanceUID != "1.2.3.4.5"


def test_seg_says_that_its_images_were_compressed_with_loss():
    assert written_seg(spheres.dicom_zip(LossyImageCompression="01")).LossyImageCompression == "01"
    assert written_seg(spheres.dicom_zip()).LossyImageCompression == "00"


def test_seg_keeps_names_of_other_alphabets():
    ds = written_seg(spheres.dicom_zip(SpecificCharacterSet="ISO_IR 192", PatientName="Ωmega^Ζωή"))
    assert ds.PatientName == "Ωmega^Ζωή"


def test_seg_takes_nothing_over_that_it_need_not():
    more = {
        "PatientComments": "Zebulonplant",
        "InstitutionName": "Zebulonplant",
        "StudyDescription": "Zebulonplant",
        "SeriesDescription": "Zebulonplant",
        "Manufacturer": "Zebulonplant",
        "StationName": "Zebulonplant",
        "OtherPatientIDs": ["Zebulonplant"],
        "PatientAge": "099Y",
    }
    ds = written_seg(spheres.dicom_zip(**more))
    assert "Zebulonplant" not in str(ds) and "099Y" not in str(ds)
    assert samples.PATIENT in str(ds)


def test_seg_leaves_out_what_is_not_valid():
    ds = written_seg(
        spheres.dicom_zip(PatientBirthDate="long ago", PatientSex="UNKNOWN", AccessionNumber="longer than sixteen")
    )
    assert (ds.PatientBirthDate, ds.PatientSex, ds.AccessionNumber) == ("", "", "")
    assert ds.PatientName == samples.PATIENT


def test_seg_of_a_multi_frame_file():
    ds = written_seg(spheres.multi_frame())
    expected = spheres.sphere() > spheres.BRIGHT
    seg = highdicom.seg.Segmentation.from_dataset(ds)
    source = spheres.uids([spheres.multi_frame()])[0]
    pixels = seg.get_pixels_by_source_frame(source, range(1, 25), assert_missing_frames_are_empty=True)
    np.testing.assert_array_equal(pixels[..., 0], expected)


def test_seg_of_one_of_two_echoes_in_a_multi_frame_file():
    """Its frames keep their numbers in that file: the second echo's follow those of the first."""
    both = samples.enhanced(np.concatenate([spheres.sphere()] * 2), slope=1.0, **spheres.FRAME_OF_REFERENCE)
    groups = both.PerFrameFunctionalGroupsSequence
    for first, second in zip(groups[:24], groups[24:], strict=True):
        second.PlanePositionSequence = first.PlanePositionSequence
    scan = read(samples.save(both))
    assert [len(series) for series in scan.series] == [24, 24]
    second = scan.series[1]
    ds = pydicom.dcmread(io.BytesIO(seg_mask(second, masks_of(scan, second), "1")))
    sources = [g.DerivationImageSequence[0].SourceImageSequence[0] for g in ds.PerFrameFunctionalGroupsSequence]
    numbers = sorted(int(source.ReferencedFrameNumber) for source in sources)
    assert numbers == [25 + i for i in np.flatnonzero((spheres.sphere() > spheres.BRIGHT).any((1, 2)))]


def test_seg_of_a_single_slice():
    scan = read(samples.dicom(**spheres.FRAME_OF_REFERENCE))
    mask = np.zeros((40, 36), bool)
    mask[3:9, 4:7] = True
    ds = pydicom.dcmread(io.BytesIO(seg_mask(scan.series[0], [mask], "1")))
    np.testing.assert_array_equal(ds.pixel_array, mask)


def test_seg_without_a_finding_has_every_frame_and_no_pixel():
    ds = written_seg(spheres.dicom_zip(), [np.zeros(spheres.SHAPE[1:], bool)] * 24)
    assert int(ds.NumberOfFrames) == 24
    assert not ds.pixel_array.any()


def test_seg_where_orientations_differ_by_rounding():
    files = spheres.dicom_files()
    turn = {"ImageOrientationPatient": [1, 0, 0, 0, 0.999999, 1e-5]} | spheres.FRAME_OF_REFERENCE
    files[3] = samples.dicom(spheres.sphere()[3], position=9.0, number=97, **turn)
    ds = written_seg(samples.zipped({str(i): data for i, data in enumerate(files)}))
    assert ds.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0].ImageOrientationPatient == [1, 0, 0, 0, 1, 0]


# --- what cannot be


LACKS = "Received: DICOM without."


def several_multi_frame_files() -> bytes:
    low, high = spheres.sphere()[:12], spheres.sphere()[12:]
    second = samples.enhanced(high, slope=1.0, number=2, **spheres.FRAME_OF_REFERENCE)
    for i, group in enumerate(second.PerFrameFunctionalGroupsSequence):
        group.PlanePositionSequence[0].ImagePositionPatient = [-10, -20, 5 + 3 * (i + 12)]
    return samples.zipped({"a": spheres.multi_frame(low), "b": samples.save(second)})


@pytest.mark.parametrize(
    ("make", "format", "message"),
    [
        (spheres.nifti, "seg", "Expected DICOM for a mask as DICOM SEG. Received: NIfTI."),
        (lambda: pages(4), "seg", "Expected DICOM for a mask as DICOM SEG. Received: pictures, which have no place in space."),
        (
            lambda: pages(4),
            "nifti",
            "Expected NIfTI, or DICOM slices with positions at even distances, for a mask as NIfTI. "
            "Received: pictures, which have no place in space.",
        ),
        (
            lambda: spheres.dicom_zip(ImagePositionPatient=None),
            "nifti",
            "Expected NIfTI, or DICOM slices with positions at even distances, for a mask as NIfTI. "
            "Received: DICOM without them.",
        ),
        (
            lambda: spheres.dicom_zip(ImagePositionPatient=None),
            "seg",
            f"Expected ImagePositionPatient of every slice for a DICOM SEG. {LACKS}",
        ),
        (
            lambda: spheres.dicom_zip(FrameOfReferenceUID=""),
            "seg",
            f"Expected a valid FrameOfReferenceUID for a DICOM SEG. {LACKS}",
        ),
        (
            lambda: spheres.dicom_zip(StudyInstanceUID="no uid"),
            "seg",
            f"Expected a valid StudyInstanceUID for a DICOM SEG. {LACKS}",
        ),
        (
            lambda: samples.dicom(spheres.sphere(), **spheres.FRAME_OF_REFERENCE),
            "seg",
            f"Expected files of one frame each, or one multi-frame file that places each of them for a DICOM SEG. {LACKS}",
        ),
        (
            several_multi_frame_files,
            "seg",
            f"Expected files of one frame each, or one multi-frame file that places each of them for a DICOM SEG. {LACKS}",
        ),
        (
            lambda: spheres.dicom_zip(SOPClassUID="1.2.3.99"),
            "seg",
            "Expected complete DICOM for a DICOM SEG. Received: DICOM that lacks something.",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_written_is_told(app, make, format, message):
    scan = read(make())
    series = scan.series[0]
    with pytest.raises(ExportError) as caught:
        volume_mask(format, series, masks_of(scan, series), "1")
    assert str(caught.value) == message
    with app.test_request_context(headers={"Accept-Language": "es"}):
        assert "lang" not in said(message) and told(message).startswith("Se esperaba")


def test_one_mask_for_each_slice():
    scan = read(spheres.nifti())
    for format in ("nifti", "seg"):
        with pytest.raises(ValueError, match=r"^Expected masks of the series' 24 slices\. Received: 23$"):
            volume_mask(format, scan.series[0], masks_of(scan)[1:], "1")
