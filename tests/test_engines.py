"""Which engine answers, and that its start imports no TensorFlow, writes nothing and calls nobody."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from model import engines
from model.classifier import DEFAULT_MODEL, Classifier
from model.engines import keras_engine, ncnn_engine, openvino_engine, processor
from model.engines.kept_graphs import Shelf
from model.engines.network_file import CLASSIFIER
from model.engines.processor import computes_int8, computes_intels_avx512

ROOT = Path(__file__).parents[1]
SAMPLES = sorted((ROOT / "tests" / "samples").glob("*.jpg"))
INFO = json.loads(DEFAULT_MODEL.with_name("model.json").read_text())
SIZE = INFO["input_size"]


def python(code: str, **environment: str) -> subprocess.CompletedProcess:
    """Run code in an interpreter of its own, which must come to its end."""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done


ANSWER = f"""
from model.classifier import Classifier
from model.reading import read
[answer] = Classifier.load().predict(read(open({str(SAMPLES[0])!r}, "rb").read()))
print(answer.status, answer.label)
"""


# --- which engine


ALL = {"ncnn": True, "openvino": True, "openvino-bf16": True, "openvino-int8": True}
AVX2, AVX512, BFLOAT16 = (False, False, False), (True, False, False), (True, True, False)  # Intel's AVX-512? bfloat16? VNNI?
VNNI, AVX2_VNNI, ZEN_4 = (True, True, True), (False, False, True), (False, True, True)
RANGES = {"block1_conv2": {"most": 5.0, "channels": "ff" * 64}}
NAMES = "auto, ncnn, openvino, openvino-bf16, openvino-int8, tensorflow"


def facts(passed: dict) -> dict:
    """As model.json has it."""
    rows = {name: {"passed": verdict} for name, verdict in passed.items()}
    return {"version": "1.2", "sha256": "5ha", "int8_ranges": RANGES, "engines": {"model": "1.2", "engines": rows}}


@pytest.mark.parametrize(
    ("engine", "passed", "instructions", "taken"),
    [
        ("auto", ALL, VNNI, "openvino-int8"),
        ("auto", ALL, AVX2_VNNI, "openvino-int8"),
        ("auto", ALL, ZEN_4, "openvino-int8"),
        ("auto", ALL | {"openvino-int8": False}, VNNI, "openvino-bf16"),
        ("auto", ALL | {"openvino-int8": False}, ZEN_4, "openvino-bf16"),
        ("auto", ALL | {"openvino-int8": False, "openvino-bf16": False}, VNNI, "openvino"),
        ("auto", ALL | {"openvino-int8": False, "openvino-bf16": False}, ZEN_4, "ncnn"),
        ("auto", {"openvino-bf16": True}, VNNI, "openvino-bf16"),  # 8 bits were not compared: they must earn it
        ("auto", ALL, BFLOAT16, "openvino-bf16"),
        ("auto", ALL, AVX512, "openvino"),
        ("auto", ALL, AVX2, "ncnn"),
        ("auto", {"openvino": True, "openvino-bf16": False}, BFLOAT16, "openvino"),
        ("auto", {"openvino": True}, AVX2, "openvino"),
        ("auto", {}, BFLOAT16, "openvino"),
        ("auto", {}, AVX2, "openvino"),
        ("auto", None, AVX2, "openvino"),
        ("auto", {"openvino": False, "ncnn": True}, AVX512, "ncnn"),
        ("auto", {"openvino": False, "openvino-bf16": False}, BFLOAT16, "tensorflow"),
        ("auto", {"openvino": False, "openvino-bf16": True}, AVX2, "tensorflow"),
        ("openvino", ALL, BFLOAT16, "openvino"),
        ("ncnn", {}, BFLOAT16, "ncnn"),
        ("openvino-bf16", {}, BFLOAT16, "openvino-bf16"),
        ("openvino-int8", {}, AVX2_VNNI, "openvino-int8"),
    ],
)
def test_engine_is_the_fastest_that_passed_for_the_processor(
    monkeypatch, caplog, tmp_path, engine, passed, instructions, taken
):
    made = []
    monkeypatch.setattr(engines, "computes_intels_avx512", lambda: instructions[0])
    monkeypatch.setattr(openvino_engine, "computes_bfloat16", lambda: instructions[1])
    monkeypatch.setattr(engines, "computes_int8", lambda: instructions[2])

    def by_openvino(path, size, threads, bfloat16, ranges, part, shelf):
        assert ranges in (None, RANGES) and not (bfloat16 and ranges) and part == CLASSIFIER
        assert shelf == (None if passed is None else Shelf(tmp_path, "5ha"))
        made.append(("openvino-bf16" if bfloat16 else "openvino-int8" if ranges else "openvino", path, size, threads))

    monkeypatch.setattr(openvino_engine, "load", by_openvino)
    monkeypatch.setattr(ncnn_engine, "load", lambda *args: made.append(("ncnn", *args[:3])))
    monkeypatch.setattr(keras_engine, "load", lambda *args: made.append(("tensorflow", *args[:3])))
    with caplog.at_level("INFO", "earlymed"):
        engines.load(DEFAULT_MODEL, SIZE, engine, 3, None if passed is None else facts(passed), cache=str(tmp_path))
    assert made == [(taken, DEFAULT_MODEL, SIZE, 3)]
    warned = taken == "tensorflow" and passed["openvino-bf16"]  # it passed, but cannot run here
    assert caplog.messages[warned:] == [f"The network is run by {taken}."]


def test_avx512_is_found_where_the_system_tells_of_it():
    told = Path("/proc/cpuinfo")
    if not told.is_file():
        pytest.skip("this system does not tell what its processor computes")
    words = told.read_text().split()
    assert computes_intels_avx512() == ("avx512f" in words and "AuthenticAMD" not in words)


@pytest.mark.parametrize(("maker", "found"), [("GenuineIntel", True), ("AuthenticAMD", False)])
def test_avx512_of_amd_is_not_intels(monkeypatch, tmp_path, maker, found):
    """Told by Linux in a file, and by Windows in the processor's name."""
    monkeypatch.setattr(processor, "_numpy_found", lambda feature: feature == "AVX512F")
    monkeypatch.setattr(processor, "TOLD", tmp_path / "cpuinfo")
    monkeypatch.setattr("platform.processor", lambda: f"x64 Family 25 Model 97 Stepping 2, {maker}")
    assert computes_intels_avx512() == found
    (tmp_path / "cpuinfo").write_text(f"processor : 0\nvendor_id : {maker}\n")
    assert computes_intels_avx512() == found


