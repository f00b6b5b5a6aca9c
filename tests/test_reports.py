"""A test that fails over a name which is not Unicode fails alone."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
TESTS = r"""
def test_of_such_a_name():
    print("a\udcff")
    raise OSError("b\udcff")

def test_after_it():
    pass
"""


def test_names_that_are_not_unicode_end_no_run(tmp_path):
    (tmp_path / "test_names.py").write_text(TESTS)
    (tmp_path / "conftest.py").write_text(  # with what the conftest.py beside this file does
        f"import sys\nsys.path[:0] = {[str(HERE), str(HERE.parent)]!r}\n"
        "from importlib.util import module_from_spec, spec_from_file_location\n"
        f"spec = spec_from_file_location('ours', {str(HERE / 'conftest.py')!r})\n"
        "ours = module_from_spec(spec)\nspec.loader.exec_module(ours)\n"
        "pytest_runtest_makereport = ours.pytest_runtest_makereport\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-n", "1", "-p", "no:cacheprovider", "--rootdir", tmp_path, tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1
    assert "INTERNALERROR" not in done.stdout
    assert r"OSError: b\udcff" in done.stdout
    assert "1 failed, 1 passed" in done.stdout
