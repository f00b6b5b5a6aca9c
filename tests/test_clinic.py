"""The serving-only install: it holds what serving imports and nothing else, and runs on a computer without internet."""

import ast
import json
import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import offline
from model.engines.kept_graphs import SUFFIX
from model.engines.processor import computes_int8, computes_intels_avx512
from model.reading import read

ROOT = Path(__file__).parents[1]
CLINIC = ROOT / "requirements-clinic.txt"
SAMPLE = ROOT / "tests" / "samples" / "glioma_Te-gl_0010.jpg"
SERVING = [
    ROOT / "app.py",
    ROOT / "scripts" / "predict.py",
    *sorted((ROOT / "web").rglob("*.py")),
    *(path for path in sorted((ROOT / "model").rglob("*.py")) if "training" not in path.parts),
]
FALLBACK = {"model/engines/keras_engine.py", "model/original.py"}  # for where Keras is installed
OURS = {"app", "model", "web", "scripts"}
TRAINING = {
    "tensorflow",
    "keras",
    "gdown",
    "pytest",
    "gradio",
    "matplotlib",
    "scikit-learn",
    "nilearn",
    "onnxruntime",
    "torch",
}
LIMIT = 300 * 2**20


def requirements(path: Path) -> list[Requirement]:
    lines = (line.split("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith("-")]


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.fixture(scope="module")
def installed() -> set[str]:
    """The distributions that requirements-clinic.txt brings, with what they need in turn."""
    found, open_ends = set(), requirements(CLINIC)
    while open_ends:
        requirement = open_ends.pop()
        extras = requirement.extras or {""}
        if requirement.marker and not any(requirement.marker.evaluate({"extra": extra}) for extra in extras):
            continue
        if normal(requirement.name) not in found:
            found.add(normal(requirement.name))
            open_ends += [
                needed
                for needed in map(Requirement, metadata.requires(requirement.name) or ())
                if not needed.marker or any(needed.marker.evaluate({"extra": extra}) for extra in extras)
            ]
    return found


def imports(path: Path) -> set[str]:
    """The packages that a file imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(node.module)
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("path", SERVING, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_what_serving_imports_is_in_the_serving_only_install(path, installed):
    providers = metadata.packages_distributions()
    allowed = {"keras", "tensorflow"} if path.relative_to(ROOT).as_posix() in FALLBACK else set()
    foreign = imports(path) - OURS - sys.stdlib_module_names - allowed
    assert [name for name in foreign if not installed & {normal(p) for p in providers.get(name, ())}] == []


def test_serving_only_install_brings_nothing_of_training(installed):
    assert installed & TRAINING == set()
    assert {"flask", "ncnn", "openvino", "werkzeug"} <= installed


def test_full_install_is_the_serving_only_install_and_more():
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert "-r requirements-clinic.txt" in lines
    full, clinic = ({normal(r.name) for r in requirements(p)} for p in (ROOT / "requirements.txt", CLINIC))
    assert full & clinic == set(), "named twice"
    assert all(r.specifier for r in requirements(CLINIC)), "without a version"


def run(command: list[str], **environment: str) -> subprocess.CompletedProcess:
    env = {k: v for k, v in os.environ.items() if not k.startswith("EARLYMED_")} | {"EARLYMED_CACHE": "none"} | environment
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=500)


def checked(command: list[str], **environment: str) -> str:
    done = run(command, **environment)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


# --- carried to another computer, as docs/clinic.md says


@pytest.fixture(scope="module")
def wheels(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("carried") / "wheels"
    done = run([sys.executable, "-m", "pip", "download", "--quiet", "-r", str(CLINIC), "-d", str(folder)])
    if done.returncode:
        told = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        if os.environ.get("EARLYMED_CLINIC_TEST") == "required":
            pytest.fail(f"pip downloads no packages, but EARLYMED_CLINIC_TEST=required: {told}")
        pytest.skip(f"pip has no index here: {told}")
    return folder


@pytest.fixture(scope="module")
def clinic(wheels) -> Path:
    """The Python of a new environment, installed from the carried folder alone."""
    environment = wheels.with_name("venv")
    checked([sys.executable, "-m", "venv", str(environment)])
    pip = [str(environment / "bin" / "pip"), "install", "--quiet", "--no-compile", "--no-index", "--find-links", str(wheels)]
    alone([*pip, "-r", str(CLINIC)], PIP_CONFIG_FILE=os.devnull, PIP_FIND_LINKS="")
    return environment / "bin" / "python"


def alone(command: list[str], **environment: str) -> str:
    """Without a network where that is permitted, else as it is; pip is told --no-index in any case."""
    return checked(command if offline.permitted() else offline.namespace(command), **environment)


def test_carried_wheels_are_small_and_all_there_is_to_carry(wheels):
    files = list(wheels.iterdir())
    assert sum(file.stat().st_size for file in files) <= LIMIT
    assert [file.name for file in files if file.suffix != ".whl"] == []  # nothing that needs a compiler there
    assert not {normal(file.name.split("-")[0]) for file in files} & TRAINING


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak memory from /proc")
def test_carried_install_answers_as_the_full_one(clinic, classifier):
    """Without a network, from a read-only copy and without a home folder, where the system permits to try that."""
    told = json.loads(alone([str(clinic), "tests/ask_server.py", str(SAMPLE)], HOME="/nowhere").splitlines()[-1])
    expected = classifier.predict(read(SAMPLE.read_bytes()))[0].record("slice.jpg", 0, classifier.version)
    received = told["record"]
    del expected["timings_ms"], received["timings_ms"]
    for name in ("probabilities", "in_distribution"):
        assert received.pop(name) == pytest.approx(expected.pop(name), abs=1e-4)
    assert received == expected
    assert f'data-label="{expected["label"]}"' in told["page"]
    if not offline.permitted():
        assert told["network"] is False


@pytest.mark.parametrize("package", ["tensorflow", "keras", "matplotlib", "pytest"])
def test_carried_install_has_nothing_of_training(clinic, package):
    done = run([str(clinic), "-c", f"import {package}"])
    assert done.stderr.endswith(f"ModuleNotFoundError: No module named '{package}'\n")


def test_document_gives_the_commands_that_were_tried():
    text = (ROOT / "docs" / "clinic.md").read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for command in (
        "pip download -r requirements-clinic.txt -d wheels",
        "pip install --no-index --find-links wheels -r requirements-clinic.txt",
    ):
        assert command in text
        assert command in readme


# --- read-only


@pytest.mark.skipif(bool(offline.permitted()), reason=f"no namespace: {offline.permitted()}")
def test_read_only_installation_without_a_network_answers(tmp_path):
    code = "import pathlib\ntry:\n  pathlib.Path('model/written').touch()\nexcept OSError as error:\n  print(error.strerror)"
    assert checked(offline.namespace([sys.executable, "-c", code])) == "Read-only file system\n"
    command = [sys.executable, "scripts/predict.py", str(SAMPLE.relative_to(ROOT))]
    for cache in ("none", "auto"):
        (record,) = checked(offline.namespace(command), HOME=str(tmp_path), EARLYMED_CACHE=cache).splitlines()
        assert json.loads(record)["status"] == "ok"
        written = [path for path in tmp_path.rglob("*") if path.is_file()]
        by_openvino = computes_int8() or computes_intels_avx512()  # ncnn keeps nothing
        assert bool(written) == (cache == "auto" and by_openvino)
        assert all((path.parent.name, path.suffix) == ("earlymed", SUFFIX) for path in written)
