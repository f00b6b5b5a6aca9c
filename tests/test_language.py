"""The page in other languages: which one is chosen, that every text has its translation, that numbers follow."""

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
from fakes import ok, picture, refused
from model.formats import dicom_terms
from model.gate import look
from model.labels import CLASSES
from model.reading import LIMITS, ReadError, read
from uploads import MASK, PNG, TEXT, send
from web.language import LANGUAGES, localized, number, percent, share
from web.messages import pattern, said, told
from web.sentences import TEMPLATES

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


# --- which language


@pytest.mark.parametrize(
    ("headers", "address", "expected"),
    [
        ({}, "/", "en"),
        ({"Accept-Language": "es-MX,es;q=0.9,en;q=0.5"}, "/", "es"),
        ({"Accept-Language": "de,fr"}, "/", "en"),
        ({"Accept-Language": "es"}, "/?lang=en", "en"),
        ({"Cookie": "language=es", "Accept-Language": "en"}, "/", "es"),
        ({"Cookie": "language=xx"}, "/", "en"),
        ({"Cookie": "language=es"}, "/?lang=xx", "es"),
    ],
)
def test_language_is_asked_for_remembered_or_preferred(client, headers, address, expected):
    if kept := headers.get("Cookie"):
        client.set_cookie(*kept.split("="))
    response = client.get(address, headers={k: v for k, v in headers.items() if k != "Cookie"})
    assert f'<html lang="{expected}">' in response.text
    assert response.headers["Content-Language"] == expected
    assert "Set-Cookie" not in response.headers or "?lang=" in address


def test_link_switches_and_the_choice_is_remembered(client):
    assert 'href="/privacy?lang=es"' in client.get("/privacy").text
    spanish = client.get("/privacy?lang=es")
    cookie = spanish.headers["Set-Cookie"]
    assert cookie.startswith("language=es;") and "HttpOnly" in cookie and "SameSite=Lax" in cookie
    assert "<h1>Privacidad</h1>" in client.get("/privacy").text
    assert 'href="/privacy?lang=en"' in spanish.text


def test_there_is_no_cookie_that_was_not_asked_for(client):
    for address in (*PAGES, "/healthz", "/api/v1/model?lang=es", "/static/style.css?lang=es"):
        assert "Set-Cookie" not in client.get(address).headers
    assert "Set-Cookie" not in send(client, "/", ("a.png", PNG)).headers


def test_from_an_answer_the_link_leads_to_the_start_page(client):
    assert 'href="/?lang=es"' in send(client, "/", ("a.png", PNG)).text
    assert 'href="/?lang=es"' in client.get("/nothing-here").text


def test_api_speaks_english(client):
    response = send(client, "/api/v1/predict", ("letter.txt", TEXT), headers={"Accept-Language": "es"})
    assert response.get_json()["error"]["message"].startswith("Expected PNG, JPEG")


# --- every text


@pytest.mark.parametrize("language", OTHERS)
def test_catalog_is_complete_and_of_the_texts_of_now(language):
    """`python scripts/translations.py` brings it up to date."""
    catalog = translations.updated(language, translations.collected())
    assert translations.untranslated(catalog) == []
    assert translations.po(language).read_bytes() == translations.po_bytes(catalog)


@pytest.mark.parametrize("language", OTHERS)
def test_compiled_catalog_is_of_the_one_that_people_edit(language):
    with translations.po(language).open("rb") as file:
        catalog = read_po(file, locale=language)
    assert translations.po(language).with_suffix(".mo").read_bytes() == translations.mo_bytes(catalog)


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


# --- numbers


@pytest.mark.parametrize(
    ("fraction", "english", "spanish"),
    [
        (0, "< 0.1%", "< 0,1 %"),
        (0.0009, "< 0.1%", "< 0,1 %"),
        (0.001, "0.1%", "0,1 %"),
        (0.913, "91.3%", "91,3 %"),
        (0.999, "99.9%", "99,9 %"),
        (0.9996, "> 99.9%", "> 99,9 %"),
        (1, "> 99.9%", "> 99,9 %"),
    ],
)
def test_percent(app, fraction, english, spanish):
    assert percent(fraction) == english
    with app.test_request_context(headers={"Accept-Language": "es"}):
        assert percent(fraction).replace("\N{NO-BREAK SPACE}", " ") == spanish


def test_numbers_follow_the_language(app):
    assert (number(1234567), number(0.5, 3), share(1.0), share(0.85, 0)) == ("1,234,567", "0.500", "100.0%", "85%")
    assert localized("≥ 97.5 %, 3 of 12") == "≥ 97.5%, 3 of 12"
    with app.test_request_context(headers={"Accept-Language": "es"}):
        assert (number(1234567), number(0.5, 3)) == ("1.234.567", "0,500")
        assert localized("≥ 97.5 %") == "≥ 97,5\N{NO-BREAK SPACE}%"


