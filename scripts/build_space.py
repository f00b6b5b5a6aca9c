"""Assemble the folder that is pushed to Hugging Face Spaces: spaces/, model/ without its training, slices to try."""

import argparse
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from model.delivery import WrongFileError, check, read_saved_model_txt, write_saved_model_txt

ROOT = Path(__file__).resolve().parent.parent
LEFT_OUT = ("training", "original.py", "__pycache__", "*.part")
FRESH = {".git", ".gitattributes", "README.md"}  # what Hugging Face lays into a Space that it has just created
LARGE_FILES = "*.h5 filter=lfs diff=lfs merge=lfs -text\n"  # Spaces take files of more than 10 MB through git LFS only


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the folder to write; it must be new, empty or an older Space")
    args = parser.parse_args(arguments)
    try:
        build(args.out)
    except (FileExistsError, WrongFileError) as error:
        print(f"build_space.py: {error}", file=sys.stderr)
        return 1
    files = [path for path in args.out.rglob("*") if path.is_file() and ".git" not in path.relative_to(args.out).parts]
    print(f"{args.out}: {len(files)} files, {sum(path.stat().st_size for path in files) / 1e6:.1f} MB")
    return 0


def build(out: Path) -> None:
    """Write the folder; of an older Space everything but its `.git` is replaced.

    Raises:
        FileExistsError: the folder holds something that is not a Space of EarlyMed.
        WrongFileError: model.h5 is not the file that the project's Saved Model.txt describes.
    """
    check(ROOT / "model" / "model.h5", read_saved_model_txt(ROOT / "Saved Model.txt")["model.h5"])
    empty(out)
    shutil.copytree(ROOT / "spaces", out, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    shutil.copytree(ROOT / "model", out / "model", ignore=shutil.ignore_patterns(*LEFT_OUT))
    shutil.copytree(ROOT / "tests" / "samples", out / "examples")
    shutil.copy(ROOT / "static" / "logo.svg", out)
    shutil.copy(ROOT / "LICENSE", out)
    (out / ".gitattributes").write_text(LARGE_FILES)
    write_saved_model_txt(out / "model" / "model.h5", out / "Saved Model.txt")


def empty(out: Path) -> None:
    inside = list(out.iterdir()) if out.is_dir() else []
    if {path.name for path in inside} - FRESH and not is_space(out):
        raise FileExistsError(f"Expected a new or empty folder, or a Space. Received: {out} with {inside[0].name} in it")
    for path in inside:
        if path.is_dir() and path.name != ".git":
            shutil.rmtree(path)
        elif path.is_file():
            path.unlink()


def is_space(folder: Path) -> bool:
    """Whether `build` wrote it: other folders have an app.py, too, this project's not least."""
    return all((folder / name).is_file() for name in ("app.py", "style.css", "words.py", "Saved Model.txt"))


if __name__ == "__main__":
    sys.exit(main())
