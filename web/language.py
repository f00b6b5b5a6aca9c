"""The page in the reader's language: which one, its texts, its numbers. The API speaks English to programs, and tells the
scripts of the page in its language what went wrong.

The source is English; `translations/` holds the other languages, and scripts/translations.py renews them.
"""

import re
from copy import copy
from dataclasses import replace

from babel import Locale
from babel.numbers import NumberPattern
from babel.support import Translations
from flask import Flask, Response, g, request, url_for
from flask_babel import Babel, get_domain, get_locale
from flask_babel.speaklater import LazyString
from jinja2 import pass_eval_context
from jinja2.nodes import EvalContext
from markupsafe import Markup

from model.labels import CLASSES, Label

LANGUAGES = {"en": "English", "es": "Español"}  # as they call themselves
COOKIE = "language"
YEAR = 365 * 24 * 3600  # seconds


def init_app(app: Flask) -> None:
    """Give templates `_()`, `classes` by key in the reader's language, and the filters that write numbers."""
    Babel(app, default_locale="en", locale_selector=language)
    app.jinja_env.policies["ext.i18n.trimmed"] = True
    app.jinja_env.install_gettext_callables(text, plural_text, newstyle=True)
    app.jinja_env.globals["_"] = in_template
    app.jinja_env.filters.update(percent=percent, number=number, share=share)
    app.jinja_env.globals.update(
        classes={c.key: translated(c) for c in CLASSES}, language=language, languages=LANGUAGES, language_url=language_url
    )
    app.after_request(remember)


def texts() -> Translations:
    """The texts in the reader's language, found once a request; Flask-Babel would look for them at every text of a page."""
    try:
        return g.texts
    except AttributeError:
        g.texts = get_domain().get_translations()
        return g.texts


def text(english: str) -> str:
    return texts().ugettext(english)


@pass_eval_context
def in_template(context: EvalContext, english: str, **values) -> str:
    """The text with its `values`, as Jinja's own gettext gives it, but sooner: a page has a hundred texts."""
    found = Markup(text(english)) if context.autoescape else text(english)
    return found % values if values or "%" in found else found


def plural_text(one: str, several: str, count: int) -> str:
    return texts().ungettext(one, several, count)


def language() -> str:
    """Asked for in the address (?lang=), else remembered in the cookie, else what the browser prefers, else English."""
    for asked in (request.args.get("lang"), request.cookies.get(COOKIE)):
        if asked in LANGUAGES:
            return asked
    return request.accept_languages.best_match(LANGUAGES, default="en")


def asked_by_page() -> bool:
    """Whether a script of the page asks: browsers then send the page's own address as the origin, programs send none."""
    origin = request.headers.get("Origin", "")
    return bool(origin) and origin.partition("://")[2] == request.host


def language_url(code: str) -> str:
    """This page in another language; an answer cannot be shown again without its files, so from there the start page."""
    again = request.method == "GET" and request.endpoint and not request.routing_exception
    return url_for(request.endpoint, **request.view_args, lang=code) if again else url_for("pages.home", lang=code)


def remember(response: Response) -> Response:
    """Keep a language that was chosen by the link. There is no other cookie."""
    if request.blueprint != "api" and request.endpoint != "static":
        response.headers["Content-Language"] = language()
        response.vary.update(("Accept-Language", "Cookie"))
        if request.args.get("lang") in LANGUAGES:
            response.set_cookie(COOKIE, request.args["lang"], max_age=YEAR, httponly=True, samesite="Lax")
    return response


def translated(label: Label) -> Label:
    """The class with its name and meaning in the language of whoever reads it."""
    return replace(label, display=LazyString(text, label.display), meaning=LazyString(text, label.meaning))


def percent(fraction: float) -> str:
    """0.913 as "91.3%", or "91,3 %" in Spanish. Never 0% or 100%, which no network can promise."""
    if fraction < 0.001:
        return f"< {share(0.001)}"
    return f"> {share(0.999)}" if fraction > 0.999 else share(fraction)


def share(fraction: float, decimals: int = 1) -> str:
    """A measured share in percent; here 0% and 100% are what was counted."""
    return _written(_locale().percent_formats[None], fraction, decimals)


def number(value: float, decimals: int = 0) -> str:
    """With the separators of the language."""
    return _written(_locale().decimal_formats[None], value, decimals)


def localized(text: str) -> str:
    """A text with numbers and percentages as English has them, "≥ 97.5 %", with those of the language."""

    def write(found: re.Match) -> str:
        decimals = len(found["decimals"] or "")
        value = float(found["number"])
        return share(value / 100, decimals) if found["percent"] else number(value, decimals)

    return re.sub(r"(?P<number>\d+(?:\.(?P<decimals>\d+))?)(?P<percent> ?%)?", write, text)


def _written(pattern: NumberPattern, value: float, decimals: int) -> str:
    pattern = copy(pattern)
    pattern.frac_prec = (decimals, decimals)
    return pattern.apply(value, _locale())


def _locale() -> Locale:
    return get_locale() or Locale("en")  # outside of a request: English