def test_instructions_for_8_bits_are_found_where_the_system_tells_of_them(monkeypatch, tmp_path):
    told = Path("/proc/cpuinfo")
    if told.is_file():
        assert computes_int8() == bool({"avx512_vnni", "avx_vnni"} & set(told.read_text().split()))
    monkeypatch.setattr(processor, "_numpy_found", lambda feature: False)
    monkeypatch.setattr(processor, "TOLD", tmp_path / "cpuinfo")
    assert not computes_int8()
    for flags, found in (("fpu avx2 avx_vnni", True), ("fpu avx2 avx512f", False)):
        (tmp_path / "cpuinfo").write_text(f"processor : 0\nflags : {flags}\n")
        assert computes_int8() == found


def test_verdicts_are_those_on_these_weights():
    record = {"model": "1.2", "engines": {"openvino": {"passed": True}, "openvino-bf16": {"passed": False, "same": 9}}}
    assert engines.verdicts({"version": "1.2", "engines": record}) == {"openvino": True, "openvino-bf16": False}
    assert engines.verdicts({"version": "1.3", "engines": record}) == {}
    assert engines.verdicts({"version": "1.2"}) == {}


def test_classifier_goes_by_the_verdicts_in_its_model_json(monkeypatch, tmp_path):
    taken = []
    monkeypatch.setattr(engines, "load", lambda *args: taken.append(args[4]) or (lambda batch: None))
    info = json.loads(DEFAULT_MODEL.with_name("model.json").read_text())
    info["engines"] = {"model": info["version"], "engines": {"openvino-bf16": {"passed": True}}}
    (tmp_path / "model.json").write_text(json.dumps(info))
    (tmp_path / "model.h5").write_bytes(DEFAULT_MODEL.read_bytes())
    Classifier.load(tmp_path / "model.h5").load_closeup()
    assert [engines.verdicts(given) for given in taken] == [{"openvino-bf16": True}] * 2  # of the close-up's network, too
    assert taken[0]["int8_ranges"] == info["int8_ranges"]


