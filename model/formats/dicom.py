"""DICOM, by pydicom: what is no MR image is refused with its name, the rest becomes slices with their place in space."""

import io
import logging
import unicodedata
import uuid
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from itertools import chain

import numpy as np
import pydicom
from pydicom import Dataset
from pydicom.datadict import keyword_for_tag, tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from model.formats import dicom_pixels, dicom_terms
from model.formats.common import Budget, NotMR, ReadError, Scan, UnsupportedFormat, damaged, inflate

pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)  # its warnings quote values, and so may quote names

PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
# What a DICOM SEG of a file repeats of it or refers to, see model.segmentation; nothing else is kept once it is read.
KEPT = (
    "SpecificCharacterSet", "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyID", "StudyDate", "StudyTime",
    "AccessionNumber", "ReferringPhysicianName", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID",
    "FrameOfReferenceUID", "InstanceNumber", "NumberOfFrames", "ImagePositionPatient", "ImageOrientationPatient",
    "PixelSpacing", "SliceThickness", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
    "LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod",
)  # fmt: skip
# Preamble, and a transfer syntax: what is put before a data set that was inflated.
HEADER = bytes(128) + b"DICM" + b"\x02\0\x10\0UI\x14\0" + b"1.2.840.10008.1.2.1\0"
UNDEFINED = 0xFFFFFFFF  # length of an element that goes on to its delimiter
LARGEST = 1e12  # number that is taken for one; not-a-number is not smaller either
SMALLEST = 1e-6  # mm between pixels or slices; NIfTI's 32 bits make 0 of what is far below
NOT_SAID = "The DICOM file does not say that it is MR."
WRONG_PART = "The DICOM file says that it shows {}, not the head."
PART_NOT_SAID = "The DICOM file does not say that it shows the head."


@dataclass(frozen=True, eq=False, repr=False)
class DicomPlace:
    """What one frame belongs to, and where it lies there: all that stacking asks for, without pixels and person.

    Lengths are in mm, directions those of DICOM: to the patient's left, back and top (LPS).

    Attributes:
        shape: of its pixels.
        frame: its number in its file, from 0.
        instance: equal for frames of one file, and of its copies.
        uid: the SeriesInstanceUID; empty where the file names none.
        series: equal for frames of one series, shape and kind.
        number: to sort by where there is no position: series, instance and frame number.
        position: (3,) of the first pixel's center; orientation: (6,) of a row and of a column; or None.
        pixel_spacing: between rows and between columns; step: between slices as the file says; or None.
    """

    shape: tuple[int, ...]
    frame: int
    instance: str
    uid: str
    series: str
    number: tuple[int, int, int]
    position: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    pixel_spacing: tuple[float, ...] | None
    step: float | None


@dataclass(frozen=True, eq=False, repr=False)
class DicomSlice(DicomPlace):
    """One frame.

    Attributes:
        pixels: as it is meant to be seen.
        dataset: KEPT of the file's data set: it holds what identifies the patient.
    """

    pixels: np.ndarray
    dataset: Dataset
    name: str = ""

    @property
    def place(self) -> DicomPlace:
        """Of it that which can be kept of many."""
        return DicomPlace(**{field.name: getattr(self, field.name) for field in fields(DicomPlace)})


@dataclass(frozen=True, eq=False, repr=False)
class DicomOrigin:
    """The data sets that a series came from, for a writer of SEG. They identify the patient: never print or log them.

    Attributes:
        datasets: KEPT of those of each slice, in order; the same object again for frames of one file.
        frames: the frame number of each slice in its data set, from 0.
    """

    datasets: tuple[Dataset, ...]
    frames: tuple[int, ...]

    @classmethod
    def joined(cls, origins: Iterable["DicomOrigin"]) -> "DicomOrigin":
        """That of a series whose slices came as files of their own."""
        datasets, frames = zip(*((o.datasets, o.frames) for o in origins), strict=True)
        return cls(tuple(chain(*datasets)), tuple(chain(*frames)))


def read(data: bytes, budget: Budget) -> Scan:
    """Read one file. See `read_slices` for what is raised."""
    from model.formats.stacking import stack

    slices, notes = read_slices(data, budget)
    slices, series, further = stack(slices)
    places = tuple(s.place for s in slices)
    return Scan("DICOM", [s.pixels for s in slices], series, (*notes, *further), places=places)


