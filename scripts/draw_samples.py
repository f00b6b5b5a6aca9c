"""Draw what static/samples holds beside the four slices: a letter, which the model refuses, and thumbnails of all five."""

import argparse
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

FOLDER = Path(__file__).resolve().parent.parent / "static" / "samples"
SIDE = 128
LETTER = """Dear reader,

this is a page of text. It is sent
along with the samples so that you
can see what happens to a picture
that is not a slice of brain MRI.

The classifier knows four groups of
slices and nothing else. Were it made
to choose, it would have to name one
of them, and that would be nonsense.

So it looks first whether a picture is
like the slices that it knows. If not,
it says so and gives no answer.

With kind regards
"""


def main(arguments: list[str] | None = None) -> None:
    argparse.ArgumentParser(description=__doc__).parse_args(arguments)
    letter = Image.new("L", (480, 600), 250)
    ImageDraw.Draw(letter).multiline_text((36, 40), LETTER, 25, ImageFont.load_default(22), spacing=9)
    letter.save(FOLDER / "letter.png", optimize=True)
    (FOLDER / "thumbs").mkdir(exist_ok=True)
    for path in sorted(FOLDER.glob("*.[jp][pn]g")):
        image = Image.open(path).convert("L")
        image.thumbnail((SIDE, SIDE), Image.LANCZOS)
        square = Image.new("L", (SIDE, SIDE), 250 if path.stem == "letter" else 0)
        square.paste(image, ((SIDE - image.width) // 2, (SIDE - image.height) // 2))
        square.save(FOLDER / "thumbs" / f"{path.stem}.jpg", quality=80, optimize=True)


if __name__ == "__main__":
    main()
