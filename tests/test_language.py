"""The page in other languages: which one is chosen, and that numbers follow."""

import pytest

from test_translations import PAGES
from uploads import PNG, TEXT, send
from web.language import localized, number, percent, share

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
