"""Every text of the page has its translation."""

import json
import re
import runpy
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import pytest
from babel.messages.pofile import read_po
from babel.support import NullTranslations
from flask_babel import Domain

import format_samples
from fakes import ok, refused
from model.labels import CLASSES
from uploads import PNG, TEXT, send
from web.language import LANGUAGES

translations = SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[1] / "scripts" / "translations.py")))
OTHERS = [language for language in LANGUAGES if language != "en"]
PAGES = ["/", "/understanding", "/how-it-works", "/model-card", "/privacy", "/nothing-here"]
SILENT = {"code", "script", "style", "svg"}
VOID = {"br", "col", "hr", "img", "input", "link", "meta", "path", "rect", "circle", "text"}
SPOKEN = ("alt", "aria-label", "aria-valuetext", "title", "placeholder")


class Reader(HTMLParser):
    """Collects what people read or hear of a page, without what is marked as of another language than the page's."""

    def __init__(self):
        super().__init__()
        self.texts: list[str] = []
        self.open: list[tuple[str, bool]] = []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        foreign = "lang" in attributes and tag != "html"
        quiet = foreign or tag in SILENT or (self.open and self.open[-1][1]) or "data-verbatim" in attributes
        if not quiet or tag == "svg":
            self.texts += [attributes[name] or "" for name in SPOKEN if name in attributes and not foreign]
            words = json.loads(attributes.get("data-words", "{}"))  # what scripts say
            self.texts += [text for name, text in words.items() if name != "colors"]
        if tag not in VOID:
            self.open.append((tag, bool(quiet)))

    def handle_endtag(self, tag):
        while self.open and self.open.pop()[0] != tag:
            pass

    def handle_data(self, data):
        if data.strip() and not (self.open and self.open[-1][1]):
            self.texts.append(" ".join(data.split()))


def texts_of(html: str) -> list[str]:
    reader = Reader()
    reader.feed(html)
    return reader.texts


def answers(client, fake, **headers):
    """The page's answers of every kind, as HTML."""
    kinds = {
        "tumor": [ok("glioma", tumor=True)],
        "none": [ok("notumor")],
        "uncertain": [ok("meningioma", 0.4, uncertain=True)],
        "refused": [refused()],
        "batch": [ok("pituitary"), refused()],
    }
    for kind, given in kinds.items():
        fake.answer = given
        yield kind, send(client, "/", *[(f"{i}.png", PNG) for i in range(len(given))], headers=headers).text
    fake.answer = ok("glioma", tumor=True)
    yield "study", send(client, "/", ("head.nii", format_samples.nifti()), headers=headers).text
    yield "error", send(client, "/", ("letter.txt", TEXT), headers=headers).text


# --- every text


@pytest.mark.parametrize("language", OTHERS)
def test_catalog_is_complete_and_of_the_texts_of_now(language):
    """`python scripts/translations.py` brings it up to date."""
    catalog = translations.updated(language, translations.collected())
    assert translations.untranslated(catalog) == []
    assert translations.po(language).read_bytes() == translations.po_bytes(catalog)


@pytest.mark.parametrize("language", OTHERS)
def test_compiled_catalog_is_of_the_one_that_people_edit(language):
    assert translations.po(language).with_suffix(".mo").read_bytes() == translations.mo_bytes(translations.read(language))


def test_another_version_of_babel_is_no_other_translation(monkeypatch):
    catalog = translations.read("es")
    before = translations.po_bytes(catalog), translations.mo_bytes(catalog)
    monkeypatch.setattr("babel.messages.catalog.VERSION", "99.1")
    assert (translations.po_bytes(catalog), translations.mo_bytes(catalog)) == before


@pytest.mark.parametrize("language", OTHERS)
def test_translations_hold_the_same_values(language):
    with translations.po(language).open("rb") as file:
        catalog = read_po(file, locale=language)
    values = re.compile(r"%\(\w+\)[sd]|(?<!\d )%%|\{\w+\}|<[^>]+>")
    for message in catalog:
        ids = message.id if isinstance(message.id, tuple) else (message.id,)
        strings = message.string if isinstance(message.string, tuple) else (message.string,)
        for text in strings if message.id else ():
            wanted = [set(values.findall(one.replace("%%", ""))) for one in ids]
            assert set(values.findall(text.replace("%%", ""))) in wanted, ids
            assert text.count("%%") == ids[-1].count("%%"), ids


