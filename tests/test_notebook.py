"""EarlyMed.ipynb as it is committed: run from top to bottom, with the model that is served.

`.ci/run` runs it anew with nbmake.

After a new model, or a change of a cell: `python scripts/execute_notebook.py`.
"""

import ast
import json
import re
from pathlib import Path

import pytest

from model.reading import read

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "EarlyMed.ipynb"
INFO = json.loads((ROOT / "model" / "model.json").read_text())
CELLS = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
CODE = [cell for cell in CELLS if cell["cell_type"] == "code"]
TEXT = ["".join(cell["source"]) for cell in CELLS if cell["cell_type"] == "markdown"]


def printed(cell: dict) -> str:
    return "".join("".join(output.get("text", "")) for output in cell["outputs"])


def test_it_was_run_from_top_to_bottom_without_an_error():
    assert [cell["execution_count"] for cell in CODE] == list(range(1, len(CODE) + 1))
    assert {output["output_type"] for cell in CODE for output in cell["outputs"]} <= {
        "stream",
        "display_data",
        "execute_result",
    }


def test_its_outputs_are_of_the_model_that_is_served():
    """Fails after a new model, until scripts/execute_notebook.py was run."""
    assert printed(CODE[0]).strip() == f"model {INFO['version']}"
    testing = INFO["figures"]["testing"]["accuracy"]
    shown = json.dumps([cell["outputs"] for cell in CODE], ensure_ascii=False)
    assert f"{testing['hits']} of {testing['of']}" in shown


def test_it_reads_well_on_the_web():
    assert NOTEBOOK.stat().st_size < 1_000_000
    shown = json.dumps([cell["outputs"] for cell in CODE])
    assert shown.count("image/jpeg") + shown.count("image/png") >= 9
    assert not re.search(r"/(work|home|root|tmp|Users)/", shown)
    assert "Traceback" not in shown and "stderr" not in shown


def test_it_goes_from_the_data_to_the_deployment():
    headings = re.findall(r"^#+ (?:\d+\. )?(.+)$", "\n".join(TEXT), re.M)[1:]
    assert headings == [
        "Data", "The leak", "Preprocessing", "Augmentation", "The network", "Training", "The report", "Confusion matrix",
        "ROC", "Calibration", "Held-out sources", "The same measurement, here", "Masks", "Reading a single slice",
        "Deployment",
    ]  # fmt: skip
    assert any("not a medical device" in text for text in TEXT)


@pytest.mark.parametrize("cell", CODE, ids=lambda cell: f"cell {cell['execution_count']}")
def test_it_holds_no_logic_of_its_own(cell):
    tree = ast.parse("".join(cell["source"]))
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.While | ast.Lambda)]


def test_the_leak_in_it_is_the_documents():
    quoted = re.findall(r"^    (\w.*: \d+ of \d+)$", "\n".join(TEXT), re.M)
    assert len(quoted) == 2
    assert [line for line in quoted if line not in (ROOT / "docs" / "training.md").read_text(encoding="utf-8")] == []
    leak = next(printed(cell) for cell in CODE if "leak_figures" in "".join(cell["source"]))
    assert re.search(r"testing_linked_to_training +4\n", leak) and re.search(r"training_purged +4\n", leak)


def test_its_answer_is_the_classifiers(classifier):
    """The cell itself holds it against the API's, to the last digit; here against this computer's, which may differ."""
    record = dict(ast.literal_eval(line) for line in printed(CODE[-2]).splitlines())
    prediction = classifier.predict([read((ROOT / record["file"]).read_bytes())[0]])[0]
    assert (record["label"], record["uncertain"]) == (prediction.label, prediction.uncertain)
    assert record["probabilities"] == pytest.approx(prediction.probabilities, abs=1e-3)
    assert record["model"] == INFO["version"]


@pytest.mark.parametrize("text", TEXT)
def test_links_lead_somewhere(text):
    links = re.findall(r"\]\(([^)#:]+)\)", text)
    assert [link for link in links if not (ROOT / link).exists()] == []
