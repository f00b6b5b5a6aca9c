"""What an interrupted run has written, wherever it was cut."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from fakes import ok, picture, refused
from format_samples import nifti, series, zipped
from model.batch import Source
from model.inputs import find_sources
from model.prediction import error_record
from model.records import COLUMNS, STUDY_COLUMNS, csv_lines
from model.resume import NotResumable, Written, check_studies, written
from model.study import Study

PIXELS = np.zeros((12, 16), np.uint8)


def record(file: str, index: int = 0) -> dict:
    return ok()(PIXELS).record(file, index, "1")


RECORDS = [record("a"), error_record('b, "quoted"\nname', "unreadable", "1"), record("c"), record("c", 1), record("d")]
BOTH = COLUMNS + STUDY_COLUMNS
STUDY = Study(0, 2, 2, 0, None, None, None, True, None, None).record("a", "1")
SHORT_ROW = (csv_lines() + "a,b\n" + csv_lines([record("a")], header=False)).encode()


def lines(records, format: str, columns=COLUMNS) -> bytes:
    text = csv_lines(records, columns=columns) if format == "csv" else "".join(json.dumps(r) + "\n" for r in records)
    return text.encode("utf-8", "surrogateescape")


def put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def at(tmp_path, data: bytes) -> Path:
    path = tmp_path / "records"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("format", ["jsonl", "csv"])
def test_nothing_is_written_yet(tmp_path, format):
    assert written(tmp_path / "none", format, "1") == Written()
    assert written(at(tmp_path, b""), format, "1") == Written()


@pytest.mark.parametrize("format", ["jsonl", "csv"])
@pytest.mark.parametrize("name", ["=1+1.png", "'=1+1.png", "-a", "@a;b", "\ta", "'a'", "\udcff"])
def test_a_name_that_looks_like_a_formula_is_known_again(tmp_path, format, name):
    found = written(at(tmp_path, lines([record(name), record("d")], format)), format, "1")
    assert found.answered == Counter([name])
    assert found.without_answered([Source(name, None), Source("d", None)]) == [Source("d", None)]


@pytest.mark.parametrize("format", ["jsonl", "csv"])
def test_the_last_file_is_answered_again(tmp_path, format):
    found = written(at(tmp_path, lines(RECORDS, format)), format, "1")
    slices = {"a": [[0]], 'b, "quoted"\nname': [[]], "c": [[0, 1]]}
    assert found == Written(Counter(slices.keys()), len(lines(RECORDS[:4], format)), True, {"c"}, slices=slices)


@pytest.mark.parametrize("format", ["jsonl", "csv"])
def test_all_slices_of_the_last_file_go(tmp_path, format):
    found = written(at(tmp_path, lines(RECORDS[:4], format)), format, "1")
    assert (found.answered["c"], found.end) == (0, len(lines(RECORDS[:2], format)))


@pytest.mark.parametrize("format", ["jsonl", "csv"])
def test_wherever_it_is_cut_what_is_kept_and_the_rest_make_the_whole(tmp_path, format):
    whole, sources = lines(RECORDS, format), [Source(name, None) for name in ("a", 'b, "quoted"\nname', "c", "d")]
    for cut in range(len(whole)):
        found = written(at(tmp_path, whole[:cut]), format, "1")
        rest = {source.name for source in found.without_answered(sources)}
        again = lines([r for r in RECORDS if r["file"] in rest], format)
        if format == "csv" and found.end:
            again = again[len(csv_lines()) :]
        assert whole[: found.end] + again == whole, cut
        assert found.failed == (len(rest) < 3)


@pytest.mark.parametrize("format", ["jsonl", "csv"])
def test_a_study_belongs_to_the_slices_before_it(tmp_path, format):
    """Cut anywhere, what is kept ends after a study, or after the slices of a file that has none."""
    study = Study(0, 2, 2, 0, None, None, None, True, None, None)
    records = [*RECORDS[:4], study.record("c", "1"), record("d"), record("e"), record("e", 1), study.record("e", "1")]
    whole = lines(records, format, BOTH)
    found = written(at(tmp_path, whole), format, "1", studies=True)
    assert (dict(found.answered), found.end) == (
        {"a": 1, 'b, "quoted"\nname': 1, "c": 1, "d": 1},
        len(lines(records[:6], format, BOTH)),
    )
    until_the_study = lines(records[:5], format, BOTH)
    assert written(at(tmp_path, until_the_study), format, "1", studies=True).answered["c"] == 0  # it is the last file


def test_records_without_studies_are_not_continued_with_studies(tmp_path):
    """A JSONL does not say how it was begun. Several slices may be pictures, each in its own right: those have no study."""
    contents = {
        "one.png": picture(),
        "pictures.zip": zipped({f"{i}.png": picture(seed=i) for i in range(2)}),
        "head.nii": nifti(),
    }
    for name, content in contents.items():
        put(tmp_path / "in" / name, content)
    sources = find_sources([str(tmp_path / "in")])
    records = [record(name, i) for name in contents for i in range(1 if name == "one.png" else 2)]
    for name in ("head.nii", "elsewhere"):
        data = lines([*records, STUDY | {"file": name}, record("last")], "jsonl")
        kept = written(at(tmp_path, data), "jsonl", "1", studies=True)
        assert (kept.several, kept.studies) == ({"pictures.zip", "head.nii"}, {name})
        if name == "head.nii":
            check_studies(kept, sources)
    with pytest.raises(NotResumable, match=r"^Expected records with studies\. Received: those of head\.nii without$"):
        check_studies(kept, sources)
    (tmp_path / "in" / "head.nii").unlink()
    check_studies(kept, sources)  # nobody knows


def test_nor_is_a_folder_of_a_series_whose_study_is_missing(tmp_path):
    slices = series()
    for name in ("SE1/1", "SE1/2", "SE2/1"):
        put(tmp_path / "in" / name, slices[int(name[-1])])
    sources = find_sources([str(tmp_path / "in")])
    records = [record(name) for name in ("SE1/1", "SE1/2", "SE2/1", "last")]
    with pytest.raises(NotResumable, match=r"Received: those of SE1 without$"):
        check_studies(written(at(tmp_path, lines(records, "jsonl")), "jsonl", "1", studies=True), sources)
    for end in (2, 1, 0):  # within the folder: its study is still to come
        check_studies(written(at(tmp_path, lines(records[:end], "jsonl")), "jsonl", "1", studies=True), sources)
    records.insert(2, STUDY | {"file": "SE1"})
    check_studies(written(at(tmp_path, lines(records, "jsonl")), "jsonl", "1", studies=True), sources)


def test_a_study_of_very_many_files_can_be_continued_from_csv(tmp_path):
    files = [f"1.2.826.0.1.3680043.8.498/{'9' * 60}/{'8' * 60}{n}.dcm" for n in range(1000)]
    assert len("".join(files)) > 131_072  # what Python's csv takes for a cell, unasked
    study = STUDY | {"study": STUDY["study"] | {"files": files}}
    found = written(at(tmp_path, lines([record("a"), study, record("b"), record("c")], "csv", BOTH)), "csv", "1", studies=True)
    assert found.answered["a"] == found.answered["b"] == 1


def test_files_of_one_name_are_counted(tmp_path):
    found = written(at(tmp_path, lines([record("a"), record("a"), record("a", 1), record("b")], "jsonl")), "jsonl", "1")
    sources = [Source("a", Path("x/a")), Source("a", Path("y/a")), Source("a", Path("z/a")), Source("b", Path("x/b"))]
    assert [s.path for s in found.without_answered(sources)] == [Path("z/a"), Path("x/b")]
    assert found.answered["a"] == 2  # asking changes nothing
    assert [(s.path, index) for s, index in found.slices_of(sources)] == [(Path("x/a"), 0), (Path("y/a"), 0), (Path("y/a"), 1)]


@pytest.mark.parametrize("format", ["jsonl", "csv"])
def test_slices_that_were_refused_are_none_of_those_with_pictures(tmp_path, format):
    records = [record("a"), refused()(PIXELS).record("a", 1, "1"), record("a", 2), STUDY, record("b")]
    found = written(at(tmp_path, lines(records, format, BOTH)), format, "1", studies=True)
    assert found.slices == {"a": [[0, 2]]}


@pytest.mark.parametrize(
    ("data", "format", "version", "message"),
    [
        (lines(RECORDS, "csv"), "jsonl", "1", r"^Expected one JSON record on each line. Received: b'file,slice,"),
        (b"5\n", "jsonl", "1", r"^Expected one JSON record on each line. Received: b'5"),
        (lines(RECORDS, "jsonl"), "csv", "1", r"^Expected the columns file, slice, .* Received: '{"),
        (SHORT_ROW, "csv", "1", r"^Expected 20 cells in a row. Received: 2"),
        (lines(RECORDS, "jsonl"), "jsonl", "2", r"^Expected answers of the model 2. Received: .* with those of 1$"),
        (lines([STUDY], "jsonl"), "jsonl", "1", r"^Expected one JSON record on each line. Received: b'{.file.: .a., .study"),
        (lines(RECORDS, "csv", BOTH), "csv", "1", r"^Expected records without studies. Received: the others$"),
        (lines(RECORDS, "csv"), "csv", "2", r"^Expected answers of the model 2. Received: .* with those of 1$"),
    ],
)  # fmt: skip
def test_what_cannot_be_continued(tmp_path, data, format, version, message):
    with pytest.raises(NotResumable, match=message):
        written(at(tmp_path, data), format, version)
