"""Whole studies in the API: their records and their masks."""

import csv
import gzip
import io

import nibabel
import numpy as np
import pydicom
import pytest

import format_samples as samples
import spheres
from fakes import pages, refused
from model.classifier import BATCH
from uploads import API, CSV, MASK, PNG, TEXT, error_of, send
from web.analysis import analyze

VOLUME = samples.nifti()  # of eight slices


# --- studies


def test_a_volume_has_a_record_of_each_slice_and_one_of_itself(app, fake):
    fake.answer = spheres.outlining("meningioma").answer
    response = send(
        app.test_client(), API, ("one.png", PNG), ("head.nii", spheres.nifti()), ("series.zip", spheres.dicom_zip())
    )
    body = response.get_json()
    assert list(body) == ["records", "studies"]
    assert [(r["file"], r["slice"]) for r in body["records"]] == [
        ("one.png", 0), *[("head.nii", i) for i in range(24)], *[("series.zip", i) for i in range(24)]
    ]  # fmt: skip
    assert [s["file"] for s in body["studies"]] == ["head.nii", "series.zip"]
    entries = [r.get("entry") for r in body["records"]]
    assert entries[:25] == [None] * 25 and len(set(entries[25:])) == 24 and all(entries[25:])
    for record in body["studies"]:
        assert record.keys() == {"file", "study", "model"}
        study = record["study"]
        assert (study["start"], study["stop"], study["analyzed"], study["refused"]) == (0, 24, 24, 0)
        assert (study["label"], study["probabilities"]["meningioma"], study["uncertain"]) == ("meningioma", 0.97, False)
        assert study["volume_ml"] == pytest.approx(spheres.ML, rel=0.01)
        areas = [r["tumor"]["area_px"] if r["tumor"] else 0 for r in body["records"] if r["file"] == record["file"]]
        assert areas[study["best_slice"]] == max(areas)


def test_several_pictures_are_no_study(client):
    assert send(client, API, ("a.png", PNG), ("b.png", PNG)).get_json()["studies"] == []


def test_csv_holds_slices_only(client):
    rows = list(csv.DictReader(io.StringIO(send(client, API, ("a.tif", pages(4)), headers=CSV).text)))
    assert [(row["slice"], row["status"]) for row in rows] == [(str(i), "ok") for i in range(4)]


