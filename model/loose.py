"""Series whose slices came as files of their own, as on a clinic's CD: which files belong together, and their studies.

    for order, series in join([Loose("IM2", scan2.places[0]), Loose("IM1", scan1.places[0])]):
        print(order, series.spacing)  # [1, 0], ...

The rules are those of a ZIP, with one more: a file must name its series, for nothing else says that these are of one person.
"""

import zlib
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from model.batch import Answer
from model.formats.archive import natural
from model.formats.common import ReadError, Series
from model.formats.sniffing import sniff
from model.prediction import Brief
from model.study import Study, summarize

if TYPE_CHECKING:  # it needs pydicom, which is imported when there is DICOM
    from model.formats.dicom import DicomOrigin, DicomPlace

HEAD = 4096  # bytes that tell what kind of file it is


class Loose(NamedTuple):
    """A DICOM file with one slice.

    Attributes:
        name: of the file; where neither position nor number give an order, names do.
        place: where the slice lies.
        origin: where a mask of the series may be asked for; it identifies the patient.
    """

    name: str
    place: "DicomPlace"
    origin: "DicomOrigin | None" = None


def join(files: Sequence[Loose]) -> Iterator[tuple[list[int], Series]]:
    """The series of two slices or more.

    Yields:
        Which of the files it is made of, in its order, and the Series from 0 to their number, with an origin where its files
        have theirs.
    """
    named = {file.place: i for i, file in enumerate(files) if file.place.uid}
    if len(named) < 2:
        return
    from model.formats.dicom import DicomOrigin
    from model.formats.stacking import geometry, volumes

    for volume in volumes(sorted(named, key=lambda place: natural(files[named[place]].name))):
        if len(volume) > 1:
            spacing, affine, even = geometry(volume)
            order = [named[place] for place in volume]
            origins = [files[i].origin for i in order]
            origin = DicomOrigin.joined(origins) if all(origins) else None
            yield order, Series(0, len(volume), spacing, affine, origin, even)


@dataclass(frozen=True)
class Joined:
    """A series whose slices came as files of one folder.

    Attributes:
        start: how many slices the folder's series before it have.
        series: with an origin where masks are kept.
    """

    study: Study
    series: Series
    start: int
    packed: list[bytes] = field(repr=False)
    shape: tuple[int, int] = field(repr=False)

    def masks(self) -> list[np.ndarray]:
        """Of its slices in order, bool (H, W); none where they are not kept."""
        return [unpacked(mask, self.shape) for mask in self.packed if mask]


class Kept(NamedTuple):
    """What is kept of a slice until its folder's last file is answered: no pixels, no evidence."""

    file: Loose
    brief: Brief
    mask: bytes = b""


class Folders:
    """The series of each folder's loose slices, once its last file is answered."""

    def __init__(self, folders: Iterable[Hashable], masks: bool = False):
        """To be made before the first answer.

        Args:
            folders: of every file that will be answered; None for a file that came in no folder.
            masks: whether masks are kept, a few hundred bytes each, and what a DICOM SEG repeats of its files.
        """
        self._left = Counter(folders)
        self._masks = masks
        self._slices: dict[Hashable, list[Kept]] = defaultdict(list)

    def joined(self, folder: Hashable, answer: Answer) -> list[Joined]:
        """To be asked with every answer, in order; those of the folder when this was its last."""
        if folder is None:
            return []
        if answer.place:
            self._slices[folder].append(self._kept(answer))
        self._left[folder] -= answer.last
        return [] if self._left[folder] else list(_joined(self._slices.pop(folder, [])))

    def _kept(self, answer: Answer) -> Kept:
        file = Loose(answer.source.name, answer.place, answer.origin if self._masks else None)
        return Kept(file, answer.prediction.brief(), packed(answer.prediction.mask) if self._masks else b"")


def _joined(slices: list[Kept]) -> Iterator[Joined]:
    start = 0
    for order, series in join([kept.file for kept in slices]):
        own = [slices[i] for i in order]
        study = summarize([kept.brief for kept in own], series, files=[kept.file.name for kept in own])
        yield Joined(study, series, start, [kept.mask for kept in own], own[0].file.place.shape[:2])
        start += len(series)


def packed(mask: np.ndarray) -> bytes:
    return zlib.compress(np.packbits(mask), 1)


def unpacked(data: bytes, shape: tuple[int, int]) -> np.ndarray:
    """The bool (H, W) that was packed."""
    bits = np.frombuffer(zlib.decompress(data), np.uint8)
    return np.unpackbits(bits, count=shape[0] * shape[1]).reshape(shape).astype(bool)


def may_be_dicom(path: Path) -> bool:
    """Does the file begin like DICOM, or like a gzip of it?"""
    return kind(path) == "DICOM"


def kind(path: Path) -> str | None:
    """What a file, or what is in its gzip, begins like: see `sniff`; None where that is nothing that is read."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
        if head.startswith(b"\x1f\x8b"):
            head = zlib.decompressobj(31).decompress(head, HEAD)
        return sniff(head)
    except (OSError, ReadError, zlib.error):
        return None
