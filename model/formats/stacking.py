"""DICOM slices in any order to series in order: what lies in one volume, from which position to which."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np

from model.formats.common import Series
from model.formats.dicom import DicomOrigin, DicomPlace, DicomSlice

Place = TypeVar("Place", bound=DicomPlace)
UNEVEN = 0.05  # of the median distance between slices; positions are rounded when they are written
UNEVEN_NOTE = "The distances between the slices of a series differ (one may be missing): no volume in ml can be given."


def stack(slices: list[DicomSlice]) -> tuple[list[DicomSlice], tuple[Series, ...], tuple[str, ...]]:
    """Order the slices of each series, and leave out what came twice; see `volumes`.

    Returns:
        The slices, the series that they form (one after the other; a single slice forms one too), and notes.
    """
    ordered, found, notes = [], [], []
    for volume in volumes(slices):
        start = len(ordered)
        ordered += volume
        spacing, affine, even = geometry(volume)
        if spacing and spacing[0] and not even:
            notes.append(UNEVEN_NOTE)
        origin = DicomOrigin(tuple(s.dataset for s in volume), tuple(s.frame for s in volume))
        found.append(Series(start, len(ordered), spacing, affine, origin, even))
    return ordered, tuple(found), tuple(dict.fromkeys(notes))


def volumes(places: Sequence[Place]) -> Iterator[list[Place]]:
    """Those of each series in order, without what came twice.

    A series of several orientations (a localizer), or with several images at one position (echoes, repetitions), becomes
    several. Where positions are known they give the order, along the normal of the slices; else instance numbers do.
    """
    once = {}
    for one in places:  # also asked where it lies: some programs that take names out give all files one identifier
        once.setdefault((one.instance, one.frame, one.number, one.position), one)
    groups = defaultdict(list)
    for one in sorted(once.values(), key=lambda s: s.number):  # those of one number stay as they came
        turn = tuple(np.round(one.orientation, 2) + 0.0) if one.orientation else None
        groups[one.series, turn, one.shape].append(one)
    for group in groups.values():
        yield from _by_position(group)


def _by_position(group: list[Place]) -> list[list[Place]]:
    """One list when every slice lies elsewhere; else the first, second, ... at each position."""
    if not _are_placed(group):
        return [group]
    places = defaultdict(list)
    for one in group:
        places[round(_height(one), 2)].append(one)
    volumes = [[] for _ in range(max(len(there) for there in places.values()))]
    for place in sorted(places):
        for volume, one in zip(volumes, places[place], strict=False):
            volume.append(one)
    return volumes


def _are_placed(slices: Sequence[DicomPlace]) -> bool:
    return all(s.position is not None and s.orientation is not None for s in slices)


def _height(one: DicomPlace) -> float:
    """The position along the normal of the slice, in mm."""
    return float(np.dot(np.cross(one.orientation[:3], one.orientation[3:]), one.position))


def geometry(volume: Sequence[DicomPlace]) -> tuple[tuple[float, float, float] | None, np.ndarray | None, bool]:
    """Spacing, affine and evenness of slices in order, see Series. PS3.3, C.7.6.2.1.1, turned from LPS to RAS."""
    first, last = volume[0], volume[-1]
    if first.pixel_spacing is None or any(s.pixel_spacing != first.pixel_spacing for s in volume):
        return None, None, True
    if not _are_placed(volume):
        steps = {s.step for s in volume}
        step = (steps.pop() if len(steps) == 1 else None) or 0.0
        return (step, *first.pixel_spacing), None, step > 0.0
    row, column = np.array(first.orientation[:3]), np.array(first.orientation[3:])
    normal = np.cross(row, column)
    length = np.linalg.norm(normal)
    if not 0.9 < length < 1.1:
        return (0.0, *first.pixel_spacing), None, False
    step = first.step or 0.0
    even, across = step > 0.0, normal / length * step
    if len(volume) > 1:
        gaps = np.diff([_height(s) for s in volume])
        step = float(np.median(gaps))
        even, across = bool(abs(gaps - step).max() <= UNEVEN * step), normal / length * step
        if even:
            step, across = float(gaps.mean()), (np.array(last.position) - first.position) / len(gaps)
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1], affine[:3, 2] = across, column * first.pixel_spacing[0], row * first.pixel_spacing[1]
    affine[:3, 3] = first.position
    affine[:2] *= -1
    return (step, *first.pixel_spacing), affine + 0.0, even  # -0.0 becomes 0.0
