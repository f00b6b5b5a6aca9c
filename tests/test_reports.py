"""A test that fails over a name which is not Unicode fails alone."""

import subprocess
import sys
from pathlib import Path

TESTS = r"""
def test_of_such_a_name():
    print("a\udcff")
    raise OSError("b\udcff")

def test_after_it():
    pass
"""


def test_names_that_are_not_unicode_end_no_run(tmp_path):
    (tmp_path / "test_names.py").write_text(TESTS)
    (tmp_path / "conftest.py").write_text(
        f"import sys, pytest\nsys.path.insert(0, {str(Path(__file__).parent)!r})\nfrom reports import sendable\n"
        "@pytest.hookimpl(wrapper=True)\ndef pytest_runtest_makereport(item, call):\n    return sendable((yield))\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-n", "1", "-p", "no:cacheprovider", "--rootdir", tmp_path, tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1
    assert "INTERNALERROR" not in done.stdout
    assert r"OSError: b\udcff" in done.stdout
    assert "1 failed, 1 passed" in done.stdout
