"""The pixels of a DICOM data set, by pydicom: decoded within limits, then brought to gray as PS3.4, N.2 orders it.

Modality LUT or rescale (PS3.3, C.11.1), VOI LUT or window (C.11.2), MONOCHROME1 inverted (C.7.6.3.1.2).

The window is followed only where it cuts little away. `preprocess` windows by percentiles, so a window that holds a slice's
values changes nothing but outliers: burnt-in text, a spike. A narrow one is set to look at one tissue, and would cut off
what speaks for or against a tumor in the others.
"""

import re
from collections.abc import Iterator

import numpy as np
from pydicom import Dataset
from pydicom.encaps import generate_frames
from pydicom.pixels import get_decoder, processing
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from model.formats import codecs
from model.formats.common import Budget, ReadError, UnsupportedFormat, only_finite
from model.formats.parts import check_jpeg

codecs.register()

# One decoder for each compression, not whichever is installed: GDCM, which pydicom would ask first, crashes on damaged data.
PLUGINS = {
    RLELossless: codecs.LABEL,
    JPEGBaseline8Bit: "pillow",
    JPEGExtended12Bit: "pylibjpeg",
    JPEGLossless: codecs.LABEL,
    JPEGLosslessSV1: codecs.LABEL,
    JPEGLSLossless: codecs.LABEL,
    JPEGLSNearLossless: codecs.LABEL,
    **dict.fromkeys((JPEG2000, JPEG2000Lossless, HTJ2K, HTJ2KLossless, HTJ2KLosslessRPCL), "pylibjpeg"),
}
EXPECTED = "Expected a DICOM image of a compression that is read."
NEEDS = "pylibjpeg-libjpeg"  # GPL, so it is not installed with the project
START_OF_FRAME = re.compile(rb"[\xc0-\xc3\xc5-\xc7\xc9-\xcb\xcd-\xcf\xf7]")
MAX_SATURATED = 0.02  # of a slice's pixels
TISSUE = 0.05  # of the pixels brighter than the mean may be darker than the window


def decode(ds: Dataset, budget: Budget) -> Iterator[np.ndarray]:
    """Yield the frames as they are stored: (rows, columns), or RGB (rows, columns, 3).

    Raises:
        UnsupportedFormat: a compression that is not read here.
        OverLimit: too large; asked before anything is decoded.
        Exception: whatever pydicom and its decoders raise for damaged data.
    """
    rows, columns, frames = (int(ds.get(keyword) or n) for keyword, n in (("Rows", 0), ("Columns", 0), ("NumberOfFrames", 1)))
    if min(rows, columns, frames) < 1:
        raise ReadError("The DICOM file is damaged: its image has no size.")
    budget.take(rows, columns, frames)
    syntax = UID(ds.file_meta.TransferSyntaxUID)
    if syntax.is_private or not syntax.is_transfer_syntax:
        raise UnsupportedFormat(f"{EXPECTED} Received: a compression of its maker's own.")
    plugin = ""
    if syntax.is_encapsulated:
        plugin = _plugin(ds, syntax)
        for frame in generate_frames(ds.PixelData, number_of_frames=frames):
            if syntax != RLELossless and _size(frame) != (rows, columns):
                raise ReadError("The DICOM file is damaged: its compressed image has another size than its header says.")
            if plugin == "pillow":
                check_jpeg(frame)
    decoder = get_decoder(syntax)
    for frame, facts in decoder.iter_array(ds, decoding_plugin=plugin, allow_excess_frames=False):
        if facts["photometric_interpretation"] == "PALETTE COLOR":
            if "SegmentedRedPaletteColorLookupTableData" in ds:  # a few bytes of these can stand for gigabytes
                raise UnsupportedFormat("Expected a gray DICOM image. Received: one with a segmented palette.")
            frame = processing.apply_color_lut(frame, ds)
        yield frame


def _plugin(ds: Dataset, syntax: UID) -> str:
    if syntax not in PLUGINS:
        raise UnsupportedFormat(f"{EXPECTED} Received: {syntax.name}.")
    plugin = PLUGINS[syntax]
    if syntax == JPEGExtended12Bit and int(ds.BitsStored) == 8:
        plugin = "pillow"
    if syntax == JPEGLossless and not _is_first_order(ds):
        plugin = "pylibjpeg"
    if plugin not in get_decoder(syntax).available_plugins:
        raise UnsupportedFormat(f"{EXPECTED} Received: {syntax.name}, which needs {NEEDS}.")
    return plugin


def _is_first_order(ds: Dataset) -> bool:
    """Does the first frame's scan predict from the left, and hold all components, as jpeg_lossless asks?"""
    frame = next(generate_frames(ds.PixelData, number_of_frames=int(ds.get("NumberOfFrames") or 1)))
    place = frame.find(b"\xff\xda")
    components = frame[place + 4]
    return components == int(ds.SamplesPerPixel) and frame[place + 5 + 2 * components] == 1


