"""Many files: read beside each other, answered in batches, given back in order."""

import io
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from fakes import FakeClassifier, pages, picture, refused
from model import batch
from model.batch import BATCH, FEW, Source, answer_files
from model.reading import Limits


@dataclass(frozen=True)
class Given(Source):
    """A source with its bytes in memory, or with what raises when they are asked for."""

    data: object = b""

    def content(self, limits: Limits) -> bytes:
        return self.data() if callable(self.data) else self.data


def given(*data) -> list[Given]:
    return [Given(str(i), None, d) for i, d in enumerate(data)]


def missing() -> bytes:
    raise FileNotFoundError(2, "No such file or directory")


@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_records_come_in_the_order_of_the_sources(fake, jobs):
    sources = given(*[picture(seed=i) if i % 5 else b"text" for i in range(40)])
    answers = list(answer_files(fake, sources, jobs))
    assert [a.record["file"] for a in answers] == [str(i) for i in range(40)]
    assert [a.record["status"] for a in answers] == ["ok" if i % 5 else "error" for i in range(40)]
    asked = [pixels for call in sorted(fake.calls, key=lambda call: call[0].sum()) for pixels in call]
    assert len(asked) == 32


def test_the_answers_do_not_depend_on_the_jobs():
    def all_of(jobs):
        fake = FakeClassifier()
        answers = list(answer_files(fake, given(*[picture(seed=i) for i in range(20)], pages(20), b"text"), jobs))
        kept = [{k: v for k, v in a.record.items() if k != "timings_ms"} for a in answers]
        sizes = sorted(map(len, fake.calls))
        return kept, sizes, [a.pixels.sum() for a in answers if a.pixels is not None]

    assert all_of(1) == all_of(4)


def test_batches_are_filled_across_files_and_errors():
    fake = FakeClassifier()
    list(answer_files(fake, given(*[picture()] * (BATCH - 1), b"text", *[picture()] * (BATCH - 1))))
    assert [len(call) for call in fake.calls] == [BATCH, BATCH - 2]


def test_the_slices_of_a_file_are_answered_in_pieces():
    fake = FakeClassifier()
    answers = list(answer_files(fake, given(pages(2 * BATCH + 1), picture())))
    assert [len(call) for call in fake.calls] == [BATCH, BATCH, 2]
    assert [a.index for a in answers] == [*range(2 * BATCH + 1), 0]
    assert [a.last for a in answers] == [False] * (2 * BATCH) + [True, True]


def test_the_last_slice_of_a_volume_has_its_study(fake):
    answers = list(answer_files(fake, given(picture(), pages(BATCH + 4), b"text", pages(5)), jobs=3))
    found = [(i, [(s.start, s.stop, s.label) for s in a.studies()]) for i, a in enumerate(answers) if a.studies()]
    last = BATCH + 4
    assert found == [(last, [(0, BATCH + 4, "glioma")]), (last + 6, [(0, 5, "glioma")])]
    assert [len(a.predictions) for a in answers if a.last] == [0, BATCH + 4, 0, 5]
    assert answers[last].scan is answers[1].scan
    assert answers[0].scan is None  # a single picture is not kept


def test_large_pictures_make_small_batches(monkeypatch):
    monkeypatch.setattr(batch, "MAX_BATCH_VALUES", 16 * 12 * 3)
    fake = FakeClassifier()
    list(answer_files(fake, given(*[picture()] * 10)))
    assert [len(call) for call in fake.calls] == [4, 4, 2]


def test_an_answer_holds_what_pictures_are_drawn_from(fake):
    (answer,) = answer_files(fake, given(picture(seed=3)))
    np.testing.assert_array_equal(answer.pixels, np.asarray(Image.open(io.BytesIO(picture(seed=3)))))
    assert answer.prediction.label == answer.record["label"] == "glioma"
    assert list(answer.record["timings_ms"]) == ["read", "preprocess", "infer", "decide"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "The file is empty. Expected an image."),
        (missing, "The file cannot be opened (No such file or directory)."),
    ],
)
def test_a_bad_file_is_a_record_and_the_rest_goes_on(fake, data, reason):
    first, second = answer_files(fake, given(data, picture()))
    assert first.record == {"file": "0", "slice": 0, "status": "error", "reason": reason, "model": "fake-1"}
    assert (first.last, first.prediction) == (True, None)
    assert second.record["status"] == "ok"


def test_limits_are_passed_on(fake):
    (answer,) = answer_files(fake, given(picture()), limits=Limits(max_pixels=100))
    assert answer.record["reason"] == "Expected at most 100 pixels. Received: 16 x 12."


