"""Where is looked closely, what is seen there, and what comes of it."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import h5py
import keras
import numpy as np
import pytest
from flask import Response

from app import afterwards, create_app
from fakes import INFO, fake_network
from model import engines
from model.classifier import DEFAULT_MODEL, Classifier
from model.closeup import around, view
from model.engines import keras_engine, ncnn_engine, openvino_engine
from model.engines.network_file import CHANGE, CLASSIFIER, CLOSEUP, ModelFileError, weight_paths
from model.engines.processor import computes_int8
from model.preprocessing import Frame, preprocess
from model.training.closeups import begin, build, trunk
from model.training.export import halved, save_half
from model.training.low_rank import reduce_changes, write_changed
from model.training.network import build as build_classifier

WHOLE = Frame(100, 200, (0, 0, 200, 100))
SIDE = 32


def outline(shape: tuple[int, int], box: tuple[int, int, int, int]) -> np.ndarray:
    x0, y0, x1, y1 = box
    mask = np.zeros(shape, bool)
    mask[y0:y1, x0:x1] = True
    return mask


# --- where


@pytest.mark.parametrize(
    ("outlined", "scale", "expected"),
    [
        ((90, 40, 130, 60), 1.0, (70, 10, 150, 90)),  # 1.7 x 40 and 0.06 x 200
        ((90, 40, 130, 60), 1.1, (66, 6, 154, 94)),
        ((100, 50, 102, 52), 1.0, (79, 29, 123, 73)),  # a speck: 0.22 x 200
        ((0, 0, 40, 20), 1.0, (0, 0, 60, 50)),  # no further than the slice
        ((160, 90, 200, 100), 1.0, (140, 55, 200, 100)),
        ((0, 0, 200, 100), 1.0, (0, 0, 200, 100)),
    ],
)
def test_a_square_around_the_outline_within_the_slice(outlined, scale, expected):
    assert around(outline((100, 200), outlined), WHOLE, scale).box == expected


def test_no_further_than_the_network_sees():
    frame = Frame(100, 200, (60, 20, 160, 80))
    assert around(outline((100, 200), (60, 20, 100, 40)), frame).box == (60, 20, 117, 67)


def test_a_square_of_millimeters_where_pixels_are_high():
    frame = Frame(100, 200, (0, 0, 200, 100), aspect=2.0)
    closeup = around(outline((100, 200), (90, 40, 110, 60)), frame)
    assert closeup.box == (60, 30, 140, 70)
    assert closeup.aspect == 2.0
    assert closeup.side == 80


# --- what is seen


def test_gray_is_that_of_the_first_look_in_more_pixels():
    pixels = np.random.default_rng(0).integers(0, 255, (100, 200), np.uint8)
    kept = pixels.copy()
    image, frame = preprocess(pixels, 200)
    closeup = Frame(100, 200, (40, 20, 104, 84))
    seen = view(pixels, np.zeros((50, 50), np.float32), frame, closeup, 64)
    assert (seen.shape, seen.dtype) == ((64, 64, 2), np.float32)
    assert frame.box == (0, 0, 200, 100)
    np.testing.assert_allclose(seen[..., 0], image[50 + 20 : 50 + 84, 40:104], atol=1e-6)
    assert (pixels == kept).all()


@pytest.mark.parametrize(
    ("probability", "expected"), [(0.0, 0.0), (1e-4, 0.0), (0.5, 0.5), (0.9, 0.6193), (0.9999, 1.0), (1.0, 1.0)]
)
def test_how_sure_the_first_look_is(probability, expected):
    """Its log-odds: those of 0.9 are 2.197, a part of 0.119 of what lies between 0.0001 and 0.9999."""
    seen = view(np.eye(64), np.full((32, 32), probability), Frame(64, 64, (0, 0, 64, 64)), Frame(64, 64, (8, 8, 40, 40)), 16)
    assert seen[..., 1] == pytest.approx(np.full((16, 16), expected), abs=1e-4)


def test_beyond_the_slice_there_is_nothing():
    """The close-up of a corner is padded to a square."""
    frame = Frame(64, 64, (0, 0, 64, 64))
    seen = view(np.eye(64) + 1, np.full((32, 32), 0.9), frame, Frame(64, 64, (0, 0, 32, 16)), 16)
    assert not seen[:4].any() and not seen[12:].any()
    assert (seen[4:12, :, 1] > 0.6).all()


# --- what comes of it


def looker(value: float, box: tuple[int, int, int, int]):
    """A close-up's network that outlines a box of 16 x 16 places; it keeps what it was shown."""

    def look(batch):
        look.batches.append(batch.copy())
        mask = np.zeros((len(batch), 16, 16, 1), np.float32)
        mask[:, box[1] : box[3], box[0] : box[2]] = value
        return {"mask": mask}

    look.batches = []
    return look


