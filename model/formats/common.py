"""What every reader shares: its errors, its limits, and the Scan that comes out."""

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

EXPECTED = "Expected PNG, JPEG, WebP, BMP, TIFF, DICOM, NIfTI or ZIP."
CHUNK = 2**20  # bytes that are unpacked before the limits are asked again
WINDOW = 2**14  # packed bytes that zlib is given at once: it copies what it leaves of them
PADDING = re.compile(rb"\0*")  # may follow a member of a gzip
SQUARE, MOST_ASPECT = 1.01, 4.0  # a pixel's longer side over its shorter one
SMALL = 16 * 2**20  # bytes; what unpacks to less is no bomb, whatever its ratio: an empty slice shrinks a thousandfold


class ReadError(ValueError):
    """What came cannot become a slice; the message says what was expected and what came.

    Attributes:
        code: for programs.
        status: of the record: "error", or "refused" for what can be read and is no brain MRI slice.
    """

    code = "unreadable"
    status = "error"


class OverLimit(ReadError):
    """More bytes, pixels, slices or files than the limits allow."""


class UnsupportedFormat(ReadError):
    """The bytes are not of a format that is read."""

    code = "unsupported_format"


class NotMR(UnsupportedFormat):
    """A DICOM file of another modality: nothing is wrong with it, but it is no brain MRI slice."""

    code = "not_mr"
    status = "refused"


class EmptyFile(ReadError):
    """There are no bytes."""

    code = "empty_file"


def damaged(what: str) -> ReadError:
    """For whatever a library raised, without its words: they may quote the file, and a file may hold a patient's name."""
    return ReadError(f"Expected a whole {what}. Received: one that is damaged or cut short.")


@dataclass(frozen=True)
class Limits:
    """How much one call of `read` may take.

    Attributes:
        max_bytes: of the file, and of all that is unpacked from it.
        max_pixels: of all its slices together. What they take in memory is up to 8 bytes a pixel.
        max_slices: in all.
        max_files: in a ZIP, not counting folders and what an operating system leaves there.
        max_ratio: unpacked to packed bytes of a ZIP, gzip or deflated DICOM, once `SMALL` bytes have come out.
    """

    max_bytes: int = 512 * 2**20
    max_pixels: int = 64_000_000
    max_slices: int = 1024
    max_files: int = 1024
    max_ratio: int = 200


class Budget:
    """What is taken of the limits while one file is read. Everything is asked for before it is decoded.

    Raises:
        OverLimit: by every method, when more is asked for than there is.
    """

    def __init__(self, limits: Limits, packed: int, earlier: "Budget | None" = None):
        """
        Args:
            packed: the file's bytes.
            earlier: of the files before it, when all together have the limits of one.
        """
        self.limits, self.packed = limits, packed
        self.pixels, self.slices, self.before = (earlier.pixels, earlier.slices, earlier.unpacked) if earlier else (0, 0, 0)
        self.unpacked = self.before
        if packed + self.before > limits.max_bytes:
            raise OverLimit(f"Expected at most {limits.max_bytes:,} bytes. Received: {packed + self.before:,}.")

    def take(self, height: int, width: int, slices: int = 1) -> None:
        earlier = self.slices
        self.slices += slices
        self.pixels += height * width * slices
        if self.slices > self.limits.max_slices:
            raise OverLimit(f"Expected at most {self.limits.max_slices:,} slices. Received: {self.slices:,}.")
        if self.pixels > self.limits.max_pixels:
            size = f"{width} x {height}" if slices == 1 else f"{slices:,} slices of {width} x {height}"
            received = f"{self.pixels:,} so far" if earlier else size
            raise OverLimit(f"Expected at most {self.limits.max_pixels:,} pixels. Received: {received}.")

    def unpack(self, count: int) -> None:
        self.unpacked += count
        if self.unpacked > self.limits.max_bytes:
            raise OverLimit(f"Expected at most {self.limits.max_bytes:,} bytes when unpacked. Received: more.")
        if self.unpacked - self.before > max(SMALL, self.limits.max_ratio * self.packed):
            raise OverLimit(f"Expected a file that unpacks to at most {self.limits.max_ratio} times its size. Received: more.")


def inflate(data: bytes, wbits: int, budget: Budget) -> bytes:
    """Unpack deflate (`wbits` -15) or gzip (31, several members too), a chunk at a time, within the budget.

    Raises:
        zlib.error, EOFError: damaged or cut short.
        OverLimit: see Budget.
    """
    view, place, parts = memoryview(data), 0, []
    while place < len(view):
        stream = zlib.decompressobj(wbits)
        while not stream.eof:
            packed = view[place : place + WINDOW]
            part = stream.decompress(packed, CHUNK)
            if not part and not packed and not stream.eof:
                raise EOFError
            place += len(packed) - len(stream.unused_data if stream.eof else stream.unconsumed_tail)
            budget.unpack(len(part))
            parts.append(part)
        place = PADDING.match(data, place).end() if wbits == 31 else len(view)
    return b"".join(parts)


