"""Whatever the readers refuse or remark, the Spanish page says in Spanish: no sentence is left that is marked as English."""

import ast
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom.uid import UID_dictionary

import format_samples as samples
from format_samples import dicom, nifti, zipped
from format_table import DOCUMENT, GRAY, SECTIONS, encode
from model.formats import common, sniffing
from model.reading import LIMITS, ReadError, read
from rasters import chain, png16, png_header
from uploads import send
from web.messages import said

SPANISH = {"Accept-Language": "es"}
FORMATS = Path(common.__file__).parent
VARIANTS = {f"{section}: {name}": make for section, variants in SECTIONS.items() for name, make in variants.items()}
PICTURE = encode(GRAY, "PNG")
BYTES, SLICES = replace(LIMITS, max_bytes=9), replace(LIMITS, max_slices=3)
PIXELS = replace(LIMITS, max_pixels=GRAY.size + 1)
LUT = {f"{color}PaletteColorLookupTable{part}": value for color in ("Red", "Green", "Blue")
       for part, value in (("Descriptor", [256, 0, 16]), ("Data", bytes(512)))}  # fmt: skip
SEGMENTED = {"PhotometricInterpretation": "PALETTE COLOR", "SegmentedRedPaletteColorLookupTableData": bytes(8)}
# What docs/formats.md does not list: (bytes, limits).
RARE = {
    **{f"begins with {magic!r}": (magic + bytes(400), LIMITS) for magic, _ in sniffing.OTHERS},
    "TAR": (bytes([1] * 257) + b"ustar" + bytes(200), LIMITS),
    "DICOMDIR": (dicom(SOPClassUID="1.2.840.10008.1.3.10"), LIMITS),
    "a private compression": (dicom().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.99999.1.2.1\0"), LIMITS),
    "a segmented palette": (dicom(GRAY, **LUT, **SEGMENTED), LIMITS),
    "a DICOM image without a size": (dicom(Rows=0), LIMITS),
    "a NIfTI of one dimension": (nifti(np.zeros(9, np.int16)), LIMITS),
    "infinite": (encode(np.full((40, 40), np.inf, np.float32), "TIFF"), LIMITS),
    "too many bytes": (PICTURE, BYTES),
    "too many slices": (nifti(), SLICES),
    "too many pages": (encode(GRAY, "TIFF", save_all=True, append_images=[samples.Image.fromarray(GRAY)] * 3), SLICES),
    "too many pixels": (encode(np.zeros((99, 99), np.uint8), "PNG"), PIXELS),
    "too many pixels of a volume": (nifti(), PIXELS),
    "too many pixels so far": (zipped({"a.png": PICTURE, "b.png": PICTURE}), PIXELS),
    "far too many pixels": (png_header(2**31 - 1, 2**31 - 1), LIMITS),
    "far too many pages": (chain(40), SLICES),
    "too many when unpacked": (samples.gzipped(bytes(2000)), replace(LIMITS, max_bytes=1999)),
    "too many files": (zipped({f"{i}.png": PICTURE for i in range(3)}), replace(LIMITS, max_files=2)),
    "far too many files": (zipped({f"{i}.png": b"" for i in range(9)}), replace(LIMITS, max_files=2)),
    "many reasons": (
        zipped({"a.png": PICTURE, "b": b"GIF8" + bytes(9), "c": b"%PDF", "d": b"MZ" + bytes(9), "e": b"BZh", "f": b"NRRD"}),
        LIMITS,
    ),
    "a damaged ZIP": (zipped({"a.png": PICTURE})[:-30], LIMITS),
    "a damaged file in a ZIP": (zipped({"a.png": PICTURE}).replace(PICTURE[-30:], bytes(30)), LIMITS),
    "a damaged gzip": (samples.gzipped(nifti())[:-9], LIMITS),
    "several channels of 16 bits": (png16(np.full((40, 40, 3), 300)), LIMITS),
    "a JPEG of too many parts": (b"\xff\xd8" + b"\xff\xfe\0\2" * 99_999, LIMITS),
    "pictures beside DICOM": (zipped({"a.png": PICTURE, "b.png": PICTURE, "c.dcm": dicom()}), LIMITS),
    "DICOM that does not say what it shows": (dicom(BodyPartExamined="SOMETHING"), LIMITS),
}  # fmt: skip


def told(data: bytes, limits=LIMITS) -> list[str]:
    """The refusal, or the notes."""
    try:
        return list(read(data, limits).notes)
    except ReadError as error:
        return [str(error)]


def english_left(app, messages) -> list[str]:
    with app.test_request_context(headers=SPANISH):
        return [message for message in messages if 'lang="en"' in said(message)]


@pytest.mark.parametrize("name", VARIANTS)
def test_a_page_with_an_error_or_a_note_holds_no_english(client, name):
    page = send(client, "/", ("head", VARIANTS[name]()), headers=SPANISH).text
    assert '<html lang="es">' in page
    assert re.findall(r'<span lang="en">.*?</span>', page) == []


def test_nothing_that_the_table_of_formats_lists_is_left_in_english(app):
    """Among it are pydicom's own test files."""
    messages = re.findall(r"(?:refused: |; )\*([^*]+)\*", DOCUMENT.read_text(encoding="utf-8"))
    assert len(messages) > 60
    assert english_left(app, messages) == []


@pytest.mark.parametrize("name", RARE)
def test_a_rare_refusal_or_note_is_told_in_spanish(app, name):
    messages = told(*RARE[name])
    assert messages
    assert english_left(app, messages) == []


def test_every_compression_of_dicom_has_its_sentence(app):
    names = [facts[0] for facts in UID_dictionary.values() if facts[1] == "Transfer Syntax"]
    assert len(names) > 40
    sentences = [f"Received: {name}{rest}." for name in names for rest in ("", ", which needs pylibjpeg-libjpeg")]
    assert english_left(app, sentences) == []


def refusals() -> dict[str, str]:
    """Every message that a reader is written to refuse with, as a pattern, by where it stands."""
    found = {}
    for path in sorted(FORMATS.glob("*.py")):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            kinds = ("ReadError", "OverLimit", "UnsupportedFormat", "NotMR", "EmptyFile", "damaged")
            if not isinstance(call, ast.Call) or getattr(call.func, "id", "") not in kinds:
                continue
            (said_there,) = call.args
            parts = said_there.values if isinstance(said_there, ast.JoinedStr) else [said_there]
            text = "".join(re.escape(p.value) if isinstance(p, ast.Constant) else ".+" for p in parts)
            whole = f"Expected a whole {text}\\. .+" if call.func.id == "damaged" else text
            found[f"{path.name}:{call.lineno}"] = whole
    return found


def test_every_refusal_in_the_readers_is_among_these():
    """So a new one comes with a sample here or in the table of formats, and with its Spanish."""
    provoked = [message for data in (make() for make in VARIANTS.values()) for message in told(data)]
    provoked += [message for rare in RARE.values() for message in told(*rare)]
    missing = {
        place: text for place, text in refusals().items() if not any(re.search(f"{text}$", message) for message in provoked)
    }
    assert len(refusals()) > 35
    assert missing == {}
