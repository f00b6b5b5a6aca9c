"""Names planted in file names, DICOM tags and the metadata of pictures are looked for in every answer and in the log.

A file's name may come back in its record's `file` (on the page, at its picture), to the one who sent it; what a file says of a
person nowhere. And nothing of an upload is written to disk.
"""

import builtins
import gzip
import io
import itertools
import json
import logging
import re
import tempfile
import warnings
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from PIL import Image, PngImagePlugin
from werkzeug.datastructures import FileStorage
from werkzeug.test import encode_multipart

import format_samples
from fakes import ok, picture, refused
from uploads import API, MASK, OVERLAY, TEXT, URLS, send

ROOT = Path(__file__).parents[1]
NAME = "Ophelia-Namesake-1931.dcm"  # a file's
INSIDE = "Zebulonplant"  # of the patient, in files
ENTRY = re.compile(rf'"entry": "{INSIDE}\d+\.dcm"')  # in a ZIP: told in a record, as the ZIP's name is, nowhere else
PLANTED = re.compile("ophelia|namesake|1931|zebulon|plant", re.IGNORECASE)


def planted(**more) -> dict:
    """DICOM attributes of a person; some are not valid, for libraries quote those in their warnings."""
    person = {
        "PatientName": f"{INSIDE}^Zebulon",
        "PatientID": "PLANTED-4711",
        "PatientBirthDate": "PLANTED",
        "PatientAge": "PLANTED-YEARS",
        "PatientComments": INSIDE,
        "OtherPatientIDs": ["PLANTED-1", "PLANTED-2"],
        "AccessionNumber": f"{INSIDE} is longer than sixteen characters",
        "InstitutionName": f"Hospital of {INSIDE}",
        "ReferringPhysicianName": f"{INSIDE}^Doctor",
        "StudyDescription": INSIDE,
        "SeriesDescription": INSIDE,
        "ProtocolName": INSIDE,
        "ImageComments": INSIDE,
        "StudyID": INSIDE,
    }
    return person | more


def dicom(**more) -> bytes:
    logging.disable(logging.CRITICAL)  # pydicom tells of invalid values when they are written, too
    try:
        with warnings.catch_warnings(action="ignore"):
            return format_samples.dicom(**planted(**more))
    finally:
        logging.disable(logging.NOTSET)


def png() -> bytes:
    text = PngImagePlugin.PngInfo()
    text.add_text("Patient", INSIDE)
    out = io.BytesIO()
    Image.open(io.BytesIO(picture(size=(64, 64)))).save(out, "PNG", pnginfo=text)
    return out.getvalue()


def exif(format: str) -> bytes:
    """With the tags ImageDescription and Artist."""
    tags = Image.Exif()
    tags[0x010E] = tags[0x013B] = INSIDE
    out = io.BytesIO()
    Image.open(io.BytesIO(picture(size=(64, 64)))).save(out, format, exif=tags)
    return out.getvalue()


def nifti() -> bytes:
    image = nibabel.Nifti1Image(format_samples.VOLUME, np.diag([1.5, 1.5, 3, 1]))
    image.header["descrip"], image.header["db_name"] = INSIDE.encode(), INSIDE.encode()
    return image.to_bytes()


FILES = {
    "dicom": dicom,
    "dicom of a part that is not known": lambda: dicom(BodyPartExamined="ZEBULONPLANT"),
    "dicom without a modality": lambda: dicom(Modality=None),
    "dicom of another modality": lambda: dicom(Modality="CT"),
    "dicom of a modality that is not known": lambda: dicom(Modality="PLANTED"),
    "dicom with nonsense for numbers": lambda: dicom(ImagePositionPatient=None, SliceThickness=None, InstanceNumber=None),
    "dicom cut short": lambda: dicom()[:-200],
    "dicom cut in its header": lambda: dicom()[:700],
    "dicom without its pixels": lambda: dicom(PixelData=None),
    "nifti": nifti,
    "nifti cut short": lambda: nifti()[:600],
    "zip of dicom": lambda: format_samples.zipped({"1.dcm": dicom(), "2.dcm": dicom(Modality="CT"), "3.txt": TEXT}),
    "png": png,
    "png cut short": lambda: png()[:500],
    "jpeg": lambda: exif("JPEG"),
    "tiff": lambda: exif("TIFF"),
    "text": lambda: INSIDE.encode(),
}


@pytest.fixture(params=FILES)
def data(request) -> bytes:
    return FILES[request.param]()


@pytest.fixture
def heard(caplog, capfd, recwarn):
    """All that went to the log, to stdout and stderr, and was warned of, down to DEBUG."""
    caplog.set_level(logging.DEBUG)

    def text() -> str:
        out, err = capfd.readouterr()
        return "\n".join([caplog.text, out, err, *(str(warning.message) for warning in recwarn)])

    return text


