"""What the classifier makes of the network's outputs."""

import numpy as np
import pytest

from fakes import INFO, fake_network
from model.classifier import LOOKS_LIKE_CT, NOT_BRAIN_MRI, SEVERAL_SLICES, UNLIKE, Classifier, calibrate
from model.labels import LABELS


@pytest.fixture
def slices():
    rng = np.random.default_rng(0)
    return [rng.integers(0, 255, (64 + 8 * i, 64), np.uint8) for i in range(3)]


def test_answer_carries_label_probabilities_and_tumor(slices):
    infer = fake_network([0.1, 0.7, 0.1, 0.1], mask_value=1.0)
    answer = Classifier(infer, INFO).predict(slices[:1])[0]
    assert (answer.status, answer.label, answer.uncertain) == ("ok", "meningioma", False)
    assert answer.probabilities == pytest.approx(dict(zip(LABELS, (0.1, 0.7, 0.1, 0.1), strict=True)), abs=1e-6)
    assert answer.tumor.box == (16, 16, 32, 32)
    assert answer.tumor.area_px == 256
    assert answer.tumor.area_fraction == pytest.approx(256 / 64**2)
    assert answer.in_distribution == pytest.approx(1 / (1 + 0.25**3))


def test_no_tumor_has_no_outline(slices):
    answer = Classifier(fake_network([0.1, 0.1, 0.7, 0.1], mask_value=0.9), INFO).predict(slices[:1])[0]
    assert (answer.label, answer.uncertain) == ("notumor", False)
    assert answer.tumor is None
    assert not answer.mask.any()


@pytest.mark.parametrize(("mask_value", "outlined"), [(0.9, True), (0.51, True), (0.49, False), (0.0, False)])
def test_an_uncertain_no_tumor_shows_where_the_mask_sees_one(slices, mask_value, outlined):
    infer = fake_network([0.2, 0.15, 0.5, 0.15], mask_value=mask_value)
    answer = Classifier(infer, INFO).predict(slices[:1])[0]
    assert (answer.label, answer.uncertain) == ("notumor", True)
    assert answer.mask.any() == outlined
    assert (answer.tumor is not None) == outlined
    if outlined:
        assert answer.tumor.box == pytest.approx((16, 16, 32, 32), abs=1)


def test_a_tumor_that_is_named_is_outlined_though_the_mask_is_faint(slices):
    faint, none = (Classifier(fake_network([0.1, 0.7, 0.1, 0.1], mask_value=m), INFO) for m in (0.15, 0.05))
    assert faint.predict(slices[:1])[0].tumor.box == pytest.approx((16, 16, 32, 32), abs=1)
    assert none.predict(slices[:1])[0].tumor is None


def test_the_temperature_of_the_mask_counts(slices):
    """A ring of 0.15 around the tumor is outlined with it only where the mask is known to be too sure."""

    def infer(batch):
        given = fake_network([0.1, 0.7, 0.1, 0.1])(batch)
        given["mask"][:, 4:20, 4:20] = 0.15
        given["mask"][:, 8:16, 8:16] = 0.99
        return given

    plain, softer = (Classifier(infer, INFO | more).predict(slices[:1])[0] for more in ({}, {"mask_temperature": 3.0}))
    assert plain.tumor.box == pytest.approx((16, 16, 32, 32), abs=1)
    assert softer.tumor.box == pytest.approx((8, 8, 40, 40), abs=1)


def test_the_outline_has_its_say_in_whether_there_is_a_tumor(slices):
    """The class head says `notumor` with 0.7, the outline a tumor with 0.9: odds of 3 to 7 times 9 to 1."""
    info = INFO | {"outline_weight": 1.0}
    answer = Classifier(fake_network([0.1, 0.15, 0.7, 0.05], mask_value=0.9), info).predict(slices[:1])[0]
    assert answer.label == "meningioma"
    assert answer.probabilities["notumor"] == pytest.approx(7 / 34, abs=1e-4)
    assert answer.probabilities["meningioma"] == pytest.approx(27 / 34 / 2, abs=1e-4)
    assert answer.tumor.box == pytest.approx((16, 16, 32, 32), abs=1)


def test_the_offset_of_the_model_counts(slices):
    """Odds of a tumor 3 to 7, doubled."""
    info = INFO | {"tumor_offset": float(np.log(2))}
    answer = Classifier(fake_network([0.1, 0.15, 0.7, 0.05], mask_value=0.9), info).predict(slices[:1])[0]
    assert answer.probabilities["notumor"] == pytest.approx(7 / 13, abs=1e-4)


def test_low_confidence_is_uncertain(slices):
    assert Classifier(fake_network([0.55, 0.15, 0.15, 0.15]), INFO).predict(slices[:1])[0].uncertain


def test_far_features_are_refused_without_a_label(slices):
    answer = Classifier(fake_network([0.97, 0.01, 0.01, 0.01], gate=3.0), INFO).predict(slices[:1])[0]
    assert answer.status == "refused"
    assert answer.label is None and answer.probabilities is None and answer.evidence is None
    assert answer.in_distribution < 0.5
    assert answer.reason.startswith("This does not look like the brain MRI slices")


