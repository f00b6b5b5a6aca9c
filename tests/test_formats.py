"""docs/formats.md says what the readers do, and the fuzzer finds nothing in a short while."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import format_table
from format_table import DOCUMENT, END, START, document, outcome, shipped_files
from model.reading import FORMATS

ROOT = Path(__file__).parents[1]
FUZZ = ROOT / "tests" / "fuzz"
SECONDS = int(os.environ.get("EARLYMED_FUZZ_SECONDS", "6"))


def test_the_document_is_what_the_readers_answer_now():
    text = DOCUMENT.read_text(encoding="utf-8")
    assert text == document(text), "stale: run python tests/format_table.py --write"


def test_a_change_of_the_readers_would_be_noticed(monkeypatch):
    text = DOCUMENT.read_text(encoding="utf-8")
    monkeypatch.setitem(format_table.PICTURES, "PNG, gray", lambda: b"")
    assert text != document(text)
    assert text.count(START) == text.count(END) == 1


def test_every_format_is_in_the_tables():
    tables = DOCUMENT.read_text(encoding="utf-8").split(START)[1].lower()
    assert [name for name in FORMATS if name.lower() not in tables] == []


@pytest.mark.parametrize("name", sorted(shipped_files()))
def test_every_file_that_pydicom_ships_is_read_or_refused(name):
    said = outcome(shipped_files()[name])
    assert said.startswith(("read (", "refused: *Expected ", "refused: *The DICOM file is damaged"))


def test_enough_of_pydicoms_files_are_read():
    said = [outcome(data) for data in shipped_files().values()]
    assert len(said) > 150
    assert sum(text.startswith("read (") for text in said) >= 58


def test_the_corpus_is_small_and_of_every_kind():
    files = list((FUZZ / "corpus").iterdir())
    assert sum(file.stat().st_size for file in files) < 300_000
    for kind in ("pictures", "dicom", "nifti", "zip", "pydicom"):
        assert sum(file.name.startswith(kind) for file in files) >= 8


needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="the fuzzer needs fork and /proc")


def run(*command: str, seconds: int = 0) -> subprocess.CompletedProcess:
    """Run Python in tests/fuzz."""
    command = [sys.executable, *command]
    return subprocess.run(command, cwd=FUZZ, capture_output=True, text=True, errors="replace", timeout=seconds + 400)


@needs_linux
@pytest.mark.parametrize("driver", ["random", "atheris"])
def test_fuzzing_finds_nothing(driver, tmp_path):
    """EARLYMED_FUZZ_SECONDS for both drivers together."""
    if driver == "atheris":
        pytest.importorskip("atheris", reason="atheris is not installed; the random driver ran")
    seconds = max(2, SECONDS // 2)
    done = run("readers.py", "--driver", driver, "--seconds", str(seconds), "--out", str(tmp_path), seconds=seconds)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == []
    inputs = re.search(r"^([\d,]+) inputs|number_of_executed_units: (\d+)", done.stdout + done.stderr, re.MULTILINE)
    assert int((inputs[1] or inputs[2]).replace(",", "")) > 50


FAULTS = {
    "error": "1 / 0",
    "crash": "os.abort()",
    "memory": "bytearray(b'x') * 400 * 2**20",
    "memory that is not there": "bytearray(2**40)",
}


@needs_linux
@pytest.mark.parametrize(
    ("driver", "fault"), [*(("random", fault) for fault in FAULTS), ("atheris", "error"), ("atheris", "memory")]
)
def test_the_fuzzer_notices(driver, fault, tmp_path):
    """A reader that fails, but not on the corpus nor on no bytes, is found, and the input written."""
    if driver == "atheris":
        pytest.importorskip("atheris")
    code = (
        "import os, sys, readers, model.reading as reading\n"
        "read, seeds = reading.read, {b'', *(path.read_bytes() for path in readers.CORPUS.iterdir())}\n"
        f"reading.read = lambda data, limits: data in seeds and read(data, limits) or {FAULTS[fault]}\n"
        "sys.exit(readers.main(sys.argv[1:]))"
    )
    seconds = "30" if driver == "atheris" else "1"  # atheris ends with what it finds, and reads the corpus first
    done = run("-c", code, "--driver", driver, "--seconds", seconds, "--out", str(tmp_path))
    assert done.returncode == 1, done.stdout + done.stderr
    assert len(list(tmp_path.glob("crash-*"))) >= 1
    assert f"Found by {driver}" in done.stdout


@needs_linux
def test_the_memory_of_the_process_that_starts_the_fuzzer_is_not_counted():
    """ru_maxrss is handed down through exec; under a large pytest that was once taken for a finding."""
    child = (
        "import readers, sys; print(readers.in_a_child(lambda: readers.peak() > 200 * 2**20), readers.peak() > 400 * 2**20)"
    )
    code = f"import subprocess, sys; large = b'x' * (500 * 2**20); subprocess.run([sys.executable, '-c', {child!r}])"
    assert run("-c", code).stdout.split() == ["0", "True"]