@pytest.mark.parametrize("answer", [ok(tumor=True), refused()], ids=["ok", "refused"])
def test_api_tells_the_files_name_in_its_record_and_nothing_else(client, fake, heard, data, answer):
    fake.answer = answer
    response = send(client, API, (NAME, data), ("letter.txt", TEXT), (NAME, picture()))
    assert response.status_code == 200
    records = response.get_json()["records"]
    assert {record.pop("file") for record in records} == {NAME, "letter.txt"}
    assert not PLANTED.search(json.dumps(records))
    csv = send(client, API, (NAME, data), ("letter.txt", TEXT), (NAME, picture()), headers={"Accept": "text/csv"}).text
    assert csv.count(NAME) == len(records) - 1
    assert not PLANTED.search(csv.replace(NAME, ""))
    assert not PLANTED.search(heard())


@pytest.mark.parametrize("url", [API, OVERLAY, MASK])
def test_pictures_and_errors_tell_no_name_at_all(client, fake, heard, data, url):
    fake.answer = ok(tumor=True)
    response = send(client, url, (NAME, data))
    if url == API and response.status_code == 200:
        return  # see above
    assert response.status_code in (200, 415, 422)
    assert not PLANTED.search(response.data.decode("latin-1") + str(response.headers))
    if response.mimetype == "image/png":
        assert Image.open(io.BytesIO(response.data)).info == {}
    assert not PLANTED.search(heard())


def test_page_tells_the_files_name_at_its_answer(client, heard, data):
    response = send(client, "/", (NAME, data), (NAME, picture()))
    assert response.status_code == 200
    assert NAME in response.text
    assert not PLANTED.search(re.sub(r'(src|href)="data:[^"]*"', "", response.text.replace(NAME, "")))
    assert not PLANTED.search(heard())


def series() -> bytes:
    """A DICOM series in a ZIP, planted with names, some of them invalid."""
    placed = {"FrameOfReferenceUID": "1.2.3.7", "BodyPartExamined": "ZEBULONPLANT"}
    return format_samples.zipped({f"{INSIDE}{i}.dcm": dicom(position=3.0 * i, number=i, **placed) for i in range(4)})


VOLUMES = {"series": series, "nifti": nifti}


@pytest.mark.parametrize("make", VOLUMES.values(), ids=VOLUMES)
def test_the_record_of_a_study_tells_the_files_name_and_nothing_else(client, fake, heard, make):
    fake.answer = ok(tumor=True)
    body = send(client, API, (NAME, make())).get_json()
    assert [record["file"] for record in body["studies"]] == [NAME]
    assert not PLANTED.search(ENTRY.sub("", json.dumps(body).replace(NAME, "")))
    assert not PLANTED.search(heard())


@pytest.mark.parametrize("make", VOLUMES.values(), ids=VOLUMES)
def test_the_mask_of_a_volume_as_nifti_tells_no_name(client, fake, heard, make):
    fake.answer = ok(tumor=True)
    response = send(client, f"{MASK}?format=nifti", (NAME, make()))
    assert response.status_code == 200, response.text
    assert not PLANTED.search(gzip.decompress(response.data).decode("latin-1") + str(response.headers))
    assert not PLANTED.search(heard())


def test_a_seg_names_the_patient_as_dicom_demands_and_holds_nothing_else_of_the_input(client, fake, heard):
    fake.answer = ok(tumor=True)
    response = send(client, f"{MASK}?format=seg", (NAME, series()))
    assert response.status_code == 200, response.text
    assert not PLANTED.search(str(response.headers))
    seg = pydicom.dcmread(io.BytesIO(response.data))
    told = {element.keyword for element in seg.iterall() if element.VR != "SQ" and PLANTED.search(str(element.value))}
    assert told == {"PatientName", "PatientID", "ReferringPhysicianName", "StudyID"}
    assert not PLANTED.search(heard())


def test_what_keeps_a_seg_from_being_written_tells_no_name(client, heard):
    """Not in the words of the libraries, which quote values."""
    for more in ({"StudyInstanceUID": INSIDE}, {"SOPClassUID": INSIDE}, {"FrameOfReferenceUID": INSIDE}):
        files = {str(i): dicom(position=3.0 * i, number=i, **({"FrameOfReferenceUID": "1.2.3.7"} | more)) for i in range(4)}
        response = send(client, f"{MASK}?format=seg", (NAME, format_samples.zipped(files)))
        assert (response.status_code, response.get_json()["error"]["code"]) == (422, "no_volume")
        assert not PLANTED.search(response.text)
    assert not PLANTED.search(heard())


@pytest.mark.parametrize("url", URLS)
def test_a_fault_of_the_program_tells_no_name(app, fake, heard, url):
    fake.answer = lambda pixels: 1 / 0
    response = send(app.test_client(), url, (NAME, dicom()))
    assert response.status_code == 500
    assert not PLANTED.search(response.text)
    text = heard()
    assert "ZeroDivisionError" in text
    assert not PLANTED.search(text)


