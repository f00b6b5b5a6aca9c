"""Measure the answer for whole studies on volumes rebuilt from the slices of one patient, and compare rules for it.

--data is the folder of the training data; of it tcga_lgg and healthy_t1 are asked about, and the MNI152 template of nilearn.
With --run and --side only the patients on one side of that run's split: those of its validation side chose the rule, those of
`held_out` a run has never seen, and what a network says of those that it was trained on proves nothing. Without them every
patient is asked about. model/training/patients.py says what the volumes are.

--write puts what --record has kept into docs/studies.md; alone, it needs no data.
"""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tqdm import tqdm

from model.classifier import DEFAULT_MODEL, Classifier, ModelFileError
from model.training import patients
from model.training.dataset import load_manifest
from model.training.sides import SIDES, remembered

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "studies.md"
START, END = "<!-- figures: scripts/evaluate_patients.py --write -->", "<!-- end of figures -->"
NONE = "Not measured with the model of this version yet."
SEEN = {
    "validation": "which the network was not trained on, and which chose the rule",
    "held_out": "which the network was not trained on; some of them chose the rule",
    "train": "**on which the network was trained**: this proves nothing",
    "all": "on some of which the network may have been trained",
}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--data", type=Path, help="holds tcga_lgg/ and healthy_t1/")
    add("--manifest", type=Path, default=ROOT / "runs" / "manifest.csv", help="what prepare_data.py wrote")
    add("--run", type=Path, help="the folder of a training run")
    add("--side", choices=SIDES, default="validation", help="of the run's split (default: %(default)s)")
    add("--model", type=Path, default=DEFAULT_MODEL, help="a model.h5 with its model.json")
    add("--json", type=Path, metavar="OUT.json", help="write every figure here")
    add("--record", metavar="NAME", help="keep the figures under this name in the model's model.json")
    add("--record-in", type=Path, metavar="JSON", help="or in this model.json: what another run has shown")
    add("--write", action="store_true", help="write the recorded figures into docs/studies.md")
    args = parser.parse_args(arguments)
    if not args.data and not args.write:
        parser.error("expected --data, --write or both")
    facts = args.record_in or args.model.with_name("model.json")
    if args.data:
        try:
            stacks = find_stacks(args)
            classifier = Classifier.load(args.model)
        except (ModelFileError, FileNotFoundError) as error:
            print(f"evaluate_patients.py: {error}", file=sys.stderr)
            return 1
        report = {"model": classifier.version, "side": args.side if args.run else "all"} | measure(classifier, stacks)
        print(markdown({"studies": report}))
        if args.json:
            args.json.parent.mkdir(parents=True, exist_ok=True)
            args.json.write_text(json.dumps(report, indent=2) + "\n")
        if args.record:
            info = json.loads(facts.read_text())
            info["figures"][args.record] = report
            facts.write_text(json.dumps(info, indent=2) + "\n")
    if args.write:
        text = DOCUMENT.read_text(encoding="utf-8")
        before, after = text.split(START)[0], text.split(END)[1]
        DOCUMENT.write_text(f"{before}{START}\n{markdown(json.loads(facts.read_text())['figures'])}\n{END}{after}", "utf-8")
    return 0


def find_stacks(args: argparse.Namespace) -> list[patients.Stack]:
    """Raises FileNotFoundError when there is no LGG patient, or the run has no such side."""
    folder = args.data / "tcga_lgg" / "images"
    who = {file.name[:12] for file in folder.glob("*.jpg")}
    heads = [file.relative_to(args.data).as_posix() for file in (args.data / "healthy_t1").glob("*.jpg")]
    if args.run:
        split = remembered(args.run, load_manifest(args.manifest)) or {}
        items = split.get(args.side, [])
        who &= {item.patient for item in items}
        heads = [item.path for item in items if item.source == "healthy_t1"]
    if not who:
        raise FileNotFoundError(f"Expected patients in {folder}, on the side asked for. Received: none")
    return [*patients.lgg_volumes(args.data, who), *patients.healthy_heads(args.data, heads), patients.template()]


def measure(classifier, stacks: list[patients.Stack]) -> dict:
    with tqdm(total=sum(len(stack.slices) for stack in stacks), unit="slice", file=sys.stderr) as progress:
        answers = []
        for stack in stacks:
            answers += patients.ask(classifier, stack)
            progress.update(len(stack.slices))
    return {
        "study": patients.study_figures(answers),
        "rules": patients.rule_figures(answers),
        "template": patients.template_figures(answers),
    }


def markdown(figures: dict) -> str:
    """What --record has kept under `studies`, and under names that begin with it, as tables."""
    reports = [report for name, report in figures.items() if name.startswith("studies")]
    return "\n\n".join(map(tables, reports)) or NONE


def tables(report: dict) -> str:
    study = report["study"]
    lines = [
        f"**{study['patients']} patients {SEEN[report['side']]}** (model {report['model']}):",
        "",
        "| Measured | Value | 95 % interval | Of |",
        "|---|---|---|---|",
        share("Tumor volumes called any tumor (sensitivity)", study["sensitivity"]),
        share("... called glioma, which they are", study["called_glioma"]),
        share("Tumor-free pieces of these volumes called no tumor (specificity)", study["specificity_pieces"]),
        share("Stacks of healthy heads called no tumor (specificity)", study["specificity_heads"]),
        number("AUC, tumor volumes against both", study["auc"]),
        share("Called uncertain, of all these", study["uncertain"]),
    ]
    lines += [number(f"Dice of the volume, {name}", row, f"{row['volumes']} volumes") for name, row in study["dice"].items()]
    lines += ["", "| Rule | Sensitivity | Specificity, pieces | Specificity, heads | AUC |", "|---|---|---|---|---|"]
    for name, row in report["rules"].items():
        cells = [brief(row[key]) for key in ("sensitivity", "specificity_pieces", "specificity_heads")]
        title = f"**{name}**" if name == study["rule"] else name
        lines.append(f"| {title}, from {row['level']:g} on | {' | '.join(cells)} | {row['auc']['value']:.3f} |")
    lines += ["", "| Template MNI152, healthy | Slices | Refused | Answer | Tumor probability |", "|---|---|---|---|---|"]
    for row in report["template"]:
        probability = "" if row["tumor_probability"] is None else f"{row['tumor_probability']:.3f}"
        cells = (
            f"a slice every {row['distance_mm']:g} mm",
            row["slices"],
            row["refused"],
            row["label"] or "none",
            probability,
        )
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def share(name: str, row: dict) -> str:
    if not row["of"]:
        return f"| {name} | | | none |"
    interval = f"{100 * row['low']:.1f} to {100 * row['high']:.1f}"
    return f"| {name} | {100 * row['value']:.1f} % | {interval} | {row['hits']} of {row['of']} |"


def number(name: str, row: dict, of: str = "") -> str:
    return f"| {name} | {row['value']:.3f} | {row['low']:.3f} to {row['high']:.3f} | {of} |"


def brief(row: dict) -> str:
    return f"{row['hits']} of {row['of']}"


if __name__ == "__main__":
    sys.exit(main())