def test_a_refusal_keeps_its_reason(fake):
    fake.answer = refused("This looks like a photograph.")
    (answer,) = answer_files(fake, given(picture()))
    assert (answer.record["status"], answer.record["reason"]) == ("refused", "This looks like a photograph.")


def test_as_many_files_as_jobs_are_read_at_the_same_time(fake):
    """Each waits for the others: with fewer threads none would ever be read."""
    together = threading.Barrier(4)

    def slow() -> bytes:
        together.wait(10)
        return picture()

    assert [a.record["status"] for a in answer_files(fake, given(*[slow] * 4), jobs=4)] == ["ok"] * 4


def test_files_are_read_while_the_model_answers(fake):
    read_on = threading.Event()

    def answering(pixels):
        assert read_on.wait(10)
        return refused()(pixels)

    def last() -> bytes:
        read_on.set()
        return picture()

    fake.answer = answering
    answers = list(answer_files(fake, given(*[picture()] * BATCH, last), jobs=1))
    assert len(answers) == BATCH + 1


def test_few_files_are_read_ahead(fake):
    """A folder of volumes must not end up in memory."""
    started = []

    def noted() -> bytes:
        started.append(1)
        return pages(BATCH)

    answers = answer_files(fake, given(*[noted] * 50), jobs=2)
    next(answers)
    assert len(started) <= 8  # one is given out, two are asked, one waits, two are read and two are to be taken
    answers.close()


def test_a_failure_of_the_model_is_not_swallowed(fake):
    fake.answer = lambda pixels: 1 / 0
    with pytest.raises(ZeroDivisionError):
        list(answer_files(fake, given(picture())))


def test_a_source_reads_its_file(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"bytes")
    assert Source("a.png", Path(path)).content() == b"bytes"


def test_a_file_over_the_limit_is_not_read(fake, tmp_path, monkeypatch):
    path, whole = tmp_path / "a.png", picture()
    path.write_bytes(whole)
    (answer,) = answer_files(fake, [Source("a.png", path)], limits=Limits(max_bytes=len(whole)))
    assert answer.record["status"] == "ok"
    monkeypatch.setattr(Path, "read_bytes", lambda path: pytest.fail(f"read {path}"))
    (answer,) = answer_files(fake, [Source("a.png", path)], limits=Limits(max_bytes=len(whole) - 1))
    assert answer.record["status"] == "error"
    assert answer.record["reason"] == f"Expected at most {len(whole) - 1} bytes. Received: {len(whole)}."


def test_standard_input_is_read_until_it_is_over_the_limit(fake, monkeypatch):
    whole = picture()
    for limit, status, read_to in ((len(whole), "ok", len(whole)), (99, "error", 100)):
        stream = io.BytesIO(whole)
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=stream))
        (answer,) = answer_files(fake, [Source("-", None)], limits=Limits(max_bytes=limit))
        assert (answer.record["status"], stream.tell()) == (status, read_to)
    assert answer.record["reason"] == "Expected at most 99 bytes. Received: more."


@pytest.mark.parametrize(
    ("files", "jobs", "cores", "threads"),
    [(1, 2, 2, 0), (2 * FEW, 2, 2, 0), (2 * FEW + 1, 2, 2, 1), (1000, 1, 2, 0), (1000, 4, 2, 1), (1000, 4, 8, 2)],
)
def test_many_slices_are_answered_a_core_each_and_a_few_by_all(monkeypatch, files, jobs, cores, threads):
    monkeypatch.setattr(batch, "cores", lambda: cores)
    assert batch.threads_for(files, jobs) == threads


@pytest.mark.parametrize(("jobs", "cores", "at_once"), [(1, 2, 1), (2, 2, 3), (4, 2, 3), (2, 8, 3), (4, 8, 5)])
def test_one_batch_more_is_asked_at_once_than_there_are_jobs_and_cores(monkeypatch, jobs, cores, at_once):
    """Were there fewer, the barrier would break; were there more, they would be counted."""
    monkeypatch.setattr(batch, "cores", lambda: cores)
    meeting, asking, most = threading.Barrier(at_once, timeout=20), [], []

    class Meets(FakeClassifier):
        def predict(self, slices, aspects):
            asking.append(1)
            most.append(len(asking))
            meeting.wait()
            asking.pop()
            return super().predict(slices, aspects)

    answers = list(answer_files(Meets(), given(*[picture()] * (4 * at_once * BATCH)), jobs=jobs))
    assert [answer.record["status"] for answer in answers] == ["ok"] * 4 * at_once * BATCH
    assert max(most) == at_once
