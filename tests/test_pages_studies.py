"""The page's answer for volumes and series, without its script."""

import base64
import gzip
import io
import re

import nibabel
import numpy as np
from PIL import Image

from answers import cards, nifti, text_of
from fakes import ok, refused
from format_samples import VOLUME, series, zipped
from uploads import MASK, PNG, send


def test_a_volume_is_one_study_with_its_summary(client, fake):
    fake.answer = [refused(), ok("glioma"), ok("glioma", tumor=True), ok("glioma", tumor=True), ok("notumor"), ok("notumor")]
    response = send(client, "/", ("head.nii", nifti()))
    (card,) = cards(response)
    text = text_of(card)
    assert "Shown best in slice 3" in text
    assert "Slices analyzed 5 of 6" in text
    assert "Slices not analyzed 1" in text
    assert "Volume of the outlines 0.8 ml" in text  # 2 slices of 20 pixels of 2 x 2 x 5 mm
    assert "A region of 20 pixels, 10.4% of the picture (80 mm²)." in text
    assert "What is outlined in slice 3" in text
    assert re.findall(r"<li>(Slice \d of 6.*?)</li>", card) == [
        "Slice 1 of 6: not analyzed",
        "Slice 2 of 6: Glioma, 91.0%",
        "Slice 3 of 6: Glioma, 91.0%, outlined",
        "Slice 4 of 6: Glioma, 91.0%, outlined",
        "Slice 5 of 6: No tumor, 91.0%",
        "Slice 6 of 6: No tumor, 91.0%",
    ]


def test_outlines_of_a_volume_are_downloaded_as_the_api_gives_them(app, fake):
    fake.answer = [refused(), ok("glioma"), ok("glioma", tumor=True), ok("glioma", tumor=True), ok("notumor"), ok("notumor")]
    client, (again,) = app.test_client(), [list(fake.answer)]
    page = send(client, "/", ("head.nii", nifti()))
    (data,) = re.findall(r'download="mask.nii.gz" href="data:application/gzip;base64,([^"]+)"', page.text)
    fake.answer = again
    asked = send(client, f"{MASK}?format=nifti", ("head.nii", nifti()))
    mask = gzip.decompress(base64.b64decode(data))
    assert mask == gzip.decompress(asked.data)
    assert np.asarray(nibabel.Nifti1Image.from_bytes(mask).dataobj).sum((0, 1)).tolist() == [0, 0, 20, 20, 0, 0]


def test_a_series_that_does_not_say_where_it_lies_has_no_outlines_to_download(client):
    page = send(client, "/", ("scan.zip", zipped({f"{n}.png": PNG for n in range(4)})))
    assert "mask.nii.gz" not in page.text


def test_an_uncertain_volume_without_a_tumor_shows_a_slice_that_has_an_answer(client, fake):
    fake.answer = [*[ok("notumor")] * 3, *[refused()] * 4]
    (card,) = cards(send(client, "/", ("head.nii", nifti(7))))
    text = text_of(card)
    assert 'data-status="ok"' in card and 'data-label="notumor"' in card and "uncertain" in text
    assert "does not look like a brain MRI slice" not in text
    assert "Slice 3 of 7" in text


def test_a_volume_with_too_few_slices_analyzed_gets_no_class(client, fake):
    fake.answer = [ok(), ok(), refused(), refused(), refused(), refused()]
    (card,) = cards(send(client, "/", ("head.nii", nifti())))
    assert 'data-status="refused"' in card and "data-label" not in card
    assert "Of its 6 slices, 2 could be analyzed. That is too few for an answer." in text_of(card)


def test_a_volume_without_a_class_is_shown_without_an_outline(client, fake):
    fake.answer = [*[refused()] * 3, *[ok("glioma", tumor=True)] * 2, refused()]
    (card,) = cards(send(client, "/", ("head.nii", nifti())))
    (data,) = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', card)
    assert Image.open(io.BytesIO(base64.b64decode(data))).mode == "L"


def test_two_slices_of_a_series_are_too_few_for_a_study_and_each_stands_for_itself(client, fake):
    fake.answer = [ok("glioma", tumor=True), ok("meningioma")]
    page = send(client, "/", ("scan.zip", zipped({f"{n}.dcm": one for n, one in enumerate(series(VOLUME[:2]))})))
    first, second = cards(page)
    assert 'data-label="glioma"' in first and 'data-label="meningioma"' in second
    assert "was not analyzed" not in page.text


def test_a_study_is_told_as_one(client, fake):
    fake.answer = ok("meningioma", 0.6, uncertain=True)
    text = text_of(cards(send(client, "/", ("head.nii", nifti())))[0])
    assert "Some of its slices look like those with a meningioma, a usually slow-growing tumor" in text
    assert "The probabilities are the mean over the neighboring slices that speak most for a tumor." in text
    assert "Another series of the same examination may give a clearer one." in text
    for of_a_slice in ("The slice looks like", "the picture is most like", "Another slice of the same examination"):
        assert of_a_slice not in text


def test_a_study_called_a_tumors_though_no_tumor_is_likelier_than_each_says_why(client, fake):
    fake.answer = ok("notumor", 0.46)  # 0.18 for each of the tumors, 0.54 together
    (card,) = cards(send(client, "/", ("head.nii", nifti())))
    assert 'data-label="glioma"' in card
    assert re.findall(r'<span class="bar-name">(.*?)</span>', card)[0] == "No tumor"
    assert re.findall(r'<li class="own">\s*<span class="bar-name">(.*?)</span>', card) == ["Glioma"]
    text = text_of(card)
    assert "Probability of a tumor 54.0%" in text
    assert "“Glioma” is only the likeliest of the three tumors, none of which is likelier than “no tumor”." in text
    assert "closest of its four groups" not in text
    assert "answer: Glioma, 18.0%. It is uncertain." in card  # its own, not that of “no tumor”
