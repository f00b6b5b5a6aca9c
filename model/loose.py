"""Series whose slices came as files of their own, as on a clinic's CD: which files belong together, and their studies.

    for order, series in join([("IM2", scan2.places[0]), ("IM1", scan1.places[0])]):
        print(order, series.spacing)  # [1, 0], ...

The rules are those of a ZIP, with one more: a file must name its series, for nothing else says that these are of one person.
"""

import zlib
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from model.batch import Answer
from model.formats.archive import natural
from model.formats.common import ReadError, Series
from model.formats.sniffing import sniff
from model.study import Study, summarize

if TYPE_CHECKING:  # it needs pydicom, which is imported when there is DICOM
    from model.formats.dicom import DicomPlace

HEAD = 4096  # bytes that tell what kind of file it is


def join(files: Sequence[tuple[str, "DicomPlace"]]) -> Iterator[tuple[list[int], Series]]:
    """The series of two slices or more.

    Args:
        files: (name, place) of DICOM files with one slice; where neither position nor number give an order, names do.

    Yields:
        Which of the files it is made of, in its order, and the Series from 0 to their number, without an origin.
    """
    named = {place: i for i, (_, place) in enumerate(files) if place.uid}
    if len(named) < 2:
        return
    from model.formats.stacking import geometry, volumes

    for volume in volumes(sorted(named, key=lambda place: natural(files[named[place]][0]))):
        if len(volume) > 1:
            spacing, affine, _ = geometry(volume)
            yield [named[place] for place in volume], Series(0, len(volume), spacing, affine)


class Folders:
    """The studies of each folder's loose slices, once its last file is answered. Neither pixels nor masks are kept."""

    def __init__(self, folders: Iterable[Hashable]):
        """`folders`: of every file that will be answered; None for a file that came in no folder."""
        self._left = Counter(folders)
        self._slices = defaultdict(list)

    def studies(self, folder: Hashable, answer: Answer) -> list[Study]:
        """To be asked with every answer, in order; those of the folder when this was its last."""
        if folder is None:
            return []
        if answer.place:
            self._slices[folder].append((answer.source.name, answer.place, answer.prediction.brief()))
        self._left[folder] -= answer.last
        if self._left[folder]:
            return []
        slices = self._slices.pop(folder, [])
        return [
            summarize([slices[i][2] for i in order], series, files=[slices[i][0] for i in order])
            for order, series in join([(name, place) for name, place, _ in slices])
        ]


def may_be_dicom(path: Path) -> bool:
    """Does the file begin like DICOM, or like a gzip of it?"""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
        if head.startswith(b"\x1f\x8b"):
            head = zlib.decompressobj(31).decompress(head, HEAD)
        return sniff(head) == "DICOM"
    except (OSError, ReadError, zlib.error):
        return False
