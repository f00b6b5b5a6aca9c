"""Take the screenshots of README and docs: each page with the served model's real answers, in Debian's headless Chromium."""

import argparse
import io
import shutil
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from app import create_app
from web import serving

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = ROOT / "static" / "samples"
SIZES = {"desktop": {"width": 1180, "height": 800}, "phone": {"width": 390, "height": 800}}
SCHEMES = ("light", "dark")
# Page, and what is done there: nothing, the files that are sent.
PAGES = {
    "home": ("/", ()),
    "result": ("/", ("meningioma.jpg",)),
    "refused": ("/", ("letter.png",)),
    "batch": ("/", ("glioma.jpg", "meningioma.jpg", "notumor.jpg", "pituitary.jpg", "letter.png")),
    "understanding": ("/understanding", ()),
    "how": ("/how-it-works", ()),
    "model-card": ("/model-card", ()),
    "privacy": ("/privacy", ()),
}
CHOSEN = (
    ("home", "desktop", "light"),
    ("home", "phone", "dark"),
    ("result", "desktop", "light"),
    ("result", "desktop", "dark"),
    ("result", "phone", "light"),
    ("refused", "phone", "dark"),
    ("batch", "desktop", "light"),
    ("batch", "phone", "light"),
    ("understanding", "phone", "light"),
    ("how", "desktop", "dark"),
    ("model-card", "desktop", "light"),
    ("privacy", "phone", "light"),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "screenshots")
    parser.add_argument("--all", action="store_true", help="every page in both schemes and sizes, not only those of the docs")
    browsers = filter(None, map(shutil.which, ("chromium", "chromium-headless-shell")))
    parser.add_argument("--chromium", default=next(browsers, "/usr/bin/chromium"), help="(default: %(default)s)")
    args = parser.parse_args()
    wanted = [(name, size, scheme) for name in PAGES for size in SIZES for scheme in SCHEMES] if args.all else CHOSEN

    args.out.mkdir(parents=True, exist_ok=True)
    listener = serving.listen("127.0.0.1", 0)
    threading.Thread(target=serving.serve, args=(create_app(), listener), daemon=True).start()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=args.chromium, args=["--no-sandbox"])
        for name, size, scheme in wanted:
            page = browser.new_page(viewport=SIZES[size], color_scheme=scheme, reduced_motion="reduce")
            page.set_default_timeout(120_000)
            visit(page, serving.address(listener), name)
            path = args.out / f"{name}-{size}-{scheme}.png"
            path.write_bytes(small(page.screenshot()))
            page.close()
            print(path)
        browser.close()
    return 0


def visit(page: Page, address: str, name: str) -> None:
    """Open a page, and send its files if it has any."""
    where, files = PAGES[name]
    page.goto(address + where, wait_until="networkidle")
    if files:
        page.locator("#file").set_input_files([SAMPLES / file for file in files])
        page.locator(".upload [type=submit]").click()
        page.wait_for_selector("#answer:not([hidden]) #results")
        page.wait_for_timeout(500)  # the viewer draws


def small(png: bytes) -> bytes:
    """The same picture in 256 colors, which a page has few more than."""
    out = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    return out.getvalue()


if __name__ == "__main__":
    sys.exit(main())
