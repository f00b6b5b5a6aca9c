"""The arrows of the house run one way; see the design in README's "How it works"."""

import subprocess
import sys
from pathlib import Path

import pytest

from model.engines.processor import computes_int8, computes_intels_avx512

ROOT = Path(__file__).parents[1]
DOMAIN = sorted(f"model.{path.stem}" for path in (ROOT / "model").glob("*.py") if path.stem != "__init__")
ABSENT = ("tensorflow", "keras", "flask", "werkzeug", "gdown", "sklearn", "matplotlib")


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("module", DOMAIN)
def test_the_domain_needs_neither_tensorflow_nor_flask_to_import(module):
    python(f"import sys; sys.modules.update(dict.fromkeys({ABSENT})); import {module}")


def test_serving_imports_nothing_of_training_and_no_tensorflow_before_the_model_is_loaded():
    loaded = python("import sys, app; print(*sys.modules)").split()
    assert "web.serving" in loaded and "model.reading" in loaded
    assert [name for name in loaded if name.startswith(("model.training", "tensorflow", "keras"))] == []


ANSWER = """
import io, sys
from pathlib import Path
from app import create_app

client = create_app({"TESTING": True, "EARLYMED_CACHE": "none"}).test_client()
content = Path("tests/samples/glioma_Te-gl_0010.jpg").read_bytes()
for path in ("/", "/api/v1/predict", "/api/v1/overlay", "/api/v1/mask"):
    answer = client.post(path, data={"file": (io.BytesIO(content), "a.jpg")})
    assert answer.status_code == 200, (path, answer.text)
print(*sys.modules)
"""


def test_an_answer_loads_neither_scipy_nor_tensorflow():
    """They cost a start most of its time, and a laptop's install has neither."""
    loaded = {name.partition(".")[0] for name in python(ANSWER).splitlines()[-1].split()}
    assert {"openvino" if computes_int8() or computes_intels_avx512() else "ncnn", "cc3d"} <= loaded
    assert loaded & {"scipy", "tensorflow", "keras", "sklearn", "matplotlib"} == set()


@pytest.mark.parametrize("path", sorted((ROOT / "model").rglob("*.py")), ids=lambda p: p.stem)
def test_the_domain_imports_nothing_that_is_built_on_it(path):
    text = path.read_text(encoding="utf-8")
    for upper in ("app", "web", "scripts", "flask"):
        assert f"import {upper}" not in text and f"from {upper}" not in text
    if path.parent.name == "model":
        assert "model.training" not in text