def test_untranslated_and_fuzzy_texts_are_found():
    catalog = translations.Catalog(locale="es")
    catalog.add("one", "uno")
    catalog.add("two")
    catalog.add("three", "tres", flags=["fuzzy"])
    catalog.add(("%(n)s file", "%(n)s files"), ("%(n)s archivo", ""))
    assert translations.untranslated(catalog) == ["two", "three", "('%(n)s file', '%(n)s files')"]


@pytest.fixture
def marked(monkeypatch):
    """A language of which each letter is a dot."""

    class Marked(NullTranslations):
        def gettext(self, message):
            parts = re.split(r"(%\(\w+\)[sd]|%%|<[^>]+>|\{\w+\})", message)
            return "".join(part if i % 2 else re.sub(r"[^\W\d]", "·", part) for i, part in enumerate(parts))

        def ngettext(self, one, many, count):
            return self.gettext(one if count == 1 else many)

        ugettext, ungettext = gettext, ngettext

    monkeypatch.setattr(Domain, "get_translations", lambda self: Marked())


NAMES = re.compile(
    r"EarlyMed|DICOM|NIfTI|PNG|JPEG|WebP|BMP|TIFF|ZIP|CSV|JSON|MB|ms|mm²|ml|MRI|SHA-256|VGG16|AUC|ROC|F1|Español|English|fake-1|0{64}"
    r"|WHO|Louis|NICE|NCI (CNS|Pit)|NHS( Stroke| Seizure)?|\d\.(png|txt)|head\.nii|letter\.txt|[\w.]+\.json"
)


@pytest.mark.parametrize("address", PAGES)
def test_no_text_of_a_page_is_written_past_the_catalog(client, marked, address):
    response = client.get(address, headers={"Accept-Language": "es"})
    assert leftovers(response.text) == []


def test_no_text_of_an_answer_is_written_past_the_catalog(client, fake, marked):
    for kind, html in answers(client, fake, **{"Accept-Language": "es"}):
        assert leftovers(html) == [], kind


def leftovers(html: str) -> list[str]:
    html = re.sub(r"<time.*?</time>", "", html, flags=re.DOTALL)
    return [text for text in texts_of(html) if re.search(r"[A-Za-z]{3}", re.sub(r"\{\w+\}", "", NAMES.sub("", text)))]


def test_leftovers_are_found():
    html = (
        '<html lang="es"><p>···</p><p>English text</p><p lang="en">Its name</p><img alt="A brain"><code>app.py</code></html>'
    )
    assert leftovers(html) == ["English text", "A brain"]


@pytest.mark.parametrize("language", OTHERS)
@pytest.mark.parametrize("address", PAGES)
def test_page_holds_no_english_text_of_the_catalog(client, language, address):
    found = english_texts(language) & set(texts_of(client.get(address, headers={"Accept-Language": language}).text))
    assert found == set()


@pytest.mark.parametrize("language", OTHERS)
def test_answer_holds_no_english_text_of_the_catalog(client, fake, language):
    for kind, html in answers(client, fake, **{"Accept-Language": language}):
        assert english_texts(language) & set(texts_of(html)) == set(), kind


def english_texts(language: str) -> set[str]:
    """The texts that read otherwise in the language."""
    with translations.po(language).open("rb") as file:
        return {m.id for m in read_po(file, locale=language) if m.id and isinstance(m.id, str) and m.id != m.string}


@pytest.mark.parametrize("label", CLASSES, ids=lambda label: label.key)
def test_classes_are_named_in_spanish(client, fake, label):
    fake.answer = ok(label.key)
    html = send(client, "/", ("a.png", PNG), headers={"Accept-Language": "es"}).text
    with translations.po("es").open("rb") as file:
        catalog = read_po(file, locale="es")
    assert catalog.get(label.display).string in texts_of(html)
    assert label.meaning not in html
