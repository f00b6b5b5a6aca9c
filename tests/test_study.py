"""A study's answer: the rule over its slices, the slice that shows it best, its volume in ml."""

from dataclasses import replace

import numpy as np
import pytest

import spheres
from fakes import ok, pages, refused
from model.labels import LABELS
from model.reading import Scan, Series, read
from model.study import FEWEST, SPAN, Study, most_suspicious, neighbors, studies, summarize

PIXELS = np.zeros((12, 16), np.uint8)
GLIOMA, NONE, REFUSED = ok("glioma", 0.91)(PIXELS), ok("notumor", 0.91)(PIXELS), refused()(PIXELS)


def of(*predictions, **series) -> Study:
    return summarize(predictions, Series(0, len(predictions), **series))


def outlined(pixels: int, label: str = "glioma", probability: float = 0.91):
    prediction = ok(label, probability)(PIXELS)
    prediction.mask.ravel()[:pixels] = True
    return prediction


def test_the_probabilities_are_the_mean_of_the_neighbors_that_speak_most_for_a_tumor():
    chances = [0.91, 0.1, 0.2, 0.9, 0.8, 0.7, 0.1]
    study = of(*[ok("glioma", chance)(PIXELS) for chance in chances])
    assert study.probabilities["glioma"] == pytest.approx(0.8)
    assert study.probabilities["notumor"] == pytest.approx((0.1 + 0.2 + 0.3) / 9)
    assert list(study.probabilities) == list(LABELS)
    assert sum(study.probabilities.values()) == pytest.approx(1)
    assert study.tumor_probability == pytest.approx(1 - 0.6 / 9)
    assert (study.label, study.analyzed, study.refused, study.start, study.stop) == ("glioma", 7, 0, 0, 7)


def test_one_slice_alone_does_not_make_a_tumor():
    study = of(*[NONE] * 5, ok("glioma", 0.99)(PIXELS), *[NONE] * 5)
    assert (study.label, study.best_slice, study.volume_ml) == ("notumor", None, None)
    assert study.tumor_probability < 0.5


def test_three_neighbors_do():
    study = of(*[NONE] * 5, *[GLIOMA] * 3, *[NONE] * 5)
    assert (study.label, study.uncertain) == ("glioma", False)
    assert study.tumor_probability == pytest.approx(0.97)


def test_thin_slices_need_more_of_them():
    """Three slices of 1 mm are 3 mm of the head."""
    slices = [*[NONE] * 10, *[GLIOMA] * 3, *[NONE] * 10]
    assert of(*slices, spacing=(5.0, 1, 1)).label == of(*slices).label == "glioma"
    assert of(*slices, spacing=(1.0, 1, 1)).label == "notumor"
    assert of(*[NONE] * 10, *[GLIOMA] * 15, *[NONE] * 10, spacing=(1.0, 1, 1)).tumor_probability == pytest.approx(0.97)


@pytest.mark.parametrize(("step", "count"), [(5.0, 3), (7.5, 3), (1.0, 15), (3.0, 5), (SPAN, 3), (1e-9, 40), (1e-320, 40)])
def test_how_many_neighbors(step, count):
    assert neighbors(Series(0, 40, (step, 1.0, 1.0))) == count


def test_neighbors_where_the_spacing_is_not_known():
    assert neighbors(Series(0, 40)) == FEWEST
    assert neighbors(Series(0, 40, (0.0, 1.0, 1.0), even=False)) == FEWEST
    assert neighbors(Series(0, 40, (1.0, 1.0, 1.0), even=False)) == neighbors(Series(0, 40, (1.0, 1.0, 1.0))) > FEWEST


def test_most_suspicious_of_fewer_slices_is_all():
    assert most_suspicious(np.array([0.1, 0.9, 0.2]), 5) == slice(0, 3)
    assert most_suspicious(np.array([0.9, 0.1, 0.1, 0.5, 0.7]), 2) == slice(3, 5)


def test_a_tumor_whose_type_is_open_is_a_tumor():
    """p("notumor") is the highest of the four, and yet below one half."""
    prediction = ok("notumor", 0.4)(PIXELS)
    prediction = replace(prediction, probabilities={"glioma": 0.25, "meningioma": 0.3, "notumor": 0.4, "pituitary": 0.05})
    study = of(*[prediction] * 4)
    assert (study.label, study.uncertain) == ("meningioma", True)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_few_answers_give_no_class(count):
    study = of(*[GLIOMA] * count, *[REFUSED] * 4)
    assert (study.label, study.probabilities, study.tumor_probability, study.best_slice) == (None, None, None, None)
    assert (study.analyzed, study.refused, study.uncertain) == (count, 4, True)


