"""Whose turn it is: first come, first served; who is too many is turned away, who goes away leaves the place to others."""

import threading
import time

import pytest

from answers import nifti
from app import create_app
from fakes import ok
from model.classifier import BATCH
from uploads import PNG, send
from web import turns
from web.errors import RequestError
from web.turns import Turns


class Person(threading.Thread):
    """Stands in line, says so, has a turn until it is let go, and remembers what went wrong."""

    def __init__(self, line: Turns, came: list, name: str, gone=lambda: False):
        super().__init__(daemon=True, name=name)
        self.turns, self.came, self.gone = line, came, gone
        self.may_end, self.error = threading.Event(), None
        before = len(line.line)
        self.start()
        wait_for(lambda: self.name in came or len(line.line) > before or self.error)

    def run(self):
        try:
            with self.turns.take(self.gone):
                self.came.append(self.name)
                self.may_end.wait(20)
        except RequestError as error:
            self.error = error

    def end(self):
        self.may_end.set()
        self.join(20)


def wait_for(happened) -> None:
    until = time.monotonic() + 20
    while not happened():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.005)


def test_turns_are_taken_in_the_order_of_coming():
    line, came = Turns(2, 3, 1), []
    people = [Person(line, came, name) for name in "abcde"]
    assert came == ["a", "b"]
    for i, expected in enumerate(("abc", "abcd", "abcde", "abcde", "abcde")):
        people[i].end()
        wait_for(lambda expected=expected: came == list(expected))
    assert line.free == 2 and not line.line


def test_who_is_too_many_hears_when_to_come_again():
    line, came = Turns(1, 1, 7), []
    first, second = Person(line, came, "a"), Person(line, came, "b")
    with pytest.raises(RequestError) as turned_away, line.take():
        pass
    assert (turned_away.value.status, turned_away.value.code) == (503, "busy")
    assert turned_away.value.headers == {"Retry-After": "7"}
    first.end(), second.end()
    assert came == ["a", "b"]


def test_who_goes_away_leaves_the_place_in_line_to_others(monkeypatch):
    monkeypatch.setattr(turns, "LOOK", 0.01)
    line, came, left = Turns(1, 2, 1), [], threading.Event()
    at_work, leaves, stays = Person(line, came, "a"), Person(line, came, "b", left.is_set), Person(line, came, "c")
    left.set()
    wait_for(lambda: leaves.error)
    assert (leaves.error.status, leaves.error.code) == (503, "stopped")
    late = Person(line, came, "d")  # there was no room before
    assert late.error is None
    at_work.end(), stays.end(), late.end()
    assert came == ["a", "c", "d"]
    assert line.free == 1 and not line.line


def test_a_turn_is_given_back_whatever_happens():
    line = Turns(1, 0, 1)
    with pytest.raises(ZeroDivisionError), line.take():
        raise ZeroDivisionError
    with line.take():
        assert line.free == 0


@pytest.mark.parametrize("path", ["/", "/api/v1/predict", "/api/v1/overlay", "/api/v1/mask"])
def test_a_request_whose_client_has_gone_does_not_wait(fake, monkeypatch, path):
    monkeypatch.setattr(turns, "LOOK", 0.01)
    app = create_app({"MAX_CONCURRENT": 1, "MAX_WAITING": 1}, classifier=fake)
    with app.extensions["turns"].take():
        environ = {"waitress.client_disconnected": lambda: True}
        response = send(app.test_client(), path, ("a.png", PNG), environ_overrides=environ)
    assert response.status_code == 503
    assert not fake.calls
    assert send(app.test_client(), path, ("a.png", PNG)).status_code == 200


@pytest.mark.parametrize("path", ["/", "/api/v1/predict"])
def test_the_work_for_a_client_that_has_gone_is_given_up(fake, path):
    """A page without a script, and the API, which know nothing of steps."""
    fake.answer = lambda pixels: time.sleep(0.01) or ok()(pixels)
    app = create_app({"MAX_CONCURRENT": 1, "MAX_WAITING": 0}, classifier=fake)
    environ = {"waitress.client_disconnected": lambda: True}
    response = send(app.test_client(), path, ("head.nii", nifti(6 * BATCH)), environ_overrides=environ)
    assert response.status_code == 503
    assert len(fake.calls) < 6
    assert send(app.test_client(), path, ("a.png", PNG)).status_code == 200
