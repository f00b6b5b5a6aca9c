"""DICOM slices that came as files of their own: their study is the one that the same files give in a ZIP."""

import csv
import io
import json
import re
from pathlib import Path

import jsonschema_rs
import numpy as np
import pytest

import spheres
from fakes import refused
from format_samples import VOLUME, dicom, series, zipped
from model.reading import read
from uploads import API, PNG, TEXT, send

CT = dicom(Modality="CT", SOPClassUID="1.2.840.10008.5.1.4.1.1.2", SeriesInstanceUID="1.8")
OTHER = {"SeriesInstanceUID": "1.9", "SeriesNumber": 2}
COUNTS = {"start", "stop", "best_slice"}  # in a ZIP, of all its slices


@pytest.fixture
def files() -> list[tuple[str, bytes]]:
    """Two mixed series of 24 and 8 slices, their names in another order than their positions; a picture, text and CT."""
    sphere = spheres.dicom_files(SeriesInstanceUID="1.8")
    turn = np.random.default_rng(3).permutation(len(sphere))
    found = [(f"IM{n:03}", sphere[i]) for n, i in enumerate(turn)]
    for n, data in enumerate(reversed(series(**OTHER))):
        found.insert(3 * n, (f"IM{100 + n}", data))
    return [*found[:5], ("picture.png", PNG), *found[5:9], ("CT1", CT), *found[9:], ("readme.txt", TEXT)]


@pytest.fixture
def app(app):
    app.config["MAX_FILES"] = 64
    return app


def timeless(records: list[dict]) -> list[dict]:
    return [{k: v for k, v in record.items() if k != "timings_ms"} for record in records]


def comparable(study: dict) -> dict:
    return {key: value for key, value in study.items() if key not in COUNTS | {"files"}}


def in_a_zip(client, files) -> dict:
    return send(client, API, ("all.zip", zipped(files))).get_json()


def check_against_the_zip(studies: list[dict], files, body: dict) -> None:
    """`body`: the API's answer for a ZIP of the files. The best slices are compared by their pixels."""
    assert [comparable(study) for study in studies] == [comparable(record["study"]) for record in body["studies"]]
    slices, content = read(zipped(files)), dict(files)
    for study, record in zip(studies, body["studies"], strict=True):
        inside = record["study"]
        assert (study["start"], study["stop"]) == (0, len(study["files"])) == (0, inside["stop"] - inside["start"])
        for name, pixels in zip(study["files"], slices[inside["start"] : inside["stop"]], strict=True):
            np.testing.assert_array_equal(read(content[name])[0], pixels)
        if inside["best_slice"] is None:
            assert study["best_slice"] is None
        else:
            assert study["best_slice"] == inside["best_slice"] - inside["start"]


# --- the API and the page


def test_the_studies_are_those_of_a_zip(app, outlining, files):
    client = app.test_client()
    body = send(client, API, *files).get_json()
    assert [study["file"] for study in body["studies"]] == [None, None]
    assert all(study.keys() == {"file", "study", "model"} for study in body["studies"])
    check_against_the_zip([record["study"] for record in body["studies"]], files, in_a_zip(client, files))
    first, second = (record["study"] for record in body["studies"])
    assert (first["label"], first["analyzed"], first["refused"]) == ("pituitary", 24, 0)
    assert first["volume_ml"] == pytest.approx(spheres.ML, rel=0.01)
    best = first["files"][first["best_slice"]]
    areas = {r["file"]: r["tumor"]["area_px"] if r.get("tumor") else 0 for r in body["records"]}
    assert areas[best] == max(areas.values()) == 676
    assert second["files"] == [f"IM{107 - i}" for i in range(8)]


def test_the_records_of_the_slices_stay_as_they_are(app, outlining, files):
    """Of each file one, in the order sent, as when it comes alone; and nothing is analyzed twice."""
    client = app.test_client()
    records = timeless(send(client, API, *files).get_json()["records"])
    assert sum(map(len, outlining.calls)) == 24 + 8 + 1
    assert [(r["file"], r["slice"]) for r in records] == [(name, 0) for name, _ in files]
    assert [r["status"] for r in records if r["status"] != "ok"] == ["refused", "error"]
    for (name, data), record in zip(files, records, strict=True):
        if record["status"] != "error":
            assert timeless([send(client, API, (name, data)).get_json()]) == [record]


