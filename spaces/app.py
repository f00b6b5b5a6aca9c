"""EarlyMed on Gradio, for Hugging Face Spaces: an upload in, the answer of model/ out. `python app.py` starts it.

`scripts/build_space.py` puts this file beside model/ in the folder that is pushed; in the project it runs as it lies.
Gradio keeps uploads in files; it is told to delete them soon, and the page says so.
"""

import os
import signal
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent))  # in the project model/ lies there, in a Space beside this file
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # before Gradio is imported
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

import gradio as gr
from starlette.middleware import Middleware
from words import DISCLAIMER, INTRODUCTION, describe, guide, privacy

from model.classifier import Classifier
from model.explanation import proportioned
from model.labels import CLASSES, DISPLAY
from model.overlay import overlaid
from model.prediction import unread_record
from model.reading import LIMITS, ReadError, read

SAMPLES = next(path for path in (HERE / "examples", HERE.parent / "tests" / "samples") if path.is_dir())
LOGO = next(path for path in (HERE / "logo.svg", HERE.parent / "static" / "logo.svg") if path.is_file())
MAX_FILE_SIZE = 32 * 2**20  # bytes; a slice or a small volume, on a computer that many share
MAX_WAITING = 16
SWEEP, KEEP = 60, 600  # seconds: how often temporary files are looked through, and how old they may become
ANSWERS_OWN = "The answer's own class"
SHOWN = ("Outline", "Evidence")
BUTTONS = ["fullscreen", "download"]  # without "share", which sends the picture to Hugging Face
SHOW_ANSWER = """() => {
    const answer = document.getElementById("answer");
    if (answer.textContent.trim() && answer.getBoundingClientRect().top > window.innerHeight) answer.scrollIntoView();
}"""  # on a phone it lies below what was pressed
SYSTEM_FONTS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "Liberation Sans", "sans-serif")
SAME_ORIGIN = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' blob: data:; object-src 'none'; base-uri 'self'"
)