def read_slices(data: bytes, budget: Budget, name: str = "") -> tuple[list[DicomSlice], list[str]]:
    """The frames of one file as they are stored, and notes for the user.

    Raises:
        NotMR: another modality.
        UnsupportedFormat: no image, a directory, a mosaic, or a compression that is not read.
        ReadError: damaged, cut short, or over the limits.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ds = parse(data, budget)
            notes = list(check(ds))
            return list(_frames(ds, budget, name)), notes
    except ReadError:
        raise
    except Exception:  # pydicom decodes values when they are asked for, and raises whatever they lead it into
        raise damaged("DICOM file") from None


def parse(data: bytes, budget: Budget) -> Dataset:
    """The data set, with a transfer syntax; a deflated one is inflated within the budget."""
    start = 132 if data[128:132] == b"DICM" else 0
    if DeflatedExplicitVRLittleEndian.encode() in data:  # pydicom would inflate it to whatever size it has
        stream = io.BytesIO(data[start:])
        meta = pydicom.filereader.read_dataset(stream, False, True, stop_when=lambda tag, vr, length: tag.group != 2)
        if UID(meta.get("TransferSyntaxUID", "")) == DeflatedExplicitVRLittleEndian:
            data = HEADER + inflate(stream.read(), -15, budget)
    ds = pydicom.dcmread(io.BytesIO(data), force=start == 0)
    if ends_early(ds):
        raise damaged("DICOM file")
    if "TransferSyntaxUID" not in ds.file_meta:
        implicit, little = ds.original_encoding
        explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit
    return ds


def ends_early(ds: Dataset) -> bool:
    """Does the file end before its first element, or within its last one, where pydicom simply stops?

    Pixels are not asked: some programs leave out the byte that makes their number even.
    """
    last = ds.get_item(max(ds.keys())) if ds else None
    if isinstance(last, RawDataElement) and last.length != UNDEFINED and keyword_for_tag(last.tag) not in PIXELS:
        return len(last.value or b"") < last.length
    return last is None


def check(ds: Dataset) -> Iterator[str]:
    """Yield notes for the user; raise for what is no MR image. Nothing is repeated that is not in dicom_terms."""
    kind = UID(str(ds.get("SOPClassUID") or ds.file_meta.get("MediaStorageSOPClassUID") or ""))
    if "DirectoryRecordSequence" in ds or kind.name == "Media Storage Directory Storage":
        raise UnsupportedFormat(
            "Expected a DICOM image. Received: a DICOMDIR, the list of a disc's files. Please choose these, or a ZIP of them."
        )
    if kind.name.startswith("Encapsulated "):
        raise UnsupportedFormat(f"Expected a DICOM image. Received: {kind.name.removesuffix(' Storage')}.")
    modality = str(ds.get("Modality") or "").strip().upper()
    if modality in dicom_terms.MODALITIES:
        raise NotMR(f"Expected an MR image. Received: {modality}, {dicom_terms.MODALITIES[modality]}.")
    if modality != "MR" and not kind.name.startswith(("MR ", "Enhanced MR ", "Legacy Converted Enhanced MR ")):
        if modality not in dicom_terms.UNTOLD:
            raise NotMR("Expected an MR image. Received: DICOM of another modality.")
        yield NOT_SAID
    if not any(keyword in ds for keyword in PIXELS):
        if kind.name.endswith("Image Storage") and "Rows" not in ds:  # it ended between two elements
            raise damaged("DICOM file")
        raise UnsupportedFormat("Expected a DICOM image. Received: a DICOM file without one.")
    if "MOSAIC" in (ds.get("ImageType") or ()):
        raise UnsupportedFormat("Expected single slices. Received: a mosaic of them. Please export it as single slices.")
    said = unicodedata.normalize("NFKD", str(ds.get("BodyPartExamined") or ""))  # letters, and accents apart from them
    part = "".join(filter(str.isalpha, said.upper()))
    if part and not part.startswith(dicom_terms.HEAD_AT_START) and not any(word in part for word in dicom_terms.HEAD):
        known = dicom_terms.BODY_PARTS.get(part)
        yield WRONG_PART.format(known) if known else PART_NOT_SAID


def _frames(ds: Dataset, budget: Budget, name: str) -> Iterator[DicomSlice]:
    frames = list(enumerate(dicom_pixels.decode(ds, budget)))
    key = "|".join(str(ds.get(tag, "")) for tag in ("SeriesInstanceUID", "Rows", "Columns", "SamplesPerPixel"))
    instance = str(ds.get("SOPInstanceUID") or uuid.uuid4())
    numbers = tuple(int(_number(ds.get(tag)) or 0) for tag in ("SeriesNumber", "InstanceNumber"))
    for keyword in PIXELS:  # they are decoded
        ds.pop(keyword, None)
    kept = only_kept(ds)
    for index, values in frames:
        group = FrameFacts(ds, index)
        display = {
            "RescaleSlope": _number(group.get("PixelValueTransformationSequence", "RescaleSlope")),
            "RescaleIntercept": _number(group.get("PixelValueTransformationSequence", "RescaleIntercept")),
            "WindowCenter": _number(group.get("FrameVOILUTSequence", "WindowCenter")),
            "WindowWidth": _number(group.get("FrameVOILUTSequence", "WindowWidth")),
            "VOILUTFunction": str(group.get("FrameVOILUTSequence", "VOILUTFunction") or ""),
        }
        spacing = _numbers(group.get("PixelMeasuresSequence", "PixelSpacing"), 2)
        steps = [_number(group.get("PixelMeasuresSequence", tag)) for tag in ("SpacingBetweenSlices", "SliceThickness")]
        pixels = dicom_pixels.to_display(values, ds, display)
        yield DicomSlice(
            shape=pixels.shape,
            frame=index,
            instance=instance,
            uid=str(ds.get("SeriesInstanceUID") or "").strip(),
            series=f"{key}|{group.get('FrameContentSequence', 'StackID') or ''}",
            number=(*numbers, index),
            position=_numbers(group.get("PlanePositionSequence", "ImagePositionPatient", fallback=len(frames) == 1), 3),
            orientation=_numbers(group.get("PlaneOrientationSequence", "ImageOrientationPatient"), 6),
            pixel_spacing=spacing if spacing and min(spacing) > SMALLEST else None,
            step=next((step for step in steps if step and step > SMALLEST), None),
            pixels=pixels,
            dataset=kept,
            name=name,
        )


def only_kept(ds: Dataset) -> Dataset:
    """KEPT of a data set, which itself holds on to the whole file that it was read from."""
    tags = [tag for tag in map(tag_for_keyword, KEPT) if tag in ds]
    kept = Dataset({tag: ds.get_item(tag) for tag in tags})
    kept.set_original_encoding(*ds.original_encoding, ds.original_character_set)
    return kept


class FrameFacts:
    """What holds for one frame: its own functional group, the one all frames share, or the data set (PS3.3, C.7.6.16)."""

    def __init__(self, ds: Dataset, frame: int):
        own, shared = ds.get("PerFrameFunctionalGroupsSequence"), ds.get("SharedFunctionalGroupsSequence")
        self.places = [own[frame]] if own and frame < len(own) else []
        self.places += [shared[0]] if shared else []
        self.ds = ds

    def get(self, group: str, keyword: str, fallback: bool = True):
        """The value, or None. Without `fallback` the data set itself is not asked: its position is its first frame's."""
        for place in self.places:
            items = place.get(group)
            if items and keyword in items[0]:
                return items[0][keyword].value
        return self.ds.get(keyword) if fallback else None


def _numbers(value, count: int) -> tuple[float, ...] | None:
    """`count` numbers that can be reckoned with, or None."""
    try:
        values = tuple(float(v) for v in value)
    except (TypeError, ValueError):
        return None
    return values if len(values) == count and all(abs(v) < LARGEST for v in values) else None


def _number(value) -> float | None:
    """A finite number, the first of several, or None."""
    if isinstance(value, Iterable) and not isinstance(value, str):
        value = next(iter(value), None)
    numbers = _numbers((value,), 1)
    return numbers[0] if numbers else None
