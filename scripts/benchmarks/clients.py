"""Clients: uploads made once, sent by one or several threads, each answer timed."""

import http.client
import io
import json
import random
import threading
import time
import zipfile
from collections.abc import Callable, Sequence
from typing import NamedTuple

import nibabel
import numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

BOUNDARY = "earlymed-benchmark"
LINES = "application/x-ndjson"  # what the page's script asks for: progress, pictures and text line by line
HTML = "text/html"  # what a browser without scripts asks for
PICTURES = {"png": "PNG", "jpg": "JPEG", "webp": "WEBP", "bmp": "BMP", "tif": "TIFF"}


class Upload(NamedTuple):
    """A request's body, ready to be sent."""

    body: bytes

    @classmethod
    def of(cls, *files: tuple[str, bytes]) -> "Upload":
        head = '--{}\r\nContent-Disposition: form-data; name="file"; filename="{}"\r\n\r\n'
        parts = [head.format(BOUNDARY, name).encode() + data + b"\r\n" for name, data in files]
        return cls(b"".join(parts) + f"--{BOUNDARY}--\r\n".encode())


class Refused(Exception):
    """An answer other than 200, or one that broke off; `retry_after` is its header."""

    def __init__(self, status: int, retry_after: str | None):
        super().__init__(f"status {status}")
        self.status, self.retry_after = status, retry_after


class Timed(NamedTuple):
    """What came of many requests.

    Attributes:
        ms: of each answer, in the order in which they came.
        seconds: from the first request to the last answer.
        errors: answers other than 200, or none.
    """

    ms: list[float]
    seconds: float
    errors: list[Exception]

    @classmethod
    def joined(cls, parts: Sequence["Timed"]) -> "Timed":
        """Of requests in several parts, with other work between them."""
        ms, seconds, errors = zip(*parts, strict=True)
        return cls([one for part in ms for one in part], sum(seconds), [one for part in errors for one in part])

    def summary(self) -> dict[str, float]:
        p50, p90, p99 = np.percentile(self.ms, (50, 90, 99))
        return {
            "p50_ms": round(float(p50), 2),
            "p90_ms": round(float(p90), 2),
            "p99_ms": round(float(p99), 2),
            "per_second": round(len(self.ms) / self.seconds, 2),
            "requests": len(self.ms),
            "errors": len(self.errors),
        }


def send(port: int, path: str, upload: Upload, accept: str = "") -> bytes:
    """The answer's body; raises Refused for another status than 200, OSError when there is no answer.

    Args:
        accept: what is asked for; by default lines of the page, and whatever there is of anything else.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    try:
        accept = accept or (LINES if path == "/" else "*/*")
        form = f"multipart/form-data; boundary={BOUNDARY}"
        headers = {"Content-Type": form, "Connection": "close", "Accept": accept}
        connection.request("POST", path, upload.body, headers)
        response = connection.getresponse()
        body = response.read()
        status = response.status
        if status == 200 and response.headers.get_content_type() == LINES:
            status = json.loads(body.splitlines()[-1]).get("error", {}).get("status", 200)
        if status != 200:
            raise Refused(status, response.headers.get("Retry-After"))
        return body
    except http.client.HTTPException as error:
        raise OSError(str(error)) from None
    finally:
        connection.close()


def measure(
    port: int,
    path: str,
    uploads: Sequence[Upload],
    clients: int,
    each: int,
    watch: Callable[[int], object] = lambda done: None,
    accept: str = "",
    seed: int = 0,
) -> Timed:
    """`clients` threads, each sending `each` uploads drawn at random, one after the other.

    Args:
        watch: called with the number of answers after each.
        seed: with another one, others are drawn.

    Raises:
        OSError, Refused: when not one was answered.
    """
    ms: list[float] = []
    errors: list[Exception] = []
    turn = threading.Lock()

    def work(number: int) -> None:
        drawn = random.Random(1000 * seed + number)
        for _ in range(each):
            start = time.perf_counter()
            try:
                send(port, path, drawn.choice(uploads), accept)
                took = (time.perf_counter() - start) * 1000
            except (OSError, Refused) as error:
                errors.append(error)
                continue
            with turn:
                ms.append(took)
                watch(len(ms))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(clients)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if not ms:
        raise errors[0]
    return Timed(ms, time.perf_counter() - start, errors)


def mixed(image: Image.Image) -> list[Upload]:
    """A slice in every format of pictures, as DICOM and as NIfTI."""
    files = [(f"slice.{suffix}", encoded(image, format)) for suffix, format in PICTURES.items()]
    files += [("slice.dcm", dicom(np.asarray(image))), ("slice.nii.gz", nifti(np.asarray(image)))]
    return [Upload.of(file) for file in files]


def zipped(data: bytes, count: int) -> Upload:
    """One picture `count` times in a ZIP."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for i in range(count):
            archive.writestr(f"{i:04d}.jpg", data)
    return Upload.of(("slices.zip", out.getvalue()))


def encoded(image: Image.Image, format: str = "JPEG", side: int | None = None) -> bytes:
    out = io.BytesIO()
    (image.resize((side, side), Image.BICUBIC) if side else image).save(out, format)
    return out.getvalue()


def dicom(pixels: np.ndarray) -> bytes:
    """An MR image of 12 bits, little endian."""
    data = Dataset()
    data.SOPClassUID, data.SOPInstanceUID, data.Modality = MRImageStorage, generate_uid(), "MR"
    data.StudyInstanceUID, data.SeriesInstanceUID = generate_uid(), generate_uid()
    data.Rows, data.Columns = pixels.shape
    data.SamplesPerPixel, data.PhotometricInterpretation, data.PixelRepresentation = 1, "MONOCHROME2", 0
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, 12, 11
    data.PixelData = (pixels.astype("<u2") * 16).tobytes()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID, data.file_meta.MediaStorageSOPInstanceUID = MRImageStorage, data.SOPInstanceUID
    out = io.BytesIO()
    data.save_as(out, enforce_file_format=True)
    return out.getvalue()


def nifti(pixels: np.ndarray) -> bytes:
    """A volume of one axial slice, gzipped; it is shown as the picture is, the patient's right on its left."""
    import gzip

    volume = nibabel.Nifti1Image(np.ascontiguousarray(pixels[::-1, ::-1].T[..., None].astype(np.int16)), np.eye(4))
    return gzip.compress(volume.to_bytes(), 1)