def _size(frame: bytes) -> tuple[int, int] | None:
    """(height, width) that a compressed frame claims, so that a small one cannot ask for gigabytes; None when it does not.

    From the start-of-frame marker of JPEG and JPEG-LS (T.81, B.2.2) or the SIZ marker of JPEG 2000 (T.800, A.5.1).
    """
    place = 0
    if frame[:2] == b"\xff\xd8":
        place = 2
        while place + 9 <= len(frame):
            if frame[place] != 0xFF:
                return None
            if START_OF_FRAME.match(frame, place + 1):
                return int.from_bytes(frame[place + 5 : place + 7]), int.from_bytes(frame[place + 7 : place + 9])
            if frame[place + 1] == 0xFF:  # markers may be preceded by any number of these
                place += 1
                continue
            place += 2 + int.from_bytes(frame[place + 2 : place + 4])
    while frame[4:8] == b"jP  " and frame[place + 4 : place + 8] != b"jp2c":  # boxes around the stream (T.800, I.4)
        length = int.from_bytes(frame[place : place + 4])
        if length < 8:
            return None
        place += length
    place += 8 * (frame[place + 4 : place + 8] == b"jp2c")
    if frame[place : place + 4] == b"\xff\x4f\xff\x51":
        width, height, left, top = (int.from_bytes(frame[place + 8 + 4 * i : place + 12 + 4 * i]) for i in range(4))
        return height - top, width - left
    return None


def to_display(values: np.ndarray, ds: Dataset, facts: dict) -> np.ndarray:
    """Gray values as they are meant to be seen, bright is bright; color is returned as it is.

    Args:
        values: (H, W) as stored, or (H, W, 3).
        ds: the data set; its LUT sequences are used.
        facts: RescaleSlope, RescaleIntercept, WindowCenter, WindowWidth, VOILUTFunction of this frame, where given.
    """
    if values.ndim == 3:
        return values
    padding = _padding(values, ds)
    inverted = ds.get("PhotometricInterpretation") == "MONOCHROME1"
    tables = {keyword: ds.get(keyword) for keyword in ("ModalityLUTSequence", "VOILUTSequence")}
    if tables["ModalityLUTSequence"]:
        values = look_up(values, tables["ModalityLUTSequence"][0], ds.original_encoding[1])
    else:
        values = rescale(values, facts.get("RescaleSlope"), facts.get("RescaleIntercept"))
    if tables["VOILUTSequence"]:
        values = look_up(values, tables["VOILUTSequence"][0], ds.original_encoding[1])
    else:
        values = clip_to_window(values, facts)
    if inverted:
        values = values.max() - values + values.min() if values.dtype.kind == "f" else ~values
    if padding is not None:
        values = np.where(padding, values[~padding].min(), values)
    return only_finite(values)


def look_up(values: np.ndarray, item: Dataset, little_endian: bool) -> np.ndarray:
    """Through a table of uint8 or uint16 (PS3.3, C.11.1.1 and C.11.2.1.1); what lies beyond its ends takes their value."""
    count, first, _ = (int(n) for n in item.LUTDescriptor)
    table = item.LUTData
    if isinstance(table, bytes):
        dtype = "u1" if len(table) in (count, count + 1) else "<u2" if little_endian else ">u2"
        table = np.frombuffer(table, dtype)
    table = np.asarray(table, np.uint16)[: count or 1 << 16]
    with np.errstate(invalid="ignore"):
        places = np.clip(np.rint(np.clip(values, -(2.0**31), 2.0**31)).astype(np.int64) - first, 0, len(table) - 1)
    return table[places]


def rescale(values: np.ndarray, slope: float | None, intercept: float | None) -> np.ndarray:
    """As float32, or unchanged where there is nothing to do."""
    slope = 1.0 if slope is None else slope
    intercept = 0.0 if intercept is None else intercept
    if (slope, intercept) == (1.0, 0.0) or slope == 0:
        return values
    scaled = np.empty(values.shape, np.float32)
    with np.errstate(over="ignore"):
        for row, stored in zip(scaled, values, strict=True):  # one at a time: of the whole the double precision would stay
            row[:] = stored * slope + intercept
    return scaled


def clip_to_window(values: np.ndarray, facts: dict) -> np.ndarray:
    """Clip to the window (PS3.3, C.11.2.1.2), where that saturates few pixels and leaves the tissue its darks.

    Clipping is all: between its ends a window is a scale, which `preprocess` undoes. A sigmoid has no ends.
    """
    center, width, function = facts.get("WindowCenter"), facts.get("WindowWidth"), facts.get("VOILUTFunction")
    if center is None or width is None or width < 1 or function == "SIGMOID":
        return values
    if function != "LINEAR_EXACT":
        center, width = center - 0.5, width - 1
    low, high = center - width / 2, center + width / 2
    saturated = (values > high).mean()
    tissue = values[values > values.mean()]
    if saturated > MAX_SATURATED or not tissue.size or (tissue < low).mean() > TISSUE:
        return values
    return np.clip(values.astype(np.float32, copy=False), low, high)


def _padding(values: np.ndarray, ds: Dataset) -> np.ndarray | None:
    """Where the image is filled up to its rectangle (PS3.3, C.7.5.1.1.2), as stored; None when nowhere or everywhere."""
    value = ds.get("PixelPaddingValue")
    if not isinstance(value, int):
        return None
    other = ds.get("PixelPaddingRangeLimit")
    low, high = sorted((value, other if isinstance(other, int) else value))
    padding = (values >= low) & (values <= high)
    return padding if padding.any() and not padding.all() else None
