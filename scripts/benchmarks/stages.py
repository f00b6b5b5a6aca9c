"""Where a page's time goes: every stage of a request timed in this process, without what it calls that is a stage itself."""

import importlib
import io
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from functools import wraps

import jinja2
import numpy as np
from werkzeug.test import EnvironBuilder, run_wsgi_app

from scripts.benchmarks.clients import LINES

STAGES = (  # (stage, module, function)
    ("decode", "model.reading", "read_within"),
    ("crop", "model.preprocessing", "find_box"),
    ("window", "model.preprocessing", "window"),
    ("resize", "model.preprocessing", "square_resize"),
    ("gray", "model.preprocessing", "to_gray"),
    ("close-up", "model.closeup", "around"),
    ("close-up", "model.closeup", "view"),
    ("gate", "model.gate", "look"),
    ("mask", "model.explanation", "tumor_mask"),
    ("mask", "model.explanation", "draw_outline"),
    ("PNG", "model.explanation", "png"),
    ("PNG", "web.pictures", "line_around"),
    ("JPEG", "web.pictures", "jpeg_uri"),
    ("pictures", "web.pictures", "explained"),
    ("pictures", "web.pictures", "outlined"),
    ("pictures", "web.pictures", "layers"),
)
METHODS = (
    ("map", "model.preprocessing", "Frame", "to_part"),
    ("gate", "model.gate", "Gate", "in_distribution"),
)
NETWORKS = ("_infer", "_look_closely")  # of the classifier
INFERENCE, TEMPLATE, REST = "inference", "template", "HTTP and the rest"


class Clock:
    """Time by stage; a stage inside another stops the outer one's clock."""

    def __init__(self):
        self.seconds: dict[str, float] = {}
        self.open: list[str] = []
        self.since = 0.0

    def switch(self) -> None:
        now = time.perf_counter()
        if self.open:
            self.seconds[self.open[-1]] = self.seconds.get(self.open[-1], 0.0) + now - self.since
        self.since = now

    @contextmanager
    def stage(self, name: str):
        self.switch()
        self.open.append(name)
        try:
            yield
        finally:
            self.switch()
            self.open.pop()

    def timed(self, name: str, function: Callable) -> Callable:
        @wraps(function)
        def call(*args, **kwargs):
            with self.stage(name):
                return function(*args, **kwargs)

        return call


@contextmanager
def watched(clock: Clock):
    """Every stage is timed wherever EarlyMed's modules have imported it; all is as before afterwards."""
    undo = []

    def replace(owner, name: str, new) -> None:
        undo.append((owner, name, getattr(owner, name)))
        setattr(owner, name, new)

    for stage, module, name in STAGES:
        function = getattr(importlib.import_module(module), name)
        timed = clock.timed(stage, function)
        ours = [m for key, m in list(sys.modules.items()) if key.partition(".")[0] in ("app", "model", "web")]
        for owner in ours:
            for attribute in [key for key, value in vars(owner).items() if value is function]:
                replace(owner, attribute, timed)
    for stage, module, kind, name in METHODS:
        owner = getattr(importlib.import_module(module), kind)
        replace(owner, name, clock.timed(stage, getattr(owner, name)))
    replace(jinja2.Template, "render", clock.timed(TEMPLATE, jinja2.Template.render))
    try:
        yield
    finally:
        for owner, name, old in reversed(undo):
            setattr(owner, name, old)


def measure(classifier, data: bytes, runs: int = 30, accept: str = LINES) -> dict[str, float]:
    """Median milliseconds of each stage of `POST /` with one JPEG, by stage; their sum is about the request's time.

    Args:
        accept: what the client asks for; by default what the page's own script does.
    """
    from app import create_app

    app = create_app({}, classifier=classifier)
    rows: list[dict[str, float]] = []
    networks = {name: run for name in NETWORKS if (run := getattr(classifier, name)) is not None}
    for _ in range(runs + 3):
        clock = Clock()
        for name, run in networks.items():
            setattr(classifier, name, clock.timed(INFERENCE, run))
        form = {"file": (io.BytesIO(data), "slice.jpg")}
        asked = EnvironBuilder("/", method="POST", data=form, headers={"Accept": accept}).get_environ()  # the client's work
        try:
            with watched(clock), clock.stage(REST):
                _, status, _ = run_wsgi_app(app, asked, buffered=True)  # all lines of it
        finally:
            for name, run in networks.items():
                setattr(classifier, name, run)
        if status != "200 OK":
            raise RuntimeError(f"Expected a page. Received: status {status}")
        rows.append(clock.seconds)
    names = [INFERENCE, *dict.fromkeys(stage for stage, *_ in (*STAGES, *METHODS)), TEMPLATE, REST]
    return {name: round(1000 * float(np.median([row.get(name, 0.0) for row in rows[3:]])), 3) for name in names}


def overhead(stages: dict[str, float]) -> float:
    """The share of a request that is not inference."""
    return 1.0 - stages[INFERENCE] / sum(stages.values())


def table(stages: dict[str, float]) -> str:
    total = sum(stages.values())
    lines = ["| stage | ms | share |", "|---|---|---|"]
    lines += [f"| {name} | {ms:.2f} | {ms / total:.1%} |" for name, ms in stages.items()]
    return "\n".join([*lines, f"| all | {total:.2f} | 100 % |"])
