"""What the app says to people, as HTML; the classes' meanings and the measured figures come from model/."""

from collections.abc import Iterable, Mapping
from html import escape

from model.labels import DISPLAY, MEANING
from model.measured import rows
from model.reading import FORMATS

INTRODUCTION = """
<h1>EarlyMed</h1>
<p>How a neural network reads a brain MRI slice: it compares the slice with those of three kinds of brain tumor and with
slices without one, and says which it resembles most, how sure it is, and when it cannot tell.</p>
<p class="notice"><strong>A research and teaching aid, not a medical device.</strong> It describes a picture, not a person,
and can be wrong in both directions.</p>
"""
DISCLAIMER = """
<p class="notice"><strong>Not a medical device.</strong> EarlyMed is not approved for diagnosis. Do not use it to diagnose,
or to choose, change or put off any treatment. Questions about a scan belong to the physician who treats you.</p>
"""
NEXT = (
    "<p>This is a comparison with pictures, not a diagnosis. Only a physician who sees the whole examination can say what it "
    "means. If you feel unwell, seek medical help, whatever this page says.</p>"
)


def describe(record: Mapping, notes: Iterable[str] = ()) -> str:
    """A record as an answer in words: what it is, what it means, what to do next.

    Args:
        record: what `Prediction.record` or `unread_record` made.
        notes: what is to be said of the whole file.
    """
    told = "".join(f"<p>{escape(note)}</p>" for note in notes)
    if record["status"] == "error":
        return f'<h2>This file cannot be read</h2><p class="notice">{escape(record["reason"])}</p>'
    if record["status"] == "refused":
        return (
            f'<h2>This image was not analyzed</h2><p class="notice">{escape(record["reason"])}</p>{told}'
            "<p>There is no class and no probability: for anything but a brain MRI slice they would mean nothing. If this "
            "is one, try it without annotations, frames or other views beside it.</p>"
        )
    label, name = record["label"], DISPLAY[record["label"]]
    uncertain = '<span class="tag">uncertain</span>' if record["uncertain"] else ""
    if "reason" in record:
        warning = f"<strong>Do not rely on this answer.</strong> {escape(record['reason'])}"
    else:
        warning = "<strong>The model is uncertain about this slice.</strong> "
        warning += f"{name} is only the closest of its four classes. Do not rely on this answer."
    warning = f'<p class="notice">{warning}</p>' if record["uncertain"] else ""
    chances = sorted(record["probabilities"].items(), key=lambda pair: -pair[1])
    figures = " · ".join(f"{DISPLAY[key]} {percent(chance)}" for key, chance in chances)
    return (
        f"<h2>{name} {uncertain}</h2>{warning}<p>{MEANING[label]}</p>"
        f'<p class="figures">{figures}</p>{outlined(record)}{told}{NEXT}'
    )


def outlined(record: Mapping) -> str:
    tumor = record["tumor"]
    if not tumor:
        return ""
    doubt = " “No tumor” is the likeliest answer all the same, but an uncertain one." if record["label"] == "notumor" else ""
    return (
        f"<p>The amber outline marks the region that the model takes for a tumor: {tumor['area_px']:,} pixels, "
        f"{percent(tumor['area_fraction'])} of the image. It is a rough sketch, not a measurement.{doubt}</p>"
    )


def privacy(max_bytes: int, seconds: int) -> str:
    formats = ", ".join(FORMATS).replace("WEBP", "WebP")
    return (
        f"<p class='small'>{formats}, at most {max_bytes / 2**20:.3g} MB. Unlike EarlyMed's own page, this one keeps what "
        "you upload and the picture of the answer in a temporary folder of the server, and deletes them within "
        f"{seconds / 60:.0f} minutes. Do not upload a scan whose owner has not agreed to that.</p>"
    )


def guide(info: Mapping) -> str:
    """What the words and colors mean, and how good the model is, from model.json's content."""
    table = "".join(f"<tr><th>{r.name}</th><td>{r.value}</td><td>{r.interval}</td><td>{r.count}</td></tr>" for r in rows(info))
    return f"""
<details><summary>What the answer means</summary>
<ul>
<li><strong>The class</strong> is the group of known slices that this one resembles most; <strong>the probabilities</strong>
share the model's belief among the four groups and say nothing about any other finding: no stroke, no bleeding, no
metastasis.</li>
<li><strong>Uncertain</strong>: the belief is spread too widely, or the slice looks like CT, which the model has not learned:
head CT is answered so, whatever the probabilities are, and not refused; or it is unlike nearly all slices that the model
knows. Treat it as no answer.</li>
<li><strong>Not analyzed</strong>: the image does not look like a brain MRI slice to the model.</li>
<li><strong>The outline</strong>, in amber, is a sketch of what is taken for a tumor. Where there is none there may still
be one.</li>
<li><strong>The evidence</strong>, from dark blue to pale cyan, is what speaks for the chosen class at each place. The maps
of one slice's classes can be compared, those of two slices cannot.</li>
</ul></details>
<details><summary>How good is it?</summary>
<p>Measured on slices whose answer is known; a refused slice counts as wrong. Model version {escape(info["version"])}.</p>
<table><thead><tr><th>Measured</th><th>Value</th><th>95 % interval</th><th>Of</th></tr></thead><tbody>{table}</tbody></table>
</details>"""


def percent(fraction: float) -> str:
    """0.913 as "91.3 %". Never 0 % or 100 %, which no network can promise."""
    if fraction < 0.001:
        return "&lt; 0.1 %"
    return "&gt; 99.9 %" if fraction > 0.999 else f"{100 * fraction:.1f} %"
