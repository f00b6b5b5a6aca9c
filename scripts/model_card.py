"""Print the model card, written from model.json; --write puts it into docs/model-card.md, with pictures of known failures."""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import jinja2

from model.gate import MIN_SIDE
from model.labels import DISPLAY
from model.measured import class_rows, corruptions, groups, mistakes, rows
from model.provenance import HELD_OUT, LEFT_OUT_OF_TRAINING, SOURCES, TWINS_IN_TESTING, slices_of

ROOT = Path(__file__).resolve().parent.parent
CARD = ROOT / "docs" / "model-card.md"
TEMPLATES = Path(__file__).with_name("templates")
SAMPLES = ROOT / "tests" / "samples"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write docs/model-card.md and docs/figures/failures.png")
    args = parser.parse_args()
    text = card(json.loads((ROOT / "model" / "model.json").read_text()))
    if not args.write:
        print(text, end="")
        return 0
    CARD.write_text(text, encoding="utf-8")
    draw_failures(CARD.parent / "figures" / "failures.png")
    return 0


def card(info: dict) -> str:
    """The model card in Markdown for what model.json holds."""
    figures, slices = info["figures"], info["training"]["slices"]
    testing = figures["testing"]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), keep_trailing_newline=True, undefined=jinja2.StrictUndefined
    )
    confusion = testing["confusion"]
    return environment.get_template("model-card.md").render(
        info=info,
        training=info["training"],
        gate={"min_side": MIN_SIDE, "threshold": f"{info['gate']['threshold']:.2f}"},
        leak={"linked": TWINS_IN_TESTING, "purged": f"{LEFT_OUT_OF_TRAINING:,}"},
        sources=[
            {"name": f"`{name}`", "what": what, "license": license}
            | {side: f"{slices_of(slices[side], name):,}" for side in ("train", "validation")}
            for name, (what, license) in SOURCES.items()
        ],
        rows=rows(info),
        class_rows=class_rows(info),
        confusion={
            "columns": [DISPLAY.get(name, name) for name in confusion["columns"]],
            "table": [(DISPLAY[name], counts) for name, counts in zip(confusion["rows"], confusion["counts"], strict=True)],
        },
        held_out=[name for name in HELD_OUT if f"held_out_{name}" in figures],
        groups=list(group_rows(figures)),
        corruptions=_corruptions(corruptions(info), testing["slices"]),
        failures=_failures(info),
        dice=_worst_outline(testing.get("dice_by_class", {})),
    )


def group_rows(figures: dict):
    """(name, accuracy, sensitivity, specificity, refused, Dice) of each group that was measured; a dash where it has none."""
    for name, held_out, row in groups({"figures": figures}):
        shares = (row.get(key) for key in ("accuracy", "tumor_sensitivity", "specificity", "refusal"))
        told = [f"{100 * s['value']:.1f} % of {s['of']}" if s and s["of"] else "-" for s in shares]
        dice = row.get("dice")
        note = f", {held_out} held out" if held_out else ""
        yield (name + note, *told, f"{dice['value']:.3f} of {dice['slices']}" if dice else "-")


def _corruptions(kept: dict[str, dict], testing: int) -> dict | None:
    if not kept:
        return None
    asked = next(iter(kept.values()))["accuracy"]["of"]
    shares = ("accuracy", "refused", "confident_errors")
    return {
        "every": "" if asked == testing else f" (each {round(testing / asked)}th of them, {asked} in all)",
        "rows": [(name.replace("_", " "), *(f"{100 * row[s]['value']:.1f} %" for s in shares)) for name, row in kept.items()],
    }


def _failures(info: dict) -> list[str]:
    """The three commonest confusions on Testing, in words."""
    return [
        f"On Testing, {count} slices of {DISPLAY[truth].lower()} were "
        + ("refused." if answer == "refused" else f"called {DISPLAY[answer].lower()}.")
        for truth, answer, count in mistakes(info)[:3]
    ]


def _worst_outline(dice: dict[str, dict]) -> list[str]:
    worst = sorted((row["value"], label) for label, row in dice.items())[:1]
    return [f"Outlines are least certain for {DISPLAY[label].lower()}: a mean Dice of {value:.2f}." for value, label in worst]


def draw_failures(path: Path) -> None:
    """A contact sheet of the samples that are wrong or uncertain; the file's name starts with the truth."""
    import matplotlib

    matplotlib.use("Agg")
    import io

    from matplotlib import pyplot
    from PIL import Image

    from model.classifier import Classifier
    from model.explanation import render
    from model.reading import read

    files = sorted(SAMPLES.glob("*.jpg"))
    slices = [read(file.read_bytes())[0] for file in files]
    shown = [
        (file, pixels, answer)
        for file, pixels, answer in zip(files, slices, Classifier.load().predict(slices), strict=True)
        if answer.status != "ok" or answer.uncertain or answer.label != file.name.split("_")[0]
    ]
    figure, axes = pyplot.subplots(1, max(1, len(shown)), figsize=(3 * max(1, len(shown)), 3.5), squeeze=False)
    for axis in axes[0]:
        axis.axis("off")
    for axis, (file, pixels, answer) in zip(axes[0], shown, strict=False):
        axis.imshow(Image.open(io.BytesIO(render(pixels, answer.mask))), cmap="gray")
        said = f"{answer.label} {answer.probabilities[answer.label]:.2f}" if answer.label else "refused"
        axis.set_title(f"{file.stem}\n{said}{', uncertain' if answer.uncertain else ''}", fontsize=8)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=90)
    pyplot.close(figure)


if __name__ == "__main__":
    sys.exit(main())
