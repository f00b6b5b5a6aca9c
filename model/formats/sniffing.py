"""What kind of file bytes are, by their first few. A file's name is never asked."""

from model.formats.common import EXPECTED, EmptyFile, UnsupportedFormat

# format -> how it begins; None stands for any byte
MAGICS = (
    ("PNG", b"\x89PNG\r\n\x1a\n"),
    ("JPEG", b"\xff\xd8\xff"),
    ("BMP", b"BM"),
    ("TIFF", b"II*\0"),
    ("TIFF", b"MM\0*"),
    ("TIFF", b"II+\0"),
    ("TIFF", b"MM\0+"),
    ("ZIP", b"PK\x03\x04"),
    ("ZIP", b"PK\x05\x06"),  # an empty one
    ("gzip", b"\x1f\x8b"),
)
NIFTI_MAGICS = ((344, b"n+1\0"), (344, b"ni1\0"), (4, b"n+2\0\r\n\x1a\n"), (4, b"ni2\0\r\n\x1a\n"))
HEADER_SIZES = {348: "Analyze", 540: "NIfTI"}

# What is known and not read, with a way out where there is one.
OTHERS = (
    (b"GIF8", "GIF, which has too few grays and may be animated. Please save the picture as PNG"),
    (b"%PDF", "a PDF. Please save the picture in it as PNG"),
    (b"Rar!", "a RAR archive. Please pack the files as ZIP"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive. Please pack the files as ZIP"),
    (b"BZh", "a bzip2 file"),
    (b"\xfd7zXZ", "an xz file"),
    (b"\x89HDF", "an HDF5 file (MINC, or MATLAB). Please convert it to NIfTI"),
    (b"MATLAB", "a MATLAB file. Please convert it to NIfTI"),
    (b"NRRD", "NRRD. Please convert it to NIfTI"),
    (b"ObjectType = Image", "MetaImage. Please convert it to NIfTI"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000 outside DICOM. Please save the picture as PNG"),
    (b"\xff\x4f\xff\x51", "JPEG 2000 outside DICOM. Please save the picture as PNG"),
    (b"8BPS", "a Photoshop file. Please save the picture as PNG"),
    (b"\0\0\x01\0", "an icon (ICO)"),
    (b"MZ", "a program"),
    (b"\x7fELF", "a program"),
)
NETPBM = tuple(f"P{n}".encode() + space for n in range(1, 8) for space in (b"\n", b" ", b"\r", b"\t"))


def sniff(data: bytes) -> str:
    """One of reading.FORMATS, "gzip", "Analyze" or "NIfTI pair".

    Raises:
        EmptyFile: no bytes.
        UnsupportedFormat: anything else; the message names it where it can.
    """
    if not data:
        raise EmptyFile("The file is empty. Expected an image.")
    if data[128:132] == b"DICM":
        return "DICOM"  # before TIFF, which may lie in a DICOM file's first 128 bytes (PS3.10, 7.1)
    for format, magic in MAGICS:
        if data.startswith(magic):
            return format
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    header = _header_size(data)
    if header:
        found = [magic for place, magic in NIFTI_MAGICS if data[place:].startswith(magic)]
        if found:
            return "NIfTI" if b"+" in found[0] else "NIfTI pair"
        return HEADER_SIZES[header]
    if _looks_like_bare_dicom(data):
        return "DICOM"
    raise UnsupportedFormat(f"{EXPECTED} Received: {_describe(data)}.")


def _header_size(data: bytes) -> int:
    """348 or 540 when the bytes begin with that number, in either byte order; else 0."""
    sizes = {int.from_bytes(data[:4], order) for order in ("little", "big")} if len(data) > 4 else set()
    return next(iter(sizes & HEADER_SIZES.keys()), 0)


def _looks_like_bare_dicom(data: bytes) -> bool:
    """A data set without preamble: a first element of group 2 or 8 with a value representation, or a short value."""
    for order in ("little", "big"):
        group, element = (int.from_bytes(data[i : i + 2], order) for i in (0, 2))
        if group in (2, 8) and element < 0x0100 and len(data) > 16:
            explicit = data[4:6].isalpha() and data[4:6].isupper()
            return explicit or int.from_bytes(data[4:8], order) <= 64
    return False


def _describe(data: bytes) -> str:
    for magic, name in OTHERS:
        if data.startswith(magic):
            return name
    if data[257:262] == b"ustar":
        return "a TAR archive. Please pack the files as ZIP"
    if data[4:8] == b"ftyp":
        return "a video, or a picture of a telephone (HEIC, AVIF). Please save it as PNG or JPEG"
    if data.startswith(NETPBM):
        return "a Netpbm picture. Please save it as PNG"
    head = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith((b"<!doctype", b"<html", b"<svg", b"<?xml")):
        return "a text document (HTML, SVG or XML)"
    return f"{len(data):,} bytes of something else"
