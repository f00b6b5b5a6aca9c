"""What model/ and web/errors.py say of an image and of a request, in the reader's language.

Their sentences are English, because the API and the scripts say them too, and they hold numbers and names of formats. Here
each stands again as a template. A sentence that none of these fits is shown as it is, and marked as English for those who
listen to the page.
"""

import re

from flask_babel import gettext
from markupsafe import Markup, escape

from model.formats.dicom_terms import BODY_PARTS, MODALITIES
from web.language import language, localized


def N_(text: str) -> str:  # noqa: N802 - gettext's own name for a text that is translated elsewhere
    return text


TEMPLATES = (
    # model/classifier.py and model/gate.py: why there is no answer
    N_("This does not look like the brain MRI slices that the classifier knows, so it gives no answer."),
    N_("Expected one grey slice of a head: axial, coronal or sagittal."),
    N_("The image is too small: expected at least %(size)s pixels, received %(other)s."),
    N_("The image is a strip: expected sides within %(size)s, received %(other)s pixels."),
    N_("The image is blank: it shows next to no contrast."),
    N_("The image is in colour (%(share)s of its pixels); an MRI slice is grey."),
    # web/errors.py and web/uploads.py: titles, and requests without an answer
    N_("No image to analyze"),
    N_("Page not found"),
    N_("That is too much at once"),
    N_("This kind of file is not read"),
    N_("This file cannot be read"),
    N_("Something went wrong on our side"),
    N_("Busy at the moment"),
    N_("This did not work"),
    N_("A fault of this program kept the image from being analyzed."),
    N_("There is nothing at this address."),
    N_("No file was chosen."),
    N_("Please choose a file first, or try one of the samples."),
    N_("Expected an image in the form field “file”."),
    N_("The form cannot be read."),
    N_("Expected multipart/form-data, with the names of files in UTF-8."),
    N_("Too many images are being analyzed."),
    N_("More is being sent at once than is held in memory."),
    N_("Please try again in %(seconds)s seconds."),
    N_("Expected at most %(size)s MB in all."),
    N_("Expected at most %(count)s files at once."),
    N_("Expected one file."),
    # model/formats/: files that cannot be read
    N_("The file is empty."),
    N_("Expected an image."),
    N_("Expected %(list)s or ZIP."),
    N_("Expected a ZIP of images."),
    N_("Expected a DICOM image."),
    N_("Expected an MR image."),
    N_("Expected single slices."),
    N_("Expected one picture."),
    N_("Expected at most %(count)s bytes."),
    N_("Expected at most %(count)s slices."),
    N_("Expected at most %(count)s pixels."),
    N_("Expected at most %(count)s files in a ZIP."),
    N_("Expected at most %(count)s bytes when unpacked."),
    N_("Expected a file that unpacks to at most %(count)s times its size."),
    N_("Expected an image with finite values."),
    N_("Expected a NIfTI volume with finite values."),
    N_("Expected a NIfTI volume of one number per voxel."),
    N_("Expected a ZIP without a password."),
    N_("Received: more."),
    N_("Received: many more."),
    N_("Received: none."),
    N_("Received: vectors."),
    N_("Received: one without files."),
    N_("Received: an encrypted file."),
    N_("Received: an office document."),
    N_("Received: a DICOM file without one."),
    N_("Received: DICOM of another modality."),
    N_("Received: %(code)s, %(modality)s."),
    N_("Received: a mosaic of them."),
    N_("Received: an animated %(format)s of %(count)s pictures."),
    N_("Received: a PDF."),
    N_("Please save the picture in it as PNG."),
    N_("Received: %(count)s bytes of something else."),
    N_("Received: %(count)s bytes."),
    N_("Received: %(count)s."),
    N_("Please save its pictures as PNG."),
    N_("Please export it as single slices."),
    N_("Expected a TIFF of numbers that are read, such as whole ones of 16 bits or floats of 32."),
    N_("Received: one of other numbers or channels."),
    N_("Please save it as PNG."),
    N_("Expected a whole %(format)s image."),
    N_("Expected a whole %(format)s file."),
    N_("Expected a whole file in the ZIP."),
    N_("Received: one that is damaged or cut short."),
    N_("Received: fewer voxels than its header says."),
    N_("The file in the ZIP cannot be read."),
    N_("None of the %(count)s files in the ZIP can be read."),
    N_("The DICOM file is damaged: its image has no size."),
    N_("The DICOM file is damaged: its compressed image has another size than its header says."),
    # model/exports.py and model/segmentation.py: masks that cannot be written
    N_("Expected a slice of a volume or series."),
    N_("Received: a single picture."),
    N_("Expected NIfTI, or DICOM slices with positions at even distances, for a mask as NIfTI."),
    N_("Received: DICOM without them."),
    N_("Received: pictures, which have no place in space."),
    N_("Received: NIfTI."),
    N_("Expected DICOM for a mask as DICOM SEG."),
    N_("Expected complete DICOM for a DICOM SEG."),
    N_("Received: DICOM that lacks something."),
    N_("Expected files of one frame each, or one multi-frame file that places each of them for a DICOM SEG."),
    N_("Expected a valid %(keyword)s for a DICOM SEG."),
    N_("Expected %(keyword)s of every slice for a DICOM SEG."),
    N_("Expected slices of one orientation for a DICOM SEG."),
    N_("Received: DICOM without."),
    # stages
    N_("read"),
    N_("preprocess"),
    N_("infer"),
    N_("decide"),
    N_("render"),
    # notes beside an answer
    N_("The NIfTI file holds %(count)s volumes; the first was read."),
    N_("The NIfTI file's orientation is invalid; left and right, or top and bottom, may be exchanged."),
    N_("The NIfTI file does not say how it is oriented; left and right, or top and bottom, may be exchanged."),
    N_("The DICOM file does not say that it is MR."),
    N_("The DICOM file does not say that it shows the head."),
    N_("The DICOM file says that it shows %(part)s, not the head."),
    N_("%(count)s file in the ZIP left out."),
    N_("%(count)s files in the ZIP left out."),
)
NUMBER = r"[\d.,]+"
KINDS = {
    "count": NUMBER,
    "seconds": NUMBER,
    "size": r"[\d., x to]+",
    "other": r"[\d x]+",
    "share": r"\d+%",
    "format": r"[\w ]+?",
    "keyword": r"\w+",
    "code": r"\w+",
}
WORDS = {"modality": frozenset(MODALITIES.values()), "part": frozenset(BODY_PARTS.values())}  # which are translated, too
NUMBERS = ("count", "seconds", "share")
SENTENCES = re.compile(r"(?<=[.!?]) (?=[A-Z\d])")