@pytest.mark.parametrize(
    ("gate", "ct", "reason"), [(1.4, -9.0, None), (1.42, -9.0, UNLIKE), (1.99, -9.0, UNLIKE), (1.99, 9.0, LOOKS_LIKE_CT)]
)
def test_the_answer_for_what_is_unlike_nearly_all_that_is_known_is_uncertain_and_says_why(slices, gate, ct, reason):
    """Squared distances of 1.96 and 2.02 where more than 2 is doubtful, and 3.96 where more than 4 is refused."""
    infer = fake_network([0.01, 0.97, 0.01, 0.01], mask_value=1.0, gate=gate, ct=ct)
    answer = Classifier(infer, INFO).predict(slices[:1])[0]
    assert (answer.status, answer.label, answer.uncertain) == ("ok", "meningioma", reason is not None)
    assert answer.reason == reason
    assert answer.tumor is not None


def test_a_model_that_does_not_tell_what_is_doubtful_doubts_nothing_that_it_answers(slices):
    info = INFO | {"gate": {name: value for name, value in INFO["gate"].items() if name != "doubtful"}}
    answer = Classifier(fake_network([0.01, 0.97, 0.01, 0.01], gate=1.99), info).predict(slices[:1])[0]
    assert (answer.status, answer.uncertain, answer.reason) == ("ok", False, None)


@pytest.mark.parametrize("odds, ct", ((-2.1, False), (-1.9, True), (9.0, True)))
def test_the_answer_for_what_looks_like_ct_is_uncertain_and_says_why(slices, odds, ct):
    answer = Classifier(fake_network([0.01, 0.97, 0.01, 0.01], mask_value=1.0, ct=odds), INFO).predict(slices[:1])[0]
    assert (answer.status, answer.label, answer.uncertain) == ("ok", "meningioma", ct)
    assert answer.probabilities["meningioma"] == pytest.approx(0.97)
    assert answer.tumor is not None
    reason = "This looks like computed tomography (CT). The classifier knows MRI alone, so its answer means nothing here."
    assert answer.reason == (reason if ct else None)
    assert answer.record("a.png", 0, "m").get("reason") == answer.reason


@pytest.mark.parametrize(
    ("odds", "reason"),
    [
        ({"body": -1.1, "several": 0.9}, None),
        ({"body": -0.9}, NOT_BRAIN_MRI),
        ({"several": 1.1}, SEVERAL_SLICES),
        ({"several": 1.1, "ct": 9.0}, SEVERAL_SLICES),
        ({"body": -0.9, "several": 1.1}, NOT_BRAIN_MRI),
        ({"several": 1.1, "gate": 3.0}, NOT_BRAIN_MRI),
    ],
)
def test_another_part_of_the_body_and_several_slices_are_refused_with_the_reason(slices, odds, reason):
    answer = Classifier(fake_network([0.97, 0.01, 0.01, 0.01], **odds), INFO).predict(slices[:1])[0]
    assert (answer.status, answer.reason) == ("refused" if reason else "ok", reason)
    assert (answer.in_distribution < 0.5) == (answer.label is None) == bool(reason)


def test_what_is_no_head_at_all_is_not_called_ct(slices):
    answer = Classifier(fake_network([0.97, 0.01, 0.01, 0.01], gate=3.0, ct=9.0), INFO).predict(slices[:1])[0]
    assert answer.status == "refused"
    assert answer.reason.startswith("This does not look like the brain MRI slices")


def test_colored_picture_is_refused_whatever_the_network_says():
    color = np.zeros((64, 64, 3), np.uint8)
    color[:32, :, 0] = 250
    color[32:, :, 2] = 200
    answer = Classifier(fake_network([0.97, 0.01, 0.01, 0.01]), INFO).predict([color])[0]
    assert answer.status == "refused"
    assert answer.reason == "The image is in color (100% of its pixels); an MRI slice is gray."
    assert answer.in_distribution < 0.5


def test_batches_keep_the_order_and_inputs_are_not_changed(slices):
    infer = fake_network([0.7, 0.1, 0.1, 0.1])
    many = slices * 7
    before = [s.copy() for s in many]
    answers = Classifier(infer, INFO).predict(many)
    assert [len(b) for b in infer.batches] == [16, 5]
    assert [a.mask.shape for a in answers] == [s.shape for s in many]
    assert all(np.array_equal(a, b) for a, b in zip(many, before, strict=True))
    assert infer.batches[0].shape[1:] == (64, 64, 3)
    assert np.array_equal(infer.batches[0][..., 0], infer.batches[0][..., 2])


def test_no_slices_no_answers():
    assert Classifier(fake_network([1, 0, 0, 0]), INFO).predict([]) == []


@pytest.mark.parametrize(("temperature", "expected"), [(1.0, [0.8, 0.1, 0.05, 0.05]), (2.0, [0.5186, 0.1834, 0.1297, 0.1297])])
def test_calibrate_softens_with_temperature_and_sums_to_one(temperature, expected):
    calibrated = calibrate(np.array([0.8, 0.1, 0.05, 0.05]), temperature)
    assert calibrated.sum() == pytest.approx(1.0)
    raised = np.array([0.8, 0.1, 0.05, 0.05]) ** (1 / temperature)
    assert calibrated == pytest.approx(raised / raised.sum(), abs=1e-9)
    assert calibrated[0] == pytest.approx(expected[0], abs=0.03)