LOOKING = INFO | {"closeup": {"side": 48, "temperature": 1.0}}


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)


def test_what_is_outlined_is_outlined_anew(pixels):
    look = looker(1.0, (4, 4, 12, 8))
    answer = Classifier(fake_network([0.1, 0.7, 0.1, 0.1], mask_value=1.0), LOOKING, look).predict([pixels])[0]
    first = Classifier(fake_network([0.1, 0.7, 0.1, 0.1], mask_value=1.0), INFO).predict([pixels])[0]
    assert first.tumor.box == (16, 16, 32, 32)
    closeup = around(first.mask, first.frame)
    assert closeup.box == (8, 8, 40, 40)
    assert look.batches[0].shape == (1, 48, 48, 2)
    assert answer.tumor.box == (16, 16, 32, 24)  # each place is two pixels wide
    assert answer.tumor.area_px == answer.mask.sum() == 128
    assert answer.probabilities == first.probabilities
    assert set(answer.timings_ms) == {"preprocess", "infer", "decide"}


def test_where_the_close_up_shows_nothing_the_first_outline_stays(pixels):
    answer = Classifier(fake_network([0.1, 0.7, 0.1, 0.1], mask_value=1.0), LOOKING, looker(0.01, (4, 4, 12, 8)))
    assert answer.predict([pixels])[0].tumor.box == (16, 16, 32, 32)


@pytest.mark.parametrize(("side", "looked"), [(33, True), (32, False), (16, False)])
def test_what_fills_the_slice_is_not_looked_at_again(pixels, side, looked):
    """The first look sees 64 x 64 pixels, the close-up shows the half of that side: in as many pixels from 32 on."""
    info = INFO | {"closeup": {"side": side, "temperature": 1.0}}
    assert INFO["input_size"] == 64
    look = looker(1.0, (4, 4, 12, 8))
    answer = Classifier(fake_network([0.1, 0.7, 0.1, 0.1], mask_value=1.0), info, look).predict([pixels])[0]
    assert [batch.shape for batch in look.batches] == [(1, side, side, 2)] * looked
    assert (answer.tumor.box == (16, 16, 32, 32)) == (not looked)


@pytest.mark.parametrize(
    "network",
    [
        fake_network([0.02, 0.02, 0.94, 0.02], mask_value=0.9),
        fake_network([0.97, 0.01, 0.01, 0.01], mask_value=0.9, gate=3.0),
        fake_network([0.97, 0.01, 0.01, 0.01], mask_value=0.0),
    ],
    ids=["no tumor", "refused", "nothing outlined"],
)
def test_without_an_outline_nobody_looks_closely(pixels, network):
    look = looker(1.0, (4, 4, 12, 8))
    answer = Classifier(network, LOOKING, look).predict([pixels])[0]
    assert not answer.mask.any() and answer.tumor is None
    assert look.batches == []


def test_of_several_slices_each_is_shown_by_itself(pixels):
    look = looker(1.0, (4, 4, 12, 8))
    slices = [pixels, pixels[::-1], pixels[:, ::-1]]
    answers = Classifier(fake_network([0.1, 0.7, 0.1, 0.1], mask_value=1.0), LOOKING, look).predict(slices)
    assert [len(batch) for batch in look.batches] == [1, 1, 1]
    assert not np.array_equal(look.batches[0], look.batches[1])
    assert [answer.tumor.box for answer in answers] == [(16, 16, 32, 24)] * 3


# --- when it is loaded


def loading(monkeypatch, look) -> Classifier:
    """Of the project's model.h5, whose networks are fakes: a tumor always, and what `look` returns for its close-up."""

    def load(path, side, engine, threads, info, part):
        return fake_network([0.1, 0.7, 0.1, 0.1], mask_value=1.0) if part == CLASSIFIER else look()

    monkeypatch.setattr(engines, "load", load)
    return Classifier.load()


def test_it_is_loaded_once_it_is_needed_and_once(monkeypatch, pixels):
    loaded = []

    def look():
        loaded.append(1)
        time.sleep(0.1)  # whoever comes meanwhile must wait
        return looker(1.0, (4, 4, 12, 8))

    classifier = loading(monkeypatch, look)
    assert loaded == []
    with ThreadPoolExecutor(3) as several:
        answers = several.map(classifier.predict, [[pixels]] * 3)
        assert [answer.tumor.box for [answer] in answers] == [(16, 16, 32, 24)] * 3
    assert loaded == [1]


