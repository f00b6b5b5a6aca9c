"""The record of a slice's answer: what its keys are, and how records become CSV. The scripts and the API print it."""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Annotated, Literal, NotRequired, TypedDict

from model.labels import LABELS

Label = Literal[LABELS]
Fraction = Annotated[float, {"minimum": 0, "maximum": 1}]
Probabilities = TypedDict("Probabilities", dict.fromkeys(LABELS, Fraction))
Probabilities.__doc__ = "Calibrated, summing to 1."
Timings = Annotated[dict[str, float], {"description": "Milliseconds by stage; a batch's time is shared equally."}]
Entry = Annotated[str, {"description": "In a ZIP, the name of the slice's own file, without folders."}]
Notes = Annotated[list[str], {"description": "Of the whole file, in words; with its first slice, if there are any."}]
Version = Annotated[str, {"description": "The model's version."}]


class Tumor(TypedDict):
    """The region that the model takes for a tumor, in pixels of the input; of `notumor`, only where that is uncertain."""

    area_px: Annotated[int, {"minimum": 1}]
    area_fraction: Fraction
    box: Annotated[list[int], {"description": "x0, y0, x1, y1, half open.", "minItems": 4, "maxItems": 4}]


class _Any(TypedDict):
    file: Annotated[str, {"description": "The name under which the file was given."}]
    slice: Annotated[int, {"description": "Its index in the file.", "minimum": 0}]


class Answered(_Any):
    """A slice that was classified."""

    entry: NotRequired[Entry]
    status: Literal["ok"]
    label: Label
    probabilities: Probabilities
    uncertain: Annotated[bool, {"description": "Whether the answer should not be relied on."}]
    in_distribution: Annotated[Fraction, {"description": "How much like a brain MRI slice it looks."}]
    tumor: Tumor | None
    reason: NotRequired[
        Annotated[str, {"description": "Why the answer should not be relied on, however high its probability is."}]
    ]
    timings_ms: Timings
    model: Version
    notes: NotRequired[Notes]


class Refused(_Any):
    """An image that is not taken for a brain MRI slice: no label and no probabilities."""

    entry: NotRequired[Entry]
    status: Literal["refused"]
    reason: str
    in_distribution: Fraction
    timings_ms: Timings
    model: Version
    notes: NotRequired[Notes]


class Unreadable(_Any):
    """A file that could not be read."""

    status: Literal["error"]
    reason: str
    model: Version


Record = Answered | Refused | Unreadable


class StudyFacts(TypedDict):
    """What came of a volume or series; docs/studies.md tells how."""

    start: Annotated[int, {"description": "Its first slice, counted from 0.", "minimum": 0}]
    stop: Annotated[int, {"description": "One more than its last slice.", "minimum": 2}]
    analyzed: Annotated[int, {"description": "Slices that were answered.", "minimum": 0}]
    refused: Annotated[int, {"description": "Slices that are not taken for brain MRI.", "minimum": 0}]
    label: Annotated[Label | None, {"description": "null when too few slices were analyzed."}]
    probabilities: Probabilities | None
    tumor_probability: Annotated[
        float | None, {"description": "That it shows a tumor of any kind.", "minimum": 0, "maximum": 1}
    ]
    uncertain: Annotated[bool, {"description": "Whether the answer should not be relied on."}]
    best_slice: Annotated[int | None, {"description": "The slice that shows the finding best; null when there is none."}]
    volume_ml: Annotated[
        float | None,
        {"description": "Of the outlines of all its slices, in ml; null without a finding, or where distances are not known."},
    ]
    files: NotRequired[
        Annotated[
            list[str],
            {
                "description": "Of a series whose slices are files of their own: their names in its order, in which `start`, "
                "`stop` and `best_slice` count.",
                "minItems": 2,
            },
        ]
    ]


class StudyRecord(TypedDict):
    """The record of a volume or series. Those of slices have no key `study`."""

    file: Annotated[
        str | None, {"description": "The name under which the file was given; null for a series of several files."}
    ]
    study: StudyFacts
    model: Version


COLUMNS = (
    "file", "slice", "status", "label", *LABELS, "uncertain", "in_distribution",
    "area_px", "area_fraction", "x0", "y0", "x1", "y1", "reason", "model", "entry", "notes",
)  # fmt: skip


STUDY_COLUMNS = ("start", "stop", "analyzed", "refused", "tumor_probability", "best_slice", "volume_ml", "files")

# A spreadsheet takes a cell that begins so for a formula, and runs it (OWASP, CSV Injection). Apostrophes before it are
# counted in, so that what was put in front of a text can be told from what was there. The last four are = + - @ of full
# width. Alone such a sign computes nothing: "-" is the name of standard input.
FORMULA = re.compile("'*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20].", re.DOTALL)
QUOTED = re.compile('[",;\t\r\n]')  # a semicolon separates cells where the comma separates decimals


def csv_lines(records: Iterable[Record | StudyRecord] = (), header: bool = True, columns: Sequence[str] = COLUMNS) -> str:
    """Records as CSV with "\\n" at the end of lines; what a record has not is an empty cell.

    A text that a spreadsheet would take for a formula, such as the file name "=1+1.png", has an apostrophe before it;
    `text_of_cell` takes it away. The row of a study has the status `study` and no slice; it needs the `columns` COLUMNS +
    STUDY_COLUMNS. Its `files` are a list in JSON. `notes` are sentences, one after the other in a cell.
    """
    lines = [",".join(columns)] if header else []
    for record in records:
        if "study" in record:
            known = {key: value for key, value in record["study"].items() if value is not None}
            if "files" in known:
                known["files"] = json.dumps(known["files"], ensure_ascii=False)
            record = {"file": record["file"], "status": "study", "model": record["model"]} | known
        tumor = record.get("tumor") or {}
        row = record | record.get("probabilities", {}) | tumor
        row |= dict(zip(("x0", "y0", "x1", "y1"), tumor.get("box", ()), strict=False))
        row["notes"] = " ".join(record.get("notes", ()))
        lines.append(",".join(_cell(row.get(column, "")) for column in columns))
    return "".join(line + "\n" for line in lines)


def text_of_cell(cell: str) -> str:
    """The text that `csv_lines` made a cell of, once its quotes are gone."""
    return cell[1:] if cell.startswith("'") and FORMULA.match(cell) else cell


def _cell(value: object) -> str:
    """A number as it is, also a negative one; a text so that it stays one text. Python's own writer leaves semicolons bare."""
    if not isinstance(value, str):
        return str(value)
    text = f"'{value}" if FORMULA.match(value) else value
    return '"{}"'.format(text.replace('"', '""')) if QUOTED.search(text) else text
