"""Bytes in, slices out. The format is read from the bytes; a file's name is never asked.

    scan = read(data)
    for series in scan.series:
        volume = scan.slices[series.start : series.stop]

docs/formats.md lists what is read and what is refused, with the words that a user sees.
"""

from model.formats import archive, single
from model.formats.common import (
    Budget,
    EmptyFile,
    Limits,
    NotMR,
    OverLimit,
    ReadError,
    Scan,
    Series,
    UnsupportedFormat,
)
from model.formats.sniffing import sniff

__all__ = [
    "FORMATS", "LIMITS", "Budget", "EmptyFile", "Limits", "NotMR", "OverLimit", "ReadError", "Scan", "Series",
    "UnsupportedFormat", "read", "read_within",
]  # fmt: skip

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "DICOM", "NIfTI", "ZIP")
LIMITS = Limits()


def read(data: bytes, limits: Limits = LIMITS) -> Scan:
    """Decode a file's bytes, in memory.

    Raises:
        EmptyFile: no bytes.
        UnsupportedFormat: not one of FORMATS, or of a kind that is not read; NotMR for DICOM of another modality.
        ReadError: of such a format, but damaged; OverLimit for more than the limits allow.
    """
    return read_within(Budget(limits, len(data)), data)


def read_within(budget: Budget, data: bytes) -> Scan:
    """The same; the budget tells afterwards what was taken of the limits that further files share."""
    if sniff(data) == "ZIP":
        return archive.read(data, budget)
    return single.decode(data, budget)
