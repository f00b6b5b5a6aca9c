"""A page of answers as its reader has it, records as lines, and a volume to ask about."""

import json
import re

import nibabel
import numpy as np


def text_of(markup: str) -> str:
    """What a reader of the page reads."""
    body = re.sub(r"<(script|svg).*?</\1>", " ", markup, flags=re.DOTALL)
    for entity, character in (("&lt;", "<"), ("&gt;", ">"), ("&#39;", "'"), ("&#34;", '"'), ("&amp;", "&")):
        body = re.sub(r"<[^>]+>", "", body) if entity == "&lt;" else body
        body = body.replace(entity, character)
    return " ".join(body.split())


def cards(response) -> list[str]:
    return re.findall(r"<article.*?</article>", response.text, flags=re.DOTALL)


def nifti(slices: int = 6) -> bytes:
    values = np.random.default_rng(0).integers(0, 400, (16, 12, slices)).astype(np.int16)
    return nibabel.Nifti1Image(values, np.diag([2.0, 2.0, 5.0, 1.0])).to_bytes()


def timeless(lines: str) -> list[dict]:
    """Records, each a line of JSON, without what took how long."""
    return [{k: v for k, v in json.loads(line).items() if k != "timings_ms"} for line in lines.splitlines()]
