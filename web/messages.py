"""What model/ and web/errors.py say of an image and of a request, in the reader's language.

Their sentences are English, because the API and the scripts say them too, and they hold numbers and names of formats. Each
stands again as a template in web/sentences.py. A sentence that none of these fits is shown as it is, and marked as English
for those who listen to the page.
"""

import re

from flask_babel import gettext
from markupsafe import Markup, escape

from model.formats.dicom_terms import BODY_PARTS, MODALITIES
from web.language import language, localized
from web.sentences import TEMPLATES

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
    "document": r"[A-Z]+",
    "program": r"[\w-]+",
    # the names of DICOM's transfer syntaxes (PS3.6, annex A), which are not translated
    "syntax": r"(?:Fragmentable |High-Throughput |Encapsulated )?"
    r"(?:JPEG|JPIP|MPEG|HEVC|RLE|SMPTE|RFC|XML|Papyrus|Uncompressed|Deflated|Implicit|Explicit)[\w ,.:()\[\]/-]*?",
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
