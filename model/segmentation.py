"""DICOM SEG (PS3.3, A.51), by highdicom: the outlines of a DICOM series, so that a viewer lays them over its images.

**A SEG identifies the patient.** The standard files it in the patient's study, so it must repeat who that is, and refer to
every image. What it must hold is copied (`PATIENT`, `STUDY`), nothing else of the input: no comment, institution, device.
Give it to whoever sent the series, and keep none.
"""

import io
import logging
import warnings
from collections.abc import Sequence

import numpy as np
from pydicom import Dataset, config
from pydicom.datadict import dictionary_VR
from pydicom.uid import UID
from pydicom.valuerep import validate_value

from model.exports import ExportError
from model.formats.dicom import DicomOrigin, FrameFacts

PATIENT = ("PatientID", "PatientName", "PatientBirthDate", "PatientSex")
STUDY = ("StudyID", "StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName")  # may be empty, as PATIENT may
REFERENCES = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID", "FrameOfReferenceUID")
OPTIONAL = (
    "SpecificCharacterSet",
    "LossyImageCompression",
    "LossyImageCompressionRatio",
    "LossyImageCompressionMethod",
)
SAME = 1e-4  # difference of direction cosines that is no other orientation
NAME = "EarlyMed"
DESCRIPTION = "Tumor outline by a network; research only"

logging.getLogger("highdicom").setLevel(logging.CRITICAL + 1)  # it quotes the values that it copies


def write(origin: DicomOrigin, masks: Sequence[np.ndarray], version: str) -> bytes:
    """The masks as a binary SEG with one segment, "Tumor outline"; frames without a pixel of it are left out.

    Args:
        masks: bool (H, W), one for each slice of the series, in order.
        version: the model's; it stands in the segment's AlgorithmIdentificationSequence.

    Raises:
        ExportError: the series lacks identifiers, positions or a frame of reference, or consists of several multi-frame files.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _write(origin, np.stack(masks), version)
    except ExportError:
        raise
    except Exception:  # highdicom and pydicom raise whatever the input leads them into, in words that quote it
        raise ExportError("Expected complete DICOM for a DICOM SEG. Received: DICOM that lacks something.") from None


def is_possible(origin: DicomOrigin, shape: tuple[int, int]) -> bool:
    """Whether the series, of slices of this `shape`, has what `write` needs of it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sources(origin, shape)
    except Exception:  # pydicom decodes values when they are asked for, and raises whatever they lead it into
        return False
    return True


def _write(origin: DicomOrigin, masks: np.ndarray, version: str) -> bytes:
    import highdicom
    from pydicom.sr.codedict import codes

    algorithm = highdicom.AlgorithmIdentificationSequence(NAME, codes.cid7162.ArtificialIntelligence, version)
    segment = highdicom.seg.SegmentDescription(
        segment_number=1,
        segment_label="Tumor outline",
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=codes.SCT.Neoplasm,
        algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=algorithm,
    )
    seg = highdicom.seg.Segmentation(
        source_images=sources(origin, masks.shape[1:]),
        pixel_array=masks.astype(np.uint8),
        segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[segment],
        series_instance_uid=highdicom.UID(),
        series_number=1,
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer=NAME,
        manufacturer_model_name=NAME,
        software_versions=version,
        device_serial_number=version,
        content_label="TUMOR_OUTLINE",
        series_description=DESCRIPTION,
    )
    _number_frames(seg, origin)
    buffer = io.BytesIO()
    seg.save_as(buffer)
    return buffer.getvalue()