@dataclass(frozen=True, eq=False)
class Series:
    """Slices `start` to `stop` - 1 of a Scan, which lie in one volume or come from one multi-page file, in order.

    Attributes:
        spacing: mm from slice to slice, row to row and column to column; None where the file does not tell. From slice to
            slice it is the median where the distances differ, and 0 where they alone are not told.
        affine: float (4, 4), from (slice, row, column) to mm to the patient's right, front and top (RAS); or None.
        origin: what a writer of masks needs of the input: a nifti.NiftiOrigin, a dicom.DicomOrigin or None.
        even: whether its slices are known to lie at one distance. Else it fills no volume, and slices have no place in it.
    """

    start: int
    stop: int
    spacing: tuple[float, float, float] | None = None
    affine: np.ndarray | None = field(default=None, repr=False)
    origin: object | None = field(default=None, repr=False)
    even: bool = True

    def __len__(self) -> int:
        return self.stop - self.start

    @property
    def pixel_aspect(self) -> float:
        """How many times as high as wide its pixels are: 1 where that is not known, next to nothing, or hardly to be true."""
        if self.spacing:
            height, width = self.spacing[1:]
        elif self.affine is not None:
            height, width = np.linalg.norm(self.affine[:3, 1:3], axis=0)
        else:
            return 1.0
        larger = max(height, width) / min(height, width)
        return float(height / width) if SQUARE < larger <= MOST_ASPECT else 1.0

    @property
    def voxel_ml(self) -> float | None:
        """The volume of one voxel in ml, where it is known."""
        return float(np.prod(self.spacing)) / 1000.0 if self.spacing and self.even else None


@dataclass(frozen=True, eq=False)
class Scan(Sequence):
    """What was read; a sequence of its slices. Printing it shows nothing that a file says of a person.

    Attributes:
        format: one of reading.FORMATS.
        slices: each (H, W), (H, W, 2), (H, W, 3) or (H, W, 4), integer or float, with a finite value in it at least.
        series: which of the slices belong together. Slices in none of them are pictures in their own right.
        notes: sentences for the user; never with a name, a number or a date out of the file.
        names: of a ZIP, for each slice the name of its file without folders, safe to display; else empty.
        failures: of a ZIP, the files that gave no slice: (name, why).
        places: of a DICOM file, for each slice its dicom.DicomPlace, to stack it with those of other files; else empty.
    """

    format: str
    slices: list[np.ndarray] = field(repr=False)
    series: tuple[Series, ...] = ()
    notes: tuple[str, ...] = ()
    names: tuple[str, ...] = field(default=(), repr=False)
    failures: tuple[tuple[str, ReadError], ...] = field(default=(), repr=False)
    places: tuple = field(default=(), repr=False)

    def __len__(self) -> int:
        return len(self.slices)

    def __getitem__(self, index):
        return self.slices[index]

    @property
    def is_study(self) -> bool:
        """Do several of the slices belong to one volume or series?"""
        return any(len(series) > 1 for series in self.series)

    @property
    def pixel_aspects(self) -> list[float]:
        """Of each slice, see Series; 1 for pictures in their own right."""
        aspects = [1.0] * len(self)
        for series in self.series:
            aspects[series.start : series.stop] = [series.pixel_aspect] * len(series)
        return aspects

    @property
    def spacing(self) -> tuple[float, float, float] | None:
        """Of the one series that holds all slices, evenly; None when there is no such."""
        return self._whole.spacing if self._whole else None

    @property
    def affine(self) -> np.ndarray | None:
        """Of the one series that holds all slices, evenly; None when there is no such."""
        return self._whole.affine if self._whole else None

    @property
    def _whole(self) -> Series | None:
        whole = len(self.series) == 1 and len(self.series[0]) == len(self) and self.series[0].even
        return self.series[0] if whole else None


def only_finite(values: np.ndarray, low: float | None = None) -> np.ndarray:
    """A float slice as float32 in which what is not finite is `low`, or its own minimum; integers in this machine's order.

    Raises:
        ReadError: no value is finite, and there is no `low`.
    """
    if values.dtype.kind != "f":
        return values.astype(values.dtype.newbyteorder("="), copy=False)
    with np.errstate(over="ignore"):
        values = values.astype(np.float32, copy=False)
    finite = np.isfinite(values)
    if finite.all():
        return values
    if low is None:
        if not finite.any():
            raise ReadError("Expected an image with finite values. Received: none.")
        low = values[finite].min()
    return np.where(finite, values, np.float32(low))
