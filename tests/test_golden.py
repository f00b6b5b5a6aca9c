"""Known slices get the answers that were recorded with the model in the repository.

After a new model: `python scripts/predict.py tests/samples --format csv`, and renew the table below.
"""

from pathlib import Path

import pytest

from model.reading import read

SAMPLES = Path(__file__).parent / "samples"
GOLDEN = {}


@pytest.fixture(scope="module")
def answers(classifier):
    return {path.name: classifier.predict([read(path.read_bytes())[0]])[0] for path in sorted(SAMPLES.glob("*.jpg"))}