class SameOriginOnly:
    """Forbid browsers to fetch anything from elsewhere; Gradio's pages name addresses that a hospital's network has not."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        async def with_policy(message):
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"content-security-policy", SAME_ORIGIN.encode())]
            await send(message)

        await self.app(scope, receive, with_policy if scope["type"] == "http" else send)


class Desk:
    """What the page's events do, around one classifier."""

    def __init__(self, classifier: Classifier):
        self.classifier = classifier

    def choose_slice(self, data: bytes | None):
        """Offer the file's slices when there are several, the middle one first; one that cannot be read has none to offer."""
        try:
            count = len(read(data)) if data else 1
        except ReadError:
            count = 1
        several = count > 1
        return gr.Slider(maximum=max(2, count), value=(count + 1) // 2, visible=several, label=f"Slice, 1 to {count}")

    def analyze(self, data: bytes | None, slice_number: float = 1, evidence_for: str = ANSWERS_OWN, shown=SHOWN):
        """Answer for one slice of a file.

        Args:
            data: the file's bytes, of any format that model.reading reads.
            slice_number: of the file's slices, counted from 1.
            evidence_for: the class whose evidence is shown, a display name, or the answer's own.
            shown: what is drawn over the slice: "Outline", "Evidence".

        Returns:
            The probability of each class by its display name (None when there is no answer), the picture, the answer in
            words (HTML), and the record as scripts/predict.py prints it, without the file's name.
        """
        if not data:
            return None, None, "", None
        try:
            slices = read(data)
            index = int(slice_number) - 1
            if not 0 <= index < len(slices):
                raise ReadError(f"Expected a slice from 1 to {len(slices)}. Received: {slice_number:g}.")
        except ReadError as error:
            record = unread_record("", error, self.classifier.version)
            return None, None, describe(record), without_name(record)
        aspect = slices.pixel_aspects[index]
        prediction = self.classifier.predict([slices[index]], [aspect])[0]
        record = prediction.record("", index, self.classifier.version)
        if index == 0 and slices.notes:
            record["notes"] = list(slices.notes)
        label = next((c.key for c in CLASSES if c.display == evidence_for), None)
        picture = draw(slices[index], aspect, prediction, label, shown)
        chances = record.get("probabilities")
        named = chances and {DISPLAY[key]: chance for key, chance in chances.items()}
        return named, picture, describe(record, slices.notes), without_name(record)


def draw(pixels, aspect: float, prediction, label: str | None, shown):
    """The slice for viewing, in its true proportions; the outline and the evidence only where there is an answer."""
    answered = prediction.status == "ok"
    image = overlaid(pixels, prediction, label, answered and "Outline" in shown, answered and "Evidence" in shown)
    return proportioned(image, aspect)


def without_name(record: dict) -> dict:
    """Gradio hands over a file's bytes, and its name is nobody's business."""
    return {key: value for key, value in record.items() if key != "file"}


def build(classifier: Classifier) -> gr.Blocks:
    """The page. Its two events have API names, `slices` and `analyze`."""
    desk = Desk(classifier)
    samples = sorted(SAMPLES.glob("*.jpg"))
    with gr.Blocks(title="EarlyMed", analytics_enabled=False, delete_cache=(SWEEP, KEEP)) as page:
        gr.HTML(INTRODUCTION)
        with gr.Row():
            with gr.Column(scale=2):
                file = gr.File(label="A brain MRI slice", type="binary", elem_id="file", height=150)
                slice_number = gr.Slider(1, LIMITS.max_slices, value=1, step=1, label="Slice", visible=False)
                examples = gr.Dataset(
                    components=[gr.Image(visible=False)],
                    samples=[[str(path)] for path in samples],
                    samples_per_page=len(samples),
                    type="index",
                    label="Slices to try",
                    elem_id="examples",
                )
                gr.HTML(privacy(MAX_FILE_SIZE, SWEEP + KEEP))
            with gr.Column(scale=3):
                words = gr.HTML(elem_id="answer", label="Answer")
                probabilities = gr.Label(label="How likely each class is to the model", show_heading=False, elem_id="chances")
                picture = gr.Image(label="The slice", format="png", interactive=False, elem_id="picture", buttons=BUTTONS)
                evidence_for = gr.Radio([ANSWERS_OWN, *DISPLAY.values()], value=ANSWERS_OWN, label="Evidence for")
                shown = gr.CheckboxGroup(list(SHOWN), value=list(SHOWN), label="Shown over the slice")
                with gr.Accordion("Technical details", open=False):
                    record = gr.JSON(label="Record")
        gr.HTML(guide(classifier.info))
        gr.HTML(DISCLAIMER)

        asked = {
            "fn": desk.analyze,
            "inputs": [file, slice_number, evidence_for, shown],
            "outputs": [probabilities, picture, words, record],
            "concurrency_id": "model",
            "show_progress": "minimal",
        }
        chosen = file.change(
            desk.choose_slice, file, slice_number, api_name="slices", concurrency_id="model", show_progress="hidden"
        )
        answered = chosen.then(**asked, api_name="analyze")
        answered.then(None, js=SHOW_ANSWER, api_visibility="private")
        gr.on([slice_number.release, evidence_for.input, shown.input], **asked, api_visibility="private")
        examples.click(lambda index: str(samples[index]), examples, file, api_visibility="private")
    return page.queue(max_size=MAX_WAITING, default_concurrency_limit=1)


def launch(page: gr.Blocks) -> str:
    """Start to serve; returns the address. GRADIO_SERVER_NAME and GRADIO_SERVER_PORT change it."""
    policy = [] if os.environ.get("SPACE_ID") else [Middleware(SameOriginOnly)]  # a Space lies in a frame of its host
    _, address, _ = page.launch(
        prevent_thread_lock=True,
        quiet=True,
        share=False,
        footer_links=["api"],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        max_file_size=MAX_FILE_SIZE,
        app_kwargs={"middleware": policy},
        theme=gr.themes.Default(primary_hue="teal", neutral_hue="slate", font=SYSTEM_FONTS, font_mono=("monospace",)),
        css_paths=HERE / "style.css",
        favicon_path=LOGO,
    )
    return address


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    page = build(Classifier.load())
    print(f"EarlyMed is ready on {launch(page)} (Ctrl-C ends it)", flush=True)
    try:
        page.block_thread()
    finally:
        page.close()  # deletes the temporary files


if __name__ == "__main__":
    main()