def pattern(template: str) -> re.Pattern:
    """What a sentence made of the template looks like."""
    parts = re.split(r"%\((\w+)\)s", template)
    for i, part in enumerate(parts):
        parts[i] = f"(?P<{part}>{KINDS.get(part, '.+')})" if i % 2 else re.escape(part)
    return re.compile("".join(parts))


PATTERNS = tuple((template, pattern(template)) for template in TEMPLATES)


def said(message: object, most: int | None = None) -> Markup:
    """A message in the reader's language, ready for a page; `most` of its sentences where there is little room."""
    sentences = SENTENCES.split(str(message))[:most]
    return Markup(" ").join(map(escape if language() == "en" else sentence_said, sentences))


def told(message: str) -> str:
    """The same as plain text, for a script of a page; a sentence that has no template stays English."""
    if language() == "en":
        return message
    return " ".join(translation(sentence) or sentence for sentence in SENTENCES.split(message))


def sentence_said(sentence: str) -> Markup:
    text = translation(sentence)
    return Markup('<span lang="en">{}</span>').format(sentence) if text is None else escape(text)


def translation(sentence: str) -> str | None:
    """In the reader's language; None when no template fits."""
    for template, form in PATTERNS:
        found = form.fullmatch(sentence)
        if found and all(found[name] in words for name, words in WORDS.items() if name in form.groupindex):
            return gettext(template, **{name: written(name, value) for name, value in found.groupdict().items()})
    return None


def written(name: str, value: str) -> str:
    if name in WORDS:
        return gettext(value)
    return localized(value.replace(",", "")) if name in NUMBERS else value
