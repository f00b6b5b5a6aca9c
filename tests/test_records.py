"""Records as CSV."""

import csv
import io

import numpy as np
import pytest

from fakes import ok, refused
from model.labels import LABELS
from model.prediction import error_record
from model.records import COLUMNS, STUDY_COLUMNS, csv_lines, text_of_cell
from model.study import Study

PIXELS = np.zeros((12, 16), np.uint8)
ANSWERED = ok("glioma", tumor=True)(PIXELS).record("a.png", 3, "1")


def row_of(record: dict) -> dict[str, str]:
    (row,) = csv.DictReader(io.StringIO(csv_lines([record])))
    return row


def test_columns():
    assert ",".join(COLUMNS) == (
        "file,slice,status,label,glioma,meningioma,notumor,pituitary,uncertain,in_distribution,"
        "area_px,area_fraction,x0,y0,x1,y1,reason,model,entry,notes"
    )
    assert COLUMNS[4:8] == LABELS


def test_an_answer():
    assert list(row_of(ANSWERED).values()) == [
        "a.png", "3", "ok", "glioma", "0.91", "0.03", "0.03", "0.03", "False", "0.97",
        "20", "0.104167", "3", "2", "8", "6", "", "1", "", "",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("record", "filled"),
    [
        (ok("notumor")(PIXELS).record("a.png", 0, "1"), {"label": "notumor", "area_px": "", "x0": ""}),
        (refused('No, "this" is\nnone.')(PIXELS).record("a.png", 0, "1"), {"reason": 'No, "this" is\nnone.', "label": ""}),
        (error_record("a,b.png", "unreadable", "1"), {"file": "a,b.png", "status": "error", "in_distribution": ""}),
        (ANSWERED | {"notes": ["A note."]}, {"label": "glioma", "entry": "", "notes": "A note."}),
        (ANSWERED | {"notes": ["=A note.", "2 files."]}, {"notes": "'=A note. 2 files."}),
        (ok("notumor")(PIXELS).record("a.zip", 1, "1", "=b.png"), {"slice": "1", "entry": "'=b.png"}),
        (refused("No.")(PIXELS).record("a.zip", 0, "1", "a.png"), {"status": "refused", "entry": "a.png"}),
    ],
)  # fmt: skip
def test_what_is_missing_is_an_empty_cell(record, filled):
    assert row_of(record).items() >= filled.items()


FORMULAS = {
    "-": "-",  # standard input: a sign alone computes nothing
    "'-": "'-",
    "=1+1": "'=1+1",
    "+1": "'+1",
    "-1": "'-1",
    "@SUM(A1)": "'@SUM(A1)",
    "\t=1": "'\t=1",
    "\r=1": "'\r=1",
    "\n=1": "'\n=1",
    "\uff1d1+1": "'\uff1d1+1",
    "'=1": "''=1",  # so that what is read back is told from =1
    '=HYPERLINK("http://a","b").png': '\'=HYPERLINK("http://a","b").png',
    "a=1.png": "a=1.png",
    "'a'.png": "'a'.png",
    "'": "'",
    "": "",
}


@pytest.mark.parametrize(("name", "cell"), FORMULAS.items())
def test_no_text_is_a_formula_to_a_spreadsheet(name, cell):
    """OWASP, CSV Injection."""
    row = row_of(ANSWERED | {"file": name})
    assert row == row_of(ANSWERED) | {"file": cell}
    assert row_of(error_record("a", name, "1"))["reason"] == cell
    assert text_of_cell(cell) == name


def test_a_semicolon_does_not_begin_another_cell():
    """It separates cells where the comma separates decimals, as in Spain."""
    text = csv_lines([ANSWERED | {"file": "a;=1+1;.png"}], header=False)
    assert text == '"a;=1+1;.png",' + csv_lines([ANSWERED], header=False).removeprefix("a.png,")


def test_a_number_stays_one():
    row = row_of(ANSWERED | {"in_distribution": -1e-09, "slice": -1})
    assert (row["in_distribution"], row["slice"]) == ("-1e-09", "-1")


@pytest.mark.parametrize("name", ["a\0b", "\udcff.png", 'a"b', "a\r\nb", ""])
def test_a_name_is_read_back_as_it_was(name):
    assert row_of(ANSWERED | {"file": name})["file"] == name


def test_the_header_comes_once_or_not():
    assert csv_lines() == ",".join(COLUMNS) + "\n"
    assert csv_lines([ANSWERED, ANSWERED]).count("file,slice") == 1
    assert csv_lines() + csv_lines([ANSWERED], header=False) == csv_lines([ANSWERED])


STUDY = Study(2, 9, 6, 1, "glioma", ANSWERED["probabilities"], 0.97, False, 4, 12.5).record("a.nii", "1")


def test_a_study_has_a_row_with_columns_of_its_own():
    columns = COLUMNS + STUDY_COLUMNS
    text = csv_lines([ANSWERED, STUDY], columns=columns)
    assert text.splitlines()[0] == ",".join(columns)
    slice_, study = csv.DictReader(io.StringIO(text))
    assert {key: study[key] for key in study if study[key]} == {
        "file": "a.nii", "status": "study", "label": "glioma", "glioma": "0.91", "meningioma": "0.03", "notumor": "0.03",
        "pituitary": "0.03", "uncertain": "False", "model": "1", "start": "2", "stop": "9", "analyzed": "6", "refused": "1",
        "tumor_probability": "0.97", "best_slice": "4", "volume_ml": "12.5",
    }  # fmt: skip
    assert slice_["slice"] == "3" and not any(slice_[column] for column in STUDY_COLUMNS)


def test_a_study_without_a_class_has_empty_cells():
    record = Study(0, 4, 1, 3, None, None, None, True, None, None).record("a.nii", "1")
    (row,) = csv.DictReader(io.StringIO(csv_lines([record], columns=COLUMNS + STUDY_COLUMNS)))
    assert (row["status"], row["label"], row["glioma"], row["volume_ml"], row["analyzed"]) == ("study", "", "", "", "1")


def test_the_record_stays_as_it_is():
    before = repr(ANSWERED)
    csv_lines([ANSWERED])
    assert repr(ANSWERED) == before