def sources(origin: DicomOrigin, shape: tuple[int, int]) -> list[Dataset]:
    """What highdicom needs of the images, and nothing else of them: one data set for each, or one for all frames of a file.

    Raises:
        ExportError: see `write`.
    """
    facts = [FrameFacts(ds, frame) for ds, frame in zip(origin.datasets, origin.frames, strict=True)]
    first = origin.datasets[0]
    if not any("PerFrameFunctionalGroupsSequence" in ds or _frames(ds) > 1 for ds in origin.datasets):
        geometry = [_geometry(one, True) for one in facts]
        return [_image(ds, shape, _even(own, geometry[0])) for ds, own in zip(origin.datasets, geometry, strict=True)]
    if any(ds is not first for ds in origin.datasets) or "PerFrameFunctionalGroupsSequence" not in first:
        raise _lacking("files of one frame each, or one multi-frame file that places each of them")
    geometry = [_geometry(one, _frames(first) == 1) for one in facts]
    shared = _even(geometry[0], geometry[0])
    image = _image(first, shape, {"NumberOfFrames": len(facts)})
    measures = {name: shared[name] for name in ("PixelSpacing", "SliceThickness")}
    orientation = {"ImageOrientationPatient": shared["ImageOrientationPatient"]}
    image.SharedFunctionalGroupsSequence = [
        _item(PixelMeasuresSequence=[_item(**measures)], PlaneOrientationSequence=[_item(**orientation)])
    ]
    places = [_item(ImagePositionPatient=_even(own, geometry[0])["ImagePositionPatient"]) for own in geometry]
    image.PerFrameFunctionalGroupsSequence = [_item(PlanePositionSequence=[place]) for place in places]
    return [image]


def _image(ds: Dataset, shape: tuple[int, int], more: dict) -> Dataset:
    """The identifiers of one file. What may be empty is where its value is not valid."""
    image = _item(Rows=shape[0], Columns=shape[1], Modality="MR", **more)
    for keyword in OPTIONAL:
        if keyword in ds:
            setattr(image, keyword, ds[keyword].value)
    for keyword in REFERENCES:
        value = UID(str(ds.get(keyword) or ""))
        if not value.is_valid:
            raise _lacking(f"a valid {keyword}")
        setattr(image, keyword, value)
    for keyword in (*PATIENT, *STUDY):
        value = ds.get(keyword)
        setattr(image, keyword, value if value and _is_valid(keyword, value) else None)
    return image


def _is_valid(keyword: str, value) -> bool:
    try:
        validate_value(dictionary_VR(keyword), str(value), config.RAISE)
    except ValueError:
        return False
    return keyword != "PatientSex" or value in ("M", "F", "O")


def _geometry(facts: FrameFacts, single: bool) -> dict:
    """Where a frame lies. Its own values, not those that were reckoned from them."""
    values = {
        "ImagePositionPatient": facts.get("PlanePositionSequence", "ImagePositionPatient", fallback=single),
        "ImageOrientationPatient": facts.get("PlaneOrientationSequence", "ImageOrientationPatient"),
        "PixelSpacing": facts.get("PixelMeasuresSequence", "PixelSpacing"),
    }
    for (keyword, value), count in zip(values.items(), (3, 6, 2), strict=True):
        if value is None or len(value) != count:
            raise _lacking(f"{keyword} of every slice")
    thickness = facts.get("PixelMeasuresSequence", "SliceThickness")
    return values | {"SliceThickness": thickness or None}


def _even(own: dict, first: dict) -> dict:
    """The geometry with the orientation of the first slice, when they differ by no more than rounding."""
    turns = np.subtract(
        [float(v) for v in own["ImageOrientationPatient"]], [float(v) for v in first["ImageOrientationPatient"]]
    )
    if abs(turns).max() > SAME:
        raise _lacking("slices of one orientation")
    return own | {"ImageOrientationPatient": first["ImageOrientationPatient"]}


def _number_frames(seg: Dataset, origin: DicomOrigin) -> None:
    """Frames of a multi-frame file under their own numbers: `sources` gave highdicom only those of the series."""
    for group in seg.PerFrameFunctionalGroupsSequence:
        for source in group.DerivationImageSequence[0].SourceImageSequence:
            if "ReferencedFrameNumber" in source:
                source.ReferencedFrameNumber = origin.frames[int(source.ReferencedFrameNumber) - 1] + 1


def _frames(ds: Dataset) -> int:
    return int(ds.get("NumberOfFrames") or 1)


def _item(**values) -> Dataset:
    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item


def _lacking(what: str) -> ExportError:
    return ExportError(f"Expected {what} for a DICOM SEG. Received: DICOM without.")
