"""A headless Chromium in front of the real server with the real model.

Without Playwright or Chromium these tests are skipped; with EARLYMED_BROWSER_TESTS=required they fail.
"""

import os
import shutil
from collections.abc import Iterator

import pytest

from servers import Server, running_server

CHROMIUMS = ("chromium-headless-shell", "chromium")  # the first has no windows to keep, so that pages open sooner
ARGUMENTS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 120_000  # ms; a machine may have other things to do


def unavailable(reason: str) -> None:
    if os.environ.get("EARLYMED_BROWSER_TESTS") == "required":
        pytest.fail(f"{reason}, but EARLYMED_BROWSER_TESTS=required")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def chromium():
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        unavailable("Playwright is not installed")
    executable = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if not executable:
        unavailable(f"there is neither {' nor '.join(CHROMIUMS)}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def running(chromium) -> Iterator[Server]:
    """`python app.py`, started once. Asks for `chromium` first: no browser, no server."""
    with running_server() as running:
        yield running


@pytest.fixture(scope="session")
def server(running) -> str:
    """Its address."""
    return running.url


@pytest.fixture
def open_page(chromium, server):
    """Opens the start page in a context of its own; options are Playwright's, such as java_script_enabled.

    The test fails when a page asks for anything outside its own origin, breaks its content security policy or
    lets a script fail.
    """
    contexts, outside, faults = [], [], []

    def guard(route):
        if route.request.url.startswith((f"{server}/", "data:")):
            route.continue_()
        else:
            outside.append(route.request.url)
            route.abort()

    def note(message):
        # Chromium also reports an answer of 4xx as an error; those statuses are what some tests are about.
        if message.type == "error" and "Failed to load resource" not in message.text:
            faults.append(message.text)

    def start(**options):
        context = chromium.new_context(**options)
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        context.route("**/*", guard)
        page = context.new_page()
        page.on("console", note)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(server)
        return page

    yield start
    for context in contexts:
        context.close()
    assert outside == []
    assert faults == []
