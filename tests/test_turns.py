import threading

import pytest

import turns


@pytest.fixture(autouse=True)
def other_files(tmp_path, monkeypatch):
    """This test has a turn of its own while it runs."""
    for name in ("GATE", "ROOM"):
        file = tmp_path / name
        file.touch()
        monkeypatch.setattr(turns, name, file)


class Other(threading.Thread):
    """Takes a turn, says so, and keeps it until it is let go."""

    def __init__(self, alone: bool):
        super().__init__(daemon=True)
        self.alone, self.has_turn, self.may_end = alone, threading.Event(), threading.Event()
        self.start()

    def run(self):
        with turns.turn(self.alone):
            self.has_turn.set()
            self.may_end.wait(60)

    def end(self):
        self.may_end.set()
        self.join(60)


def test_tests_run_beside_each_other():
    first, second = Other(alone=False), Other(alone=False)
    assert first.has_turn.wait(60) and second.has_turn.wait(60)
    first.end(), second.end()


def test_one_that_is_to_be_alone_waits_and_lets_nobody_in_before_or_meanwhile():
    before = Other(alone=False)
    assert before.has_turn.wait(60)
    alone = Other(alone=True)
    assert not alone.has_turn.wait(0.3)
    after = Other(alone=False)
    assert not after.has_turn.wait(0.3)
    before.end()
    assert alone.has_turn.wait(60)
    assert not after.has_turn.wait(0.3)
    alone.end()
    assert after.has_turn.wait(60)
    after.end()
