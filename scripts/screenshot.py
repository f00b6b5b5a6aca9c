"""Take the README's screenshot: the page with the answer for a sample slice, in Debian's headless Chromium."""

import argparse
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from playwright.sync_api import sync_playwright

from app import create_app
from web import serving

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slice", type=Path, default=ROOT / "tests" / "samples" / "meningioma_Te-me_0016.jpg")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "page.png")
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    parser.add_argument("--width", type=int, default=1180)
    parser.add_argument("--dark", action="store_true")
    args = parser.parse_args()

    listener = serving.listen("127.0.0.1", 0)
    threading.Thread(target=serving.serve, args=(create_app(), listener), daemon=True).start()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=args.chromium, args=["--no-sandbox"])
        scheme = "dark" if args.dark else "light"
        page = browser.new_page(viewport={"width": args.width, "height": 760}, color_scheme=scheme)
        page.goto(serving.address(listener))
        page.get_by_label("Choose a brain MRI slice").set_input_files(args.slice)
        with page.expect_navigation():
            page.get_by_role("button", name="Analyze").click()
        page.screenshot(path=args.out)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