def test_150_slices_are_answered_in_one_request_batch_by_batch(app, fake):
    volume = nibabel.Nifti1Image(np.random.default_rng(0).integers(0, 999, (64, 64, 150), np.int16), np.diag([1, 1, 2, 1.0]))
    body = send(app.test_client(), API, ("head.nii", volume.to_bytes())).get_json()
    assert len(body["records"]) == 150
    assert (body["studies"][0]["study"]["analyzed"], body["studies"][0]["study"]["label"]) == (150, "glioma")
    assert [len(call) for call in fake.calls] == [BATCH] * (150 // BATCH) + [150 % BATCH]


def test_progress_is_told_after_each_batch_that_was_answered(fake):
    told = []
    files = [("a.tif", pages(BATCH + 5)), ("letter.txt", TEXT), ("b.png", PNG)]
    total = BATCH + 6
    analysis = analyze(fake, files, progress=lambda done, of: told.append((done, of, sum(map(len, fake.calls)))))
    assert told == [(0, total, 0), (BATCH, total, BATCH), (total, total, total)]
    assert [answer.file for answer in analysis] == ["a.tif"] * (BATCH + 5) + ["letter.txt", "b.png"]
    (study,) = analysis.studies
    assert (study.file, len(study.answers), study.best) == ("a.tif", BATCH + 5, analysis.answers[study.study.best_slice])


# --- masks of volumes


def test_mask_as_nifti(app, fake):
    fake.answer = spheres.outlining().answer
    response = send(app.test_client(), f"{MASK}?format=nifti&slice=7", (r"..\Name.nii", spheres.nifti()))
    assert (response.status_code, response.content_type) == (200, "application/gzip")
    assert response.headers["Content-Disposition"] == 'attachment; filename="mask.nii.gz"'
    mask = nibabel.Nifti1Image.from_bytes(gzip.decompress(response.data))
    image = nibabel.Nifti1Image.from_bytes(spheres.nifti())
    np.testing.assert_array_equal(mask.affine, image.affine)
    np.testing.assert_array_equal(np.asarray(mask.dataobj), np.asarray(image.dataobj) > spheres.BRIGHT)


def test_mask_as_seg(app, fake):
    fake.answer = spheres.outlining().answer
    response = send(app.test_client(), f"{MASK}?format=seg", ("series.zip", spheres.dicom_zip()))
    assert (response.status_code, response.content_type) == (200, "application/dicom")
    assert response.headers["Content-Disposition"] == 'attachment; filename="mask.seg.dcm"'
    ds = pydicom.dcmread(io.BytesIO(response.data))
    assert ds.SegmentSequence[0].SegmentationAlgorithmIdentificationSequence[0].AlgorithmVersion == "fake-1"
    assert ds.pixel_array.sum() == (spheres.sphere() > spheres.BRIGHT).sum()


def test_slice_chooses_the_volume(app, fake):
    """Of two series in a ZIP, the one that holds the slice; only that one is analyzed."""
    fake.answer = spheres.outlining().answer
    files = {"a": spheres.nifti(), "b": samples.nifti()}
    response = send(app.test_client(), f"{MASK}?format=nifti&slice=24", ("both.zip", samples.zipped(files)))
    mask = nibabel.Nifti1Image.from_bytes(gzip.decompress(response.data))
    assert mask.shape == nibabel.Nifti1Image.from_bytes(samples.nifti()).shape
    assert [len(call) for call in fake.calls] == [8]


def test_slices_that_are_refused_are_empty_in_the_mask_of_a_volume(app, fake):
    outline, dark = spheres.outlining().answer, refused("Too little.")
    fake.answer = lambda pixels: (outline if (pixels > spheres.BRIGHT).sum() > 400 else dark)(pixels)
    response = send(app.test_client(), f"{MASK}?format=nifti", ("head.nii", spheres.nifti()))
    mask = np.asarray(nibabel.Nifti1Image.from_bytes(gzip.decompress(response.data)).dataobj)
    areas = mask.sum((0, 1))
    assert areas.max() > 400 and not ((areas > 0) & (areas <= 400)).any()


def test_a_volume_of_which_every_slice_is_refused_has_no_mask(app, fake):
    fake.answer = refused("This looks like a photograph.")
    response = send(app.test_client(), f"{MASK}?format=nifti", ("head.nii", spheres.nifti()))
    assert error_of(response) == (422, "refused", "This looks like a photograph.")


@pytest.mark.parametrize(
    ("query", "data", "status", "code", "message"),
    [
        ("format=nifti", PNG, 422, "no_volume", "Expected a slice of a volume or series. Received: a single picture."),
        ("format=seg", spheres.nifti(), 422, "no_volume", "Expected DICOM for a mask as DICOM SEG. Received: NIfTI."),
        ("format=nifti&slice=8", VOLUME, 400, "bad_parameter", "slice: expected a whole number, 0 to 7. Received: 8."),
        ("format=nii", PNG, 400, "bad_parameter", "format: expected one of png, nifti, seg. Received: 'nii'."),
        ("format=nifti", TEXT, 415, "unsupported_format", None),
    ],
)  # fmt: skip
def test_masks_of_volumes_that_cannot_be(client, fake, query, data, status, code, message):
    """Told before the model is asked."""
    answer = error_of(send(client, f"{MASK}?{query}", ("a", data)))
    assert answer[:2] == (status, code) and message in (None, answer[2])
    assert fake.calls == []


def test_the_media_type_of_a_mask_follows_its_format(client):
    response = send(client, f"{MASK}?format=nifti", ("a.png", PNG), headers={"Accept": "image/png"})
    assert error_of(response) == (406, "not_acceptable", "Expected Accept: application/gzip. Received: image/png.")
    headers = {"Accept": "application/gzip"}
    assert send(client, f"{MASK}?format=nifti", ("head.nii", spheres.nifti()), headers=headers).status_code == 200