def test_engine_and_threads_come_from_the_environment(monkeypatch):
    made = []
    monkeypatch.setattr(keras_engine, "load", lambda *args: made.append(args))
    monkeypatch.setenv("EARLYMED_ENGINE", "tensorflow")
    monkeypatch.setenv("EARLYMED_THREADS", "2")
    engines.load(DEFAULT_MODEL, SIZE)
    assert made == [(DEFAULT_MODEL, SIZE, 2, CLASSIFIER)]


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"EARLYMED_ENGINE": "onnx"}, f"expected one of {NAMES}. Received: 'onnx'."),
        ({"EARLYMED_THREADS": "two"}, "EARLYMED_THREADS: expected a whole number, 0 or more. Received: 'two'."),
        ({"EARLYMED_ENGINE": "openvino-bf16"}, "expected a processor that computes bfloat16. Received: another."),
        ({"EARLYMED_ENGINE": "openvino-int8"}, "expected a processor with VNNI, for 8 bits. Received: another."),
    ],
)
def test_engine_that_cannot_run_is_told(monkeypatch, environment, message):
    monkeypatch.setattr(openvino_engine, "computes_bfloat16", lambda: False)
    monkeypatch.setattr(engines, "computes_int8", lambda: False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(engines.EngineError, match=message.replace(".", r"\.")):
        engines.load(DEFAULT_MODEL, SIZE)


def test_8_bits_without_ranges_are_refused(monkeypatch):
    monkeypatch.setattr(engines, "computes_int8", lambda: True)
    with pytest.raises(engines.EngineError, match=r"openvino-int8: expected int8_ranges in model\.json\. Received: none\."):
        engines.load(DEFAULT_MODEL, SIZE, "openvino-int8", info={"version": "1.2"})


@pytest.mark.parametrize(
    ("engine", "blocked", "message"),
    [
        ("ncnn", ["ncnn"], "The engine ncnn: expected the package ncnn. Received: "),
        ("openvino", ["openvino"], "The engine openvino: expected the package openvino. Received: "),
        ("tensorflow", ["tensorflow", "keras"], "The engine tensorflow: expected tensorflow and keras. Received: "),
        (
            "auto",
            ["ncnn", "openvino", "tensorflow", "keras"],
            "The engine openvino: expected the package openvino. Received: ",
        ),
    ],
)
def test_engine_whose_package_is_missing_is_told(engine, blocked, message):
    code = f"import sys; sys.modules.update(dict.fromkeys({blocked}))\nfrom model import engines\n"
    code += f"from pathlib import Path\ntry:\n  engines.load(Path({str(DEFAULT_MODEL)!r}), {SIZE})\n"
    code += "except engines.EngineError as error:\n  print(error)"
    assert python(code, EARLYMED_ENGINE=engine).stdout.startswith(message)


@pytest.mark.parametrize("missing", ["ncnn", "openvino"])
def test_one_engine_answers_where_the_other_is_not_installed(missing):
    done = python(f"import sys; sys.modules[{missing!r}] = None" + ANSWER)
    assert done.stdout == "ok glioma\n"
    assert "tensorflow" not in done.stderr.lower()


def test_tensorflow_answers_where_neither_is_installed():
    done = python("import sys; sys.modules.update(ncnn=None, openvino=None)" + ANSWER)
    assert done.stdout == "ok glioma\n"
    (line,) = [line for line in done.stderr.splitlines() if "TensorFlow" in line]
    assert "The engine openvino: expected the package openvino. " in line
    assert line.endswith("TensorFlow answers, with a slower start and more memory.")


# --- what the start leaves alone

WATCH = """
import json, sys
seen = []
WRITING = set("wax+")
def watch(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.fork", "os.posix_spawn", "os.mkdir"):
        seen.append([event, str(args)])
    if event == "open" and isinstance(args[1], str) and WRITING & set(args[1]):
        seen.append([event, str(args)])
sys.addaudithook(watch)
"""
REPORT = """
print(json.dumps({"seen": seen, "modules": [name for name, module in sys.modules.items() if module]}))
"""


def test_start_imports_no_tensorflow_writes_nothing_and_calls_nobody(tmp_path):
    """TensorFlow is installed here, and OpenVINO's usage statistics too."""
    environment = {"HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1", "CI": "", "EARLYMED_ENGINE": "auto"}
    answer, report = python(WATCH + ANSWER + REPORT, **environment).stdout.splitlines()
    assert answer == "ok glioma"
    told = json.loads(report)
    by_openvino = computes_int8() or computes_intels_avx512()  # which of the two answers; the other is left alone
    assert ("openvino" in told["modules"], "ncnn" in told["modules"]) == (by_openvino, not by_openvino)
    heavy = ("tensorflow", "keras", "openvino_telemetry", "sklearn", "matplotlib", "model.training")
    assert [name for name in told["modules"] if name.startswith(heavy)] == []
    assert [call for call in told["seen"] if "['uname', '-p']" not in call[1]] == []  # SciPy asks for the machine's name
    assert list(tmp_path.iterdir()) == []


def test_home_that_is_missing_or_read_only_is_no_hindrance(tmp_path):
    (tmp_path / "file").write_text("where no folder can be made")
    home = {"HOME": str(tmp_path / "file" / "home"), "XDG_CACHE_HOME": "", "EARLYMED_CACHE": "auto"}
    assert python(ANSWER, **home, PYTHONDONTWRITEBYTECODE="1").stdout == "ok glioma\n"


def test_numpy_that_does_not_tell_of_the_processor_is_no_hindrance(monkeypatch):
    monkeypatch.setattr("numpy._core._multiarray_umath.__cpu_features__", {"AVX512F": True})
    monkeypatch.setattr(processor, "_made_by_amd", lambda: False)
    assert computes_intels_avx512()
    monkeypatch.delattr("numpy._core._multiarray_umath.__cpu_features__")
    assert not computes_intels_avx512()
