"""When the close-up's network is loaded: not before the start, once, and before somebody needs it."""

import queue
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from flask import Response

from app import afterwards, create_app
from fakes import INFO, fake_network, looker
from model import engines
from model.classifier import Classifier
from model.engines.network_file import CLASSIFIER


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)


def loading(monkeypatch, look) -> Classifier:
    """Of the project's model.h5, whose networks are fakes: a tumor always, and what `look` returns for its close-up."""

    def load(path, side, engine, threads, info, part, cache):
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
    assert classifier.predict([pixels])[0].tumor.box == (16, 16, 32, 24)


def test_what_is_done_afterwards_is_done_once_the_first_answer_is_sent():
    done = queue.SimpleQueue()
    first, *others = map(afterwards(lambda: done.put(1)), [Response("answer") for _ in range(3)])
    assert done.empty()
    first.close()
    assert done.get(timeout=10) == 1
    for response in others:
        response.close()
    with pytest.raises(queue.Empty):
        done.get(timeout=0.2)


def test_what_goes_wrong_afterwards_is_logged(caplog):
    def fail():
        raise engines.EngineError("The engine: expected room. Received: none.")

    with caplog.at_level("ERROR", "earlymed"):
        afterwards(fail)(Response("answer")).close()
        deadline = time.monotonic() + 10
        while not caplog.messages and time.monotonic() < deadline:
            time.sleep(0.01)
    assert caplog.messages == ["The engine: expected room. Received: none."]


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