@pytest.mark.parametrize("url", ["/", API])
def test_log_holds_stages(client, heard, url):
    send(client, url, (NAME, picture()), (NAME, TEXT))
    assert re.search(r"answered 2 file\(s\): read \d+ ms, preprocess 2 ms, infer 80 ms, decide 1 ms", heard())


@pytest.mark.parametrize("url", [OVERLAY, MASK])
def test_log_holds_stages_of_a_picture(client, heard, url):
    send(client, url, (NAME, picture()))
    assert re.search(r"answered a slice: read \d+ ms, preprocess 2 ms, infer 80 ms, decide 1 ms, render \d+ ms", heard())


@pytest.fixture
def predict(script):
    return script.main


@pytest.mark.parametrize("make", VOLUMES.values(), ids=VOLUMES)
@pytest.mark.parametrize("kind", ["nifti", "seg"])
def test_script_tells_no_name_where_it_writes_studies_and_masks_of_volumes(
    predict, fake, tmp_path, capfd, caplog, recwarn, kind, make
):
    fake.answer = ok(tumor=True)
    caplog.set_level(logging.DEBUG)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / NAME).write_bytes(make())
    predict([str(tmp_path / "in"), "--studies", "--masks", str(tmp_path / "masks"), "--volume-masks", kind])
    out, err = capfd.readouterr()
    said = "\n".join([out, err, *(str(warning.message) for warning in recwarn)]).replace(NAME, "")
    assert '"study"' in said and not PLANTED.search(ENTRY.sub("", said))
    assert not PLANTED.search(caplog.text)
    masks = list((tmp_path / "masks").glob("*.nii.gz"))
    assert len(masks) == (kind == "nifti")
    assert not any(PLANTED.search(gzip.decompress(path.read_bytes()).decode("latin-1")) for path in masks)


@pytest.mark.parametrize("format", ["jsonl", "csv", "table"])
def test_script_tells_the_files_name_in_its_record(predict, fake, tmp_path, capfd, caplog, recwarn, data, format):
    fake.answer = ok(tumor=True)
    caplog.set_level(logging.INFO)
    folder, pictures = tmp_path / "in", tmp_path / "pictures"
    folder.mkdir()
    (folder / NAME).write_bytes(data)
    (folder / "a.png").write_bytes(picture())
    predict([str(folder), "--format", format, "--overlay", str(pictures), "--masks", str(pictures / "masks")])
    out, err = capfd.readouterr()
    assert NAME in out
    assert not PLANTED.search(out.replace(NAME, ""))
    assert not PLANTED.search("\n".join([err, caplog.text, *(str(warning.message) for warning in recwarn)]))
    for path in pictures.rglob("*.png"):
        assert not PLANTED.search(path.read_bytes().decode("latin-1"))


def test_there_is_something_to_be_found():
    """Else the tests above would pass on files in which nothing is planted."""
    for name, make in FILES.items():
        found = PLANTED.search(make().decode("latin-1"))
        assert found or name in ("zip of dicom", "nifti cut short"), name


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        *itertools.product(URLS, ["large.bmp", "head.dcm", "series.zip", "head.nii"]),
        (f"{MASK}?format=nifti", "head.nii"),
        (f"{MASK}?format=nifti", "placed.zip"),
        (f"{MASK}?format=seg", "placed.zip"),
    ],
)
def test_nothing_is_written_to_disk(client, monkeypatch, url, kind):
    data = {
        "large.bmp": lambda: picture("BMP", size=(1200, 1000), channels=3),  # past what Werkzeug keeps in memory by itself
        "head.dcm": dicom,
        "series.zip": lambda: format_samples.zipped({"1.dcm": dicom(), "2.png": png()}),
        "head.nii": nifti,
        "placed.zip": series,
    }[kind]()
    boundary, body = encode_multipart({"file": FileStorage(io.BytesIO(data), kind)})
    really_open = builtins.open

    def read_only(file, mode="r", *args, **kwargs):
        assert not set(mode) & set("wax+"), f"{file} was opened to be written"
        return really_open(file, mode, *args, **kwargs)

    def refuse(*args, **kwargs):
        raise AssertionError("a temporary file was made")

    for name in ("TemporaryFile", "NamedTemporaryFile", "SpooledTemporaryFile", "mkstemp", "mkdtemp"):
        monkeypatch.setattr(tempfile, name, refuse)
        monkeypatch.setattr(f"werkzeug.formparser.{name}", refuse, raising=False)
    for module in (builtins, io):
        monkeypatch.setattr(module, "open", read_only)
    assert len(data) > 3_000_000 or kind != "large.bmp"
    response = client.post(url, data=body, content_type=f"multipart/form-data; boundary={boundary}")
    assert response.status_code == 200, response.text