def test_refused_slices_are_passed_over():
    study = of(REFUSED, GLIOMA, REFUSED, GLIOMA, GLIOMA, NONE, NONE)
    assert (study.label, study.analyzed, study.refused, study.uncertain) == ("glioma", 5, 2, False)


@pytest.mark.parametrize(
    ("slices", "uncertain"),
    [
        ([ok("glioma", 0.91, uncertain=True)(PIXELS)] * 3, True),
        ([ok("glioma", 0.91, uncertain=True)(PIXELS), GLIOMA, GLIOMA], False),
        ([GLIOMA, ok("pituitary", 0.9)(PIXELS), ok("meningioma", 0.9)(PIXELS)], True),  # they do not agree
        ([GLIOMA] * 3 + [REFUSED] * 3, False),
        ([GLIOMA] * 3 + [REFUSED] * 4, True),  # most of it was not seen
    ],
)
def test_uncertain(slices, uncertain):
    assert of(*slices).uncertain is uncertain


def test_best_slice_has_the_largest_outline_that_speaks_for_the_class():
    slices = [NONE, outlined(5), outlined(40), outlined(60, "meningioma"), outlined(39), REFUSED]
    study = summarize(slices, Series(20, 26))
    assert (study.label, study.best_slice, study.start, study.stop) == ("glioma", 22, 20, 26)


def test_best_slice_without_outlines_is_the_surest():
    assert of(GLIOMA, ok("glioma", 0.95)(PIXELS), GLIOMA).best_slice == 1


def test_volume_is_that_of_all_outlines():
    slices = [outlined(5), outlined(40), outlined(60), REFUSED]
    assert of(*slices, spacing=(5.0, 2.0, 0.5)).volume_ml == pytest.approx(105 * 5 / 1000)
    assert of(*slices).volume_ml is None


@pytest.mark.parametrize("make", [spheres.nifti, lambda: spheres.nifti(turn=False), spheres.dicom_zip, spheres.multi_frame])
def test_volume_of_a_sphere(make):
    """33.5 ml; of voxels of 5.6 mm³ a hundredth of it. Thickness and spacing that a file claims are not asked."""
    scan = read(make())
    fake = spheres.outlining()
    (study,) = studies(scan, fake.predict(scan.slices))
    assert study.volume_ml == pytest.approx(spheres.ML, rel=0.01)
    voxels = int((spheres.sphere() > spheres.BRIGHT).sum())
    assert study.volume_ml == pytest.approx(voxels * np.prod(spheres.SPACING) / 1000, rel=1e-5)
    areas = [(slice_ > spheres.BRIGHT).sum() for slice_ in scan]
    assert areas[study.best_slice] == max(areas)
    assert (study.start, study.stop, study.label) == (0, 24, "glioma")


def test_one_study_for_each_series_of_several_slices():
    single = np.zeros((12, 16), np.uint8)
    scan = Scan("ZIP", [single] * 9, (Series(0, 4), Series(4, 5), Series(5, 9)))
    found = studies(scan, [GLIOMA] * 5 + [NONE] * 4)
    assert [(s.start, s.stop, s.label) for s in found] == [(0, 4, "glioma"), (5, 9, "notumor")]
    assert studies(Scan("PNG", [single]), [GLIOMA]) == []


def test_pages_of_a_tiff_are_a_study_without_a_volume():
    scan = read(pages(4))
    (study,) = studies(scan, [outlined(9)] * 4)
    assert (study.label, study.volume_ml) == ("glioma", None)


def test_predictions_must_be_those_of_the_slices():
    with pytest.raises(ValueError, match=r"^Expected predictions of all 4 slices\. Received: 3$"):
        studies(read(pages(4)), [GLIOMA] * 3)
    with pytest.raises(ValueError, match=r"^Expected predictions of the series' 4 slices\. Received: 3$"):
        summarize([GLIOMA] * 3, Series(0, 4))


def test_record():
    study = Study(3, 9, 5, 1, "glioma", dict.fromkeys(LABELS, 0.25), 0.75000049, False, 4, 12.34567)
    assert study.record("a.nii", "v1") == {
        "file": "a.nii",
        "study": {
            "start": 3,
            "stop": 9,
            "analyzed": 5,
            "refused": 1,
            "label": "glioma",
            "probabilities": {"glioma": 0.25, "meningioma": 0.25, "notumor": 0.25, "pituitary": 0.25},
            "tumor_probability": 0.75,
            "uncertain": False,
            "best_slice": 4,
            "volume_ml": 12.346,
        },
        "model": "v1",
    }
    empty = of(*[REFUSED] * 4).record("a.nii", "v1")["study"]
    assert {key for key, value in empty.items() if value is None} == {
        "label", "probabilities", "tumor_probability", "best_slice", "volume_ml",
    }  # fmt: skip
