"""Known slices get the answers that were recorded with the model in the repository.

After a new model: `python scripts/predict.py tests/samples/*.jpg --format csv`, and renew the table.
"""

from pathlib import Path

import pytest

from model.labels import LABELS
from model.reading import read

SAMPLES = Path(__file__).parent / "samples"
GOLDEN = {  # sample: (label, its probability, whether it is called uncertain)
    "glioma_Te-gl_0010.jpg": ("glioma", 0.999, False),
    "glioma_Te-gl_0012.jpg": ("glioma", 0.999, False),
    "glioma_Te-gl_0015.jpg": ("glioma", 1.000, False),
    "meningioma_Te-me_0016.jpg": ("meningioma", 0.935, False),
    "meningioma_Te-me_0018.jpg": ("meningioma", 0.864, True),
    "meningioma_Te-me_0020.jpg": ("meningioma", 0.995, True),
    "notumor_Te-no_0021.jpg": ("notumor", 0.915, True),
    "notumor_Te-no_0022.jpg": ("notumor", 0.738, True),
    "notumor_Te-no_0023.jpg": ("glioma", 0.608, True),
    "pituitary_Te-pi_0014.jpg": ("pituitary", 0.991, False),
    "pituitary_Te-pi_0015.jpg": ("pituitary", 1.000, False),
    "pituitary_Te-pi_0016.jpg": ("pituitary", 0.999, False),
}


@pytest.fixture(scope="module")
def answers(classifier):
    slices = {name: read((SAMPLES / name).read_bytes())[0] for name in GOLDEN}
    return dict(zip(slices, classifier.predict(list(slices.values())), strict=True))


def test_every_sample_and_every_class_has_its_record():
    assert set(GOLDEN) == {path.name for path in SAMPLES.glob("*.jpg")}
    right = [name for name, (label, _, _) in GOLDEN.items() if name.startswith(label)]
    assert {GOLDEN[name][0] for name in right} == set(LABELS)
    assert all(GOLDEN[name][2] for name in set(GOLDEN) - set(right))  # what is wrong is called uncertain


@pytest.mark.parametrize("name", GOLDEN)
def test_sample_gets_the_recorded_answer(answers, name):
    label, probability, uncertain = GOLDEN[name]
    answer = answers[name]
    assert (answer.status, answer.label, answer.uncertain) == ("ok", label, uncertain)
    assert answer.probabilities[label] == pytest.approx(probability, abs=0.01)


@pytest.mark.parametrize("name", [name for name in GOLDEN if not name.startswith("notumor")])
def test_tumor_is_outlined(answers, name):
    tumor = answers[name].tumor
    assert tumor is not None
    assert 0.002 < tumor.area_fraction < 0.2


def test_one_slice_alone_gets_the_same_answer_as_in_a_batch(answers, classifier):
    name = next(iter(GOLDEN))
    alone = classifier.predict([read((SAMPLES / name).read_bytes())[0]])[0]
    assert alone.probabilities == pytest.approx(answers[name].probabilities, abs=1e-4)
