"""One file that is no ZIP: sniffed, unpacked if it is gzip, and given to its reader. Readers are imported when asked for."""

import zlib

from model.formats import raster
from model.formats.common import Budget, ReadError, Scan, UnsupportedFormat, damaged, inflate
from model.formats.sniffing import sniff

REFUSED = {
    "ZIP": "Expected files in a ZIP. Received: a ZIP in a ZIP.",
    "gzip": "Expected one file in a gzip. Received: a gzip in a gzip.",
    "Analyze": "Expected NIfTI. Received: Analyze 7.5, which does not tell left from right. Please convert it to NIfTI.",
    "NIfTI pair": "Expected NIfTI in one file. Received: the header of a pair (.hdr and .img). Please convert it to .nii.",
}


def decode(data: bytes, budget: Budget) -> Scan:
    """Read anything but a ZIP.

    Raises:
        UnsupportedFormat: not a format that is read.
        ReadError: of such a format, but damaged or over the limits.
    """
    kind = sniff(data)
    if kind == "gzip":
        data = open_gzip(data, budget)
        kind = sniff(data)
    if kind in REFUSED:
        raise UnsupportedFormat(REFUSED[kind])
    if kind == "DICOM":
        from model.formats import dicom

        return dicom.read(data, budget)
    if kind == "NIfTI":
        from model.formats import nifti

        return nifti.read(data, budget)
    return raster.read(data, kind, budget)


def open_gzip(data: bytes, budget: Budget) -> bytes:
    """What a gzip holds; see common.inflate."""
    try:
        return inflate(data, 31, budget)
    except ReadError:
        raise
    except (zlib.error, EOFError):
        raise damaged("gzip file") from None
