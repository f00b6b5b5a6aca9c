"""Collect the page's texts, bring translations/ up to date with them, and compile it. Prints what still needs a translation.

The translations themselves are written into translations/LANGUAGE/LC_MESSAGES/messages.po by hand.
"""

import argparse
import io
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file
from babel.messages.mofile import write_mo
from babel.messages.pofile import PoFileParser, write_po

from model.formats.dicom_terms import BODY_PARTS, MODALITIES
from model.labels import CLASSES
from model.provenance import SOURCES
from web.language import LANGUAGES

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "translations"
FILES = (("app.py", "python"), ("web/*.py", "python"), ("templates/**/*.html", "jinja2"), ("templates/**/*.txt", "jinja2"))
KEYWORDS = {"_": None, "gettext": None, "lazy_gettext": None, "ngettext": (1, 2), "N_": None}
OPTIONS = {"trimmed": "true", "silent": "false", "encoding": "utf-8"}


class LastingCatalog(Catalog):
    """A catalog that does not name the version of Babel it was written with: a newer one is no new translation."""

    @property
    def mime_headers(self) -> list[tuple[str, str]]:
        return [(name, "Babel\n" if name == "Generated-By" else value) for name, value in super().mime_headers]

    @mime_headers.setter
    def mime_headers(self, headers: list[tuple[str, str]]) -> None:
        Catalog.mime_headers.fset(self, headers)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.parse_args(arguments)
    texts = collected()
    missing = 0
    for language in LANGUAGES:
        if language == "en":
            continue
        catalog = updated(language, texts)
        po(language).parent.mkdir(parents=True, exist_ok=True)
        po(language).write_bytes(po_bytes(catalog))
        po(language).with_suffix(".mo").write_bytes(mo_bytes(catalog))
        for text in untranslated(catalog):
            print(f"{language}: {text}")
            missing += 1
    print(f"{len(texts)} texts, {missing} of them without a translation", file=sys.stderr)
    return 1 if missing else 0


def po(language: str) -> Path:
    return FOLDER / language / "LC_MESSAGES" / "messages.po"


def collected() -> Catalog:
    """Every text of the page: what code and templates mark, and what the page says of the model's facts."""
    texts = Catalog(charset="utf-8")
    for files, method in FILES:
        for path in sorted(ROOT.glob(files)):
            found = extract_from_file(method, path, keywords=KEYWORDS, options=OPTIONS)
            for _, message, _, context in found:
                texts.add(message, locations=[(path.relative_to(ROOT).as_posix(), 0)], context=context)
    for file, message in of_the_model():
        texts.add(message, locations=[(file, 0)])
    return texts


def of_the_model() -> list[tuple[str, str]]:
    """(file, text): model/ knows nothing of languages, so its texts are not marked there."""
    labels = [text for label in CLASSES for text in (label.display, label.meaning)]
    sources = [text for source in SOURCES.values() for text in source]
    return [
        *(("model/labels.py", text) for text in labels),
        *(("model/provenance.py", text) for text in sources),
        *(("model/formats/dicom_terms.py", text) for text in (*MODALITIES.values(), *BODY_PARTS.values())),
    ]


def updated(language: str, texts: Catalog) -> Catalog:
    """The language's catalog with the texts of now: what is gone is dropped, what is new has no translation yet."""
    catalog = LastingCatalog(locale=language, charset="utf-8", project="EarlyMed", fuzzy=False)
    if po(language).is_file():
        catalog = read(language)
    catalog.update(texts, no_fuzzy_matching=True, update_creation_date=False)
    return catalog


def read(language: str) -> Catalog:
    """The catalog that people edit."""
    catalog = LastingCatalog(locale=language)
    with po(language).open("rb") as file:
        PoFileParser(catalog).parse(file)
    return catalog


def untranslated(catalog: Catalog) -> list[str]:
    return [str(m.id) for m in catalog if m.id and (m.fuzzy or not m.string or not all(m.string))]


def po_bytes(catalog: Catalog) -> bytes:
    out = io.BytesIO()
    write_po(out, catalog, width=120, sort_output=True, ignore_obsolete=True, include_lineno=False)
    return out.getvalue()


def mo_bytes(catalog: Catalog) -> bytes:
    out = io.BytesIO()
    write_mo(out, catalog)
    return out.getvalue()


if __name__ == "__main__":
    sys.exit(main())