# --- what model/ says


def test_messages_of_the_model_are_said_in_spanish(app):
    with app.test_request_context(headers={"Accept-Language": "es"}):
        message = "Expected at most 1,000 pixels. Received: many more."
        assert said(message) == "Se esperaban como mucho 1.000 píxeles. Se recibió: muchos más."
        assert said("Strange <words>.") == '<span lang="en">Strange &lt;words&gt;.</span>'
    with app.test_request_context():
        assert said("Expected <this>.") == "Expected &lt;this&gt;."


REFUSED_PIXELS = {
    "small": picture(size=(20, 20)),
    "strip": picture(size=(400, 60)),
    "color": picture(size=(64, 64), channels=3),
}


@pytest.mark.parametrize("name", REFUSED_PIXELS)
def test_every_reason_of_the_gate_has_a_template(app, name):
    reason = look(read(REFUSED_PIXELS[name])[0])
    with app.test_request_context(headers={"Accept-Language": "es"}):
        assert reason and "lang" not in said(reason)


READ_ERRORS = {
    "empty": b"",
    "text": b"Dear doctor",
    "pdf": b"%PDF-1.7",
    "cut PNG": b"\x89PNG\r\n\x1a\n",
    "cut NIfTI": format_samples.nifti()[:-1],
    "cut DICOM": format_samples.dicom(Rows=400),
    "cut ZIP": format_samples.zipped({"a.png": PNG})[:-30],
    "cut gzip": format_samples.gzipped(format_samples.nifti())[:-9],
}


@pytest.mark.parametrize("data", READ_ERRORS.values(), ids=READ_ERRORS)
def test_common_read_errors_have_a_template(app, data):
    with pytest.raises(ReadError) as caught:
        read(data, LIMITS)
    with app.test_request_context(headers={"Accept-Language": "es"}):
        assert "lang" not in said(caught.value)


@pytest.mark.parametrize("code", dicom_terms.MODALITIES)
def test_modalities_are_named_in_spanish(app, code):
    with pytest.raises(ReadError) as caught:
        read(format_samples.dicom(Modality=code))
    with app.test_request_context(headers={"Accept-Language": "es"}):
        told_in_spanish = told(str(caught.value))
        assert told_in_spanish.startswith(f"Se esperaba una imagen de resonancia (MR). Se recibió: {code}, ")
        assert "lang" not in said(caught.value) and dicom_terms.MODALITIES[code] not in told_in_spanish


def test_parts_of_the_body_are_named_in_spanish(app):
    (note,) = read(format_samples.dicom(BodyPartExamined="KNEE")).notes
    with app.test_request_context(headers={"Accept-Language": "es"}):
        assert told(note) == "El archivo DICOM dice que muestra una rodilla, no la cabeza."
        assert told("Received: GIF, which nobody knows.") == "Received: GIF, which nobody knows."


SEG_OF_A_PICTURE = "Expected a slice of a volume or series. Received: a single picture."


def test_a_script_of_the_page_hears_what_went_wrong_in_its_language(client, fake):
    """The page asks the API for a DICOM SEG, and shows what it says."""

    def message(**headers) -> str:
        return send(client, f"{MASK}?format=seg", ("a.png", PNG), headers=headers).get_json()["error"]["message"]

    spanish = {"Accept-Language": "es"}
    in_spanish = "Se esperaba un corte de un volumen o de una serie. Se recibió: una sola imagen."
    assert message(Origin="http://localhost", **spanish) == in_spanish
    client.set_cookie("language", "es")
    assert message(Origin="http://localhost") == in_spanish
    client.delete_cookie("language")
    for headers in (spanish, {"Origin": "http://localhost"}, *({"Origin": o} | spanish for o in ("http://[", "null", ""))):
        assert message(**headers) == SEG_OF_A_PICTURE


def test_what_does_not_fit_into_the_memory_has_a_template(app):
    with app.test_request_context(headers={"Accept-Language": "es"}):
        message = "More is being sent at once than is held in memory. Please try again in 5 seconds."
        assert said(message) == told(message)
        assert "Se está enviando a la vez más de lo que cabe en la memoria." in told(message)
        assert told("Strange <words>. Received: none.") == "Strange <words>. Se recibió: ninguno."


FILLED = {"share": "12%", "other": "3 x 4", "size": "48 x 48", "document": "PDF", "syntax": "RLE Lossless"}


def test_every_template_fits_itself():
    for template in TEMPLATES:
        filled = re.sub(r"%\((\w+)\)s", lambda m: FILLED.get(m[1], "7"), template)
        assert pattern(template).fullmatch(filled), template