def test_it_is_loaded_ahead_once_the_first_request_has_got_its_answer(monkeypatch, pixels):
    loaded = threading.Event()

    def look():
        loaded.set()
        return looker(1.0, (4, 4, 12, 8))

    classifier = loading(monkeypatch, look)
    monkeypatch.setattr("app.load_classifier", lambda config: classifier)
    client = create_app({"TESTING": True}).test_client()
    assert not loaded.is_set()
    answer = client.get("/healthz")
    assert answer.status_code == 200
    answer.close()
    assert loaded.wait(10)
    monkeypatch.setattr(classifier, "load_closeup", None)  # not once more
    client.get("/healthz").close()
    assert classifier.predict([pixels])[0].tumor.box == (16, 16, 32, 24)


def test_nothing_is_loaded_ahead_by_a_process_that_ends(monkeypatch):
    """Python refuses new work then, and the answer is given all the same."""

    def refused(self, task):
        raise RuntimeError("cannot schedule new futures after interpreter shutdown")

    task = []
    monkeypatch.setattr(ThreadPoolExecutor, "submit", refused)
    response = afterwards(lambda: task.append(1))(Response("answer"))
    response.close()
    assert (response.get_data(as_text=True), task) == ("answer", [])


def test_what_keeps_it_from_being_loaded_is_told_to_who_needs_it_until_it_is(monkeypatch, pixels):
    tries = iter([engines.EngineError("The engine: expected room. Received: none.")] * 2)

    def look():
        if error := next(tries, None):
            raise error
        return looker(1.0, (4, 4, 12, 8))

    classifier = loading(monkeypatch, look)
    with pytest.raises(engines.EngineError, match="expected room"):
        classifier.load_closeup()
    with pytest.raises(engines.EngineError, match="expected room"):
        classifier.predict([pixels])
    assert classifier.predict([pixels])[0].tumor.box == (16, 16, 32, 24)


def test_where_there_is_none_there_is_nothing_to_load():
    Classifier(fake_network([0.1, 0.7, 0.1, 0.1]), INFO).load_closeup()


# --- in the file


@pytest.fixture(scope="module")
def network_file(tmp_path_factory):
    """A model.h5 with a close-up's network of random weights, some of them the classifier's and changed, and that network."""
    keras.utils.set_random_seed(3)
    classifier, network = build_classifier(64, None), build(SIDE, 1.8)
    for layer in classifier.layers:
        layer.set_weights([halved(weights) for weights in layer.get_weights()])
    begin(network, classifier)
    deep, last = network.get_layer("block5_conv2"), network.get_layer("mask")
    kernel, bias = deep.get_weights()
    deep.set_weights([kernel + np.random.default_rng(2).normal(0, 0.02, kernel.shape), bias])
    last.set_weights([w + np.random.default_rng(w.size).normal(0, 0.5, w.shape) for w in last.get_weights()])
    changes = reduce_changes(network, classifier, trunk(network), rank=8)
    path = tmp_path_factory.mktemp("closeup") / "model.h5"
    part = path.with_name("part.h5")
    save_half(classifier, path, lambda group: write_changed(network, trunk(network), changes, group, part))
    return path, network


@pytest.mark.parametrize("engine", [keras_engine, ncnn_engine, openvino_engine], ids=lambda engine: engine.__name__)
def test_every_engine_gives_the_outline_of_keras(network_file, engine):
    path, network = network_file
    views = np.random.default_rng(1).random((3, SIDE, SIDE, 2), np.float32)
    expected = network.predict_on_batch(views)["mask"]
    received = engine.load(path, SIDE, part=CLOSEUP)(views)
    assert set(received) == {"mask"}
    assert np.ptp(expected) > 0.1
    assert received["mask"] == pytest.approx(expected, abs=1e-5)