def test_slices_that_are_refused_count_in_the_study(app, fake):
    outline, dark = spheres.outlining().answer, refused("Too little.")
    fake.answer = lambda pixels: (outline if (pixels > spheres.BRIGHT).sum() > 400 else dark)(pixels)
    files = [(f"IM{i:02}", data) for i, data in enumerate(spheres.dicom_files())]
    client = app.test_client()
    (record,) = send(client, API, *files).get_json()["studies"]
    check_against_the_zip([record["study"]], files, in_a_zip(client, files))
    assert record["study"]["refused"] > 5


def test_studies_of_single_files_come_first_and_have_no_files(app, outlining):
    loose = [(f"IM{i:02}", data) for i, data in enumerate(spheres.dicom_files())]
    multi = spheres.multi_frame(SeriesInstanceUID="1.2.3.4.5")  # of the same series: it has its own study
    body = send(app.test_client(), API, *loose[:12], ("multi.dcm", multi), ("a.nii", spheres.nifti()), *loose[12:]).get_json()
    assert [(s["file"], s["study"]["stop"], "files" in s["study"]) for s in body["studies"]] == [
        ("multi.dcm", 24, False),
        ("a.nii", 24, False),
        (None, 24, True),
    ]
    assert body["studies"][2]["study"]["files"] == [name for name, _ in loose]


def test_the_answer_is_as_the_openapi_document_says(app, outlining, files):
    client = app.test_client()
    document = client.get("/api/openapi.json").get_json()
    schemas = document["components"]["schemas"]
    assert "files" in schemas["StudyFacts"]["properties"] and "files" not in schemas["StudyFacts"]["required"]
    schema = {"$ref": "#/components/schemas/Records", "components": document["components"]}
    validator = jsonschema_rs.Draft202012Validator(schema)
    for sent in (files, [("all.zip", zipped(files))]):
        validator.validate(send(client, API, *sent).get_json())
    broken = send(client, API, *files).get_json()
    broken["studies"][0]["study"]["files"] = "IM1"
    assert not validator.is_valid(broken)


def test_files_that_name_no_series_are_no_study(client):
    files = [(f"{i}", dicom(VOLUME[i], position=3.0 * i, number=i + 1, SeriesInstanceUID=None)) for i in range(4)]
    assert send(client, API, *files).get_json()["studies"] == []


def test_the_page_shows_them_as_one(app, outlining, files):
    client = app.test_client()
    page = send(client, "/", *files).text
    rows = re.findall(r'<th scope="row" role="rowheader" data-value="([^"]+)">', page)
    api = send(client, API, *files).get_json()
    first, second = (record["study"]["files"] for record in api["studies"])
    names = {f"{first[0]} … {first[-1]}", f"{second[0]} … {second[-1]}", "picture.png", "CT1", "readme.txt"}
    assert set(rows) == names and len(rows) == 5
    assert page.count('download="mask.nii.gz"') == 2
    assert "33.5 ml" in page.replace("\xa0", " ")


def test_the_pages_script_gets_them_too(app, outlining):
    files = [(f"IM.{i}", data) for i, data in enumerate(spheres.dicom_files())]
    client = app.test_client()
    lines = {"Accept": "application/x-ndjson"}
    alone = send(client, "/", ("a.zip", zipped(files)), headers=lines).text
    loose = send(client, "/", *files, headers=lines).text
    html = "".join(json.loads(line).get("html", "") for line in loose.splitlines())
    assert "data-seg" in alone and "data-seg" in loose
    assert "IM.0 … IM.23" in html and 'download="mask.nii.gz"' in html


# --- predict.py


@pytest.fixture
def disc(tmp_path, files) -> Path:
    """The same files on top and in a folder below it, beside a folder that sorts between them."""
    disc = tmp_path / "disc"
    for folder in (disc, disc / "IM01" / "SE1"):
        folder.mkdir(parents=True)
        for name, data in files:
            (folder / name).write_bytes(data)
    return disc


def printed(script, capsys, *arguments) -> list[dict]:
    script.main([*map(str, arguments)])
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_folders_studies_follow_its_last_file(script, app, outlining, disc, files, capsys):
    plain = printed(script, capsys, disc)
    records = printed(script, capsys, disc, "--studies")
    assert timeless([record for record in records if "study" not in record]) == timeless(plain)
    at = [i for i, record in enumerate(records) if "study" in record]
    assert [records[i]["file"] for i in at] == ["IM01/SE1", "IM01/SE1", str(disc), str(disc)]
    assert [records[i - 1]["file"] for i in at[::2]] == ["IM01/SE1/readme.txt", "readme.txt"]
    below, top = ([records[i]["study"] for i in two] for two in (at[:2], at[2:]))
    body = in_a_zip(app.test_client(), files)
    check_against_the_zip(top, files, body)
    check_against_the_zip(below, [(f"IM01/SE1/{name}", data) for name, data in files], body)


