"""What `Saved Model.txt` says of the weights, and whether a file is the one it speaks of."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path


class WrongFileError(ValueError):
    """Not the file that was expected; the message is one line for the person who waits for it."""


@dataclass(frozen=True)
class SavedModel:
    """One block of `Saved Model.txt`. What is not known there is None here.

    Attributes:
        name: the file's name.
        path: where it belongs, from the top of the repository.
        size: in bytes.
        sha256: 64 lower-case hexadecimal digits.
        link: where it can be fetched.
    """

    name: str
    path: str
    size: int | None
    sha256: str | None
    link: str | None


def read_saved_model_txt(text_path: Path) -> dict[str, SavedModel]:
    """Read the blocks of `key: value` lines, by the name that opens each; other lines are prose.

    Raises:
        OSError: the file cannot be read.
        ValueError: a block lacks a key, has it twice, or a size or SHA-256 is not one.
    """
    blocks: list[dict[str, str]] = []
    for key, value in re.findall(r"^(name|path|size|sha256|link): +(.*?) *$", Path(text_path).read_text("utf-8"), re.M):
        if key == "name":
            blocks.append({})
        if not blocks or key in blocks[-1]:
            raise ValueError(f"{text_path}: expected each key once, after a name. Received: a stray '{key}: {value}'")
        blocks[-1][key] = value
    for block in blocks:
        for key, form in (
            ("path", r".+"),
            ("size", r"unknown.*|[1-9]\d*"),
            ("sha256", r"unknown|[0-9a-f]{64}"),
            ("link", r"none.*|https?://\S+"),
        ):
            if not re.fullmatch(form, block.get(key, "")):
                raise ValueError(f"{text_path}: {block['name']} has no valid {key}. Received: {block.get(key)!r}")
    return {
        block["name"]: SavedModel(
            name=block["name"],
            path=block["path"],
            size=None if block["size"].startswith("unknown") else int(block["size"]),
            sha256=None if block["sha256"] == "unknown" else block["sha256"],
            link=None if block["link"].startswith("none") else block["link"],
        )
        for block in blocks
    }


def write_saved_model_txt(model_path: Path, text_path: Path) -> None:
    """Rewrite size and SHA-256 of the first block, the trained model's, from the file itself; the rest stays.

    Raises:
        OSError: a file cannot be read or written.
        ValueError: the text is not what `read_saved_model_txt` reads; it is left as it was.
    """
    read_saved_model_txt(text_path)  # so the first such line is the first block's
    text = Path(text_path).read_text("utf-8")
    for key, value in (("size", Path(model_path).stat().st_size), ("sha256", sha256_of(model_path))):
        text = re.sub(rf"^{key}: .*$", f"{key}: {value}", text, count=1, flags=re.M)
    staging = Path(f"{text_path}.part")
    staging.write_text(text, "utf-8")
    staging.replace(text_path)


def sha256_of(path: Path) -> str:
    """The file's SHA-256 in hexadecimal digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check(path: Path, expected: SavedModel) -> None:
    """Hold a file against what `Saved Model.txt` says of it.

    Raises:
        WrongFileError: a web page, another size, another SHA-256; or, where no SHA-256 is known, not a whole HDF5 file.
        OSError: the file cannot be read.
    """
    path = Path(path)
    with path.open("rb") as file:
        start = file.read(512).removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")):
        raise WrongFileError(
            "No permission: a web page came instead of the file. On Google Drive that means that the file is not "
            "shared with anyone who has the link, or that its download quota is used up: try again tomorrow."
        )
    size = path.stat().st_size
    if expected.size is not None and size != expected.size:
        raise WrongFileError(f"Wrong size: expected {expected.size} bytes. Received: {size}.")
    if expected.sha256 is None:
        import h5py

        try:
            h5py.File(path).close()
        except OSError as error:
            raise WrongFileError(f"Not a model: expected a whole HDF5 file. Received: {error}.") from None
    elif (sha256 := sha256_of(path)) != expected.sha256:
        raise WrongFileError(f"Wrong SHA-256: expected {expected.sha256}. Received: {sha256}.")