def test_the_file_holds_the_weights_that_both_networks_share_once(network_file):
    """Of the close-up's trunk it holds what was changed, as two small matrices, and the biases; Keras reads the classifier."""
    path, network = network_file
    with h5py.File(path) as file:
        closeup = file["closeup"]
        shared = [name for name in closeup["model_weights"] if name.startswith("block") and name in trunk(network)]
        assert len(shared) == 12
        for name in shared:
            paths = weight_paths(closeup["model_weights"][name])
            link = closeup[f"model_weights/{name}"].get(paths["kernel"], getlink=True)
            assert link.path == f"/model_weights/{name}/{weight_paths(file['model_weights'][name])['kernel']}"
            assert not isinstance(closeup[f"model_weights/{name}"].get(paths["bias"], getlink=True), h5py.SoftLink)
        assert [name for name in shared if CHANGE[0] in closeup["model_weights"][name]] == ["block5_conv2"]
        assert [closeup["model_weights/block5_conv2"][part].shape for part in CHANGE] == [(9 * 512, 8), (8, 512)]
    classifier = keras.saving.load_model(path, compile=False)
    for name in trunk(network):
        same = np.array_equal(classifier.get_layer(name).get_weights()[0], network.get_layer(name).get_weights()[0])
        assert same == (name != "block5_conv2"), name
    kept = keras_engine.read(path, CLOSEUP)
    for layer in network.layers:
        for ours, theirs in zip(layer.get_weights(), kept.get_layer(layer.name).get_weights(), strict=True):
            np.testing.assert_allclose(theirs, ours, atol=1e-6, err_msg=layer.name)


@pytest.mark.parametrize(
    ("engine", "ranges", "expected"),
    [
        ("openvino", {"closeup/mask": {"most": 2.0}}, (False, None)),
        ("openvino-bf16", {}, (True, None)),
        ("openvino-int8", {"mask": {"most": 1.0}, "closeup/mask": {"most": 2.0}}, (False, {"mask": {"most": 2.0}})),
        ("openvino-int8", {"mask": {"most": 1.0}}, (False, {})),  # of an older model: in float32
    ],
)
def test_it_computes_as_the_classifier_does_within_ranges_of_its_own(monkeypatch, engine, ranges, expected):
    made = []
    monkeypatch.setattr(openvino_engine, "computes_bfloat16", lambda: True)
    monkeypatch.setattr(engines, "computes_int8", lambda: True)
    monkeypatch.setattr(openvino_engine, "load", lambda *args: made.append(args[3:]))
    engines.load(DEFAULT_MODEL, SIDE, engine, info={"version": "1.2", "int8_ranges": ranges}, part=CLOSEUP)
    assert made == [(*expected, CLOSEUP)]


def test_each_part_of_the_file_has_its_own_ranges():
    told = {"mask": "a", "block1_conv2": "b", "closeup/mask": "c"}
    assert CLASSIFIER.ranges_of(told) == {"mask": "a", "block1_conv2": "b"}
    assert CLOSEUP.ranges_of(told) == {"mask": "c"}
    assert CLOSEUP.with_ranges(told, {"last": "d"}) == {"mask": "a", "block1_conv2": "b", "closeup/last": "d"}
    assert CLASSIFIER.with_ranges(told, {"mask": "e"}) == {"mask": "e", "closeup/mask": "c"}


def test_the_served_ones_in_eight_bits_are_like_those_in_float32():
    """What is loaded is the project's own model.h5; a tumor that is outlined in one is outlined in the other."""
    if not computes_int8():
        pytest.skip("this processor has no instructions for 8 bits")
    info = json.loads(DEFAULT_MODEL.with_name("model.json").read_text())
    side = info["closeup"]["side"]
    y, x = np.mgrid[:side, :side] / side - 0.5
    gray = np.where(np.hypot(x, y) < 0.2, 0.9, 0.3) + 0.05 * np.random.default_rng(0).random((side, side))
    seen = np.stack([gray, np.where(np.hypot(x, y) < 0.2, 0.7, 0.1)], axis=-1).astype(np.float32)[None]
    whole, rounded = (
        engines.load(DEFAULT_MODEL, side, engine, info=info, part=CLOSEUP)(seen)["mask"]
        for engine in ("openvino", "openvino-int8")
    )
    assert 0.02 < (whole > 0.5).mean() < 0.3
    assert 0.0 < np.abs(whole - rounded).mean() < 0.01


@pytest.mark.parametrize("engine", [keras_engine, ncnn_engine, openvino_engine], ids=lambda engine: engine.__name__)
def test_a_file_without_it_or_of_another_size_is_told(network_file, tmp_path, engine):
    path, _ = network_file
    with pytest.raises(ModelFileError, match=r"expected a network from \(None, 64, 64, 2\) to mask. Received: one from"):
        engine.load(path, 64, part=CLOSEUP)
    with h5py.File(path) as file, h5py.File(tmp_path / "without.h5", "w") as other:
        other.attrs.update(file.attrs)
        file.copy("model_weights", other)
    with pytest.raises(ModelFileError, match=r"expected a Keras model in HDF5\. Received: KeyError"):
        engine.load(tmp_path / "without.h5", SIDE, part=CLOSEUP)