@pytest.mark.parametrize("jobs", [1, 4])
def test_nothing_is_analyzed_twice(script, outlining, disc, capsys, jobs):
    printed(script, capsys, disc, "--studies", "--jobs", jobs)
    assert sum(map(len, outlining.calls)) == 2 * (24 + 8 + 1)


def test_files_that_are_given_one_by_one_are_no_series(script, outlining, disc, files, capsys):
    records = printed(script, capsys, *[disc / name for name, _ in files], "--studies")
    assert len(records) == len(files) and not any("study" in record for record in records)


def test_a_folder_given_twice_has_its_studies_twice(script, outlining, disc, capsys):
    folder = disc / "IM01" / "SE1"
    records = printed(script, capsys, folder, folder, "--studies")
    assert [record["study"]["stop"] for record in records if "study" in record] == [24, 8, 24, 8]


def test_in_csv_and_table(script, outlining, disc, capsys):
    folder = disc / "IM01" / "SE1"
    first, second = [record["study"] for record in printed(script, capsys, folder, "--studies") if "study" in record]
    script.main([str(folder), "--studies", "--format", "csv"])
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    studies = [row for row in rows if row["status"] == "study"]
    assert [(row["file"], json.loads(row["files"])) for row in studies] == [
        (str(folder), first["files"]), (str(folder), second["files"])
    ]  # fmt: skip
    assert (studies[0]["best_slice"], studies[0]["start"], studies[0]["stop"]) == (str(first["best_slice"]), "0", "24")
    assert {row["files"] for row in rows if row["status"] != "study"} == {""}
    script.main([str(folder), "--studies", "--format", "table"])
    lines = capsys.readouterr().out.splitlines()
    best = first["files"][first["best_slice"]]
    assert lines[-2].endswith(f"pituitary          0.970  study of 24 slices, 33.5 ml, best {best}")
    assert "study of 8 slices" in lines[-1]


@pytest.mark.parametrize("format", ["jsonl", "csv"])
def test_wherever_it_is_interrupted_the_resumed_run_has_the_same_studies(script, outlining, disc, tmp_path, capsys, format):
    out = tmp_path / "records"
    command = [str(disc), "--studies", "--format", format, "--out", str(out), "--resume"]
    script.main(command)
    whole = out.read_text()
    lines = whole.splitlines(keepends=True)
    assert len(lines) == 2 * 35 + 4 + (format == "csv")
    for cut in range(0, len(lines), 3):
        out.write_text("".join(lines[:cut]) + lines[cut][: len(lines[cut]) // 2])
        script.main(command)
        again = out.read_text()
        if format == "csv":
            assert again == whole
        else:
            assert timeless(map(json.loads, again.splitlines())) == timeless(map(json.loads, lines))


def test_resuming_analyzes_again_only_dicom_of_folders_that_are_not_done(script, outlining, disc, tmp_path, capsys):
    out = tmp_path / "records"
    command = [str(disc), "--studies", "--out", str(out), "--resume"]
    script.main(command)
    lines = out.read_text().splitlines(keepends=True)
    names = [json.loads(line)["file"] for line in lines]
    out.write_text("".join(lines[: names.index("picture.png") + 1]))  # on top: all DICOM is answered, it and the text are not
    outlining.calls.clear()
    capsys.readouterr()
    script.main(command)
    assert sum(map(len, outlining.calls)) == 24 + 8 + 1
    said = "predict.py: 33 DICOM file(s) analyzed once more, for the studies of their folders\n"  # CT is not asked about
    assert capsys.readouterr().err == said
    assert timeless(map(json.loads, out.read_text().splitlines())) == timeless(map(json.loads, lines))
    outlining.calls.clear()
    script.main([*command[:1], "--out", str(tmp_path / "plain"), "--resume"])
    (tmp_path / "plain").write_text("".join((tmp_path / "plain").read_text().splitlines(keepends=True)[:50]))
    outlining.calls.clear()
    script.main([*command[:1], "--out", str(tmp_path / "plain"), "--resume"])
    assert sum(map(len, outlining.calls)) < 33 and capsys.readouterr().err == ""  # without studies nothing is
