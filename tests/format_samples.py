"""Small files of every format and variant, written here: what the tests of the readers and docs/formats.md are made from.

`VOLUME` is what most of them show: eight slices that differ in every direction, so that no turn or order goes unseen.
"""

import gzip
import io
import struct
import zipfile
from collections.abc import Callable

import nibabel
import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    JPEG2000,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    JPEGLSNearLossless,
    MRImageStorage,
    generate_uid,
)

SLICES, HEIGHT, WIDTH = 8, 40, 36
PATIENT = "Plantedname^Zebulon"  # must never be seen again
SPACING = (3.0, 1.5, 1.25)  # slice, row, column, mm


def volume(dtype=np.int16, top: int = 1000) -> np.ndarray:
    """(8, 40, 36): a head-like ellipsoid with a bright corner region; 0 to `top`."""
    z, y, x = np.mgrid[:SLICES, :HEIGHT, :WIDTH].astype(float)
    inside = ((z - 3.5) / 6) ** 2 + ((y - 19.5) / 17) ** 2 + ((x - 17.5) / 14) ** 2 < 1
    texture = 0.2 + 0.04 * z + 0.006 * y + 0.004 * x
    return (np.where(inside, texture + 0.1 * ((y < 15) & (x > 20)), 0) * top).astype(dtype)


VOLUME = volume()


def encode(image, format: str, **options) -> bytes:
    """A picture by Pillow, from an array or an image."""
    buffer = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(buffer, format, **options)
    return buffer.getvalue()


def ifd(entries: dict[int, int], following: int = 0) -> bytes:
    """A TIFF's directory of whole numbers: tag -> value."""
    tags = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(entries.items()))
    return struct.pack("<H", len(entries)) + tags + struct.pack("<I", following)


def tiff(values: np.ndarray, photometric: int = 1, orientation: int = 1) -> bytes:
    """A TIFF in one strip, also of numbers that Pillow does not write."""
    bits, (height, width) = 8 * values.dtype.itemsize, values.shape
    tags = {256: width, 257: height, 258: bits, 259: 1, 262: photometric, 273: 8, 274: orientation, 277: 1, 278: height}
    tags |= {279: values.nbytes, 339: {"u": 1, "i": 2, "f": 3}[values.dtype.kind]}
    return b"II*\0" + struct.pack("<I", 8 + values.nbytes) + values.tobytes() + ifd(tags)


def dataset(pixels: np.ndarray, position: float = 0.0, number: int = 1, **values) -> Dataset:
    """An axial MR data set of (H, W) or (frames, H, W), (..., 3) with the values of a scanner; `values` override them."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID, ds.SOPInstanceUID = MRImageStorage, generate_uid(entropy_srcs=[str(position), str(number), str(values)])
    ds.PatientName, ds.PatientID, ds.PatientBirthDate = PATIENT, "PLANTED-4711", "19010203"
    ds.Modality, ds.BodyPartExamined = "MR", "HEAD"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = "1.2.3.4", "1.2.3.4.5"
    ds.SeriesNumber, ds.InstanceNumber = 1, number
    ds.ImagePositionPatient, ds.ImageOrientationPatient = [-10.0, -20.0, position], [1, 0, 0, 0, 1, 0]
    ds.PixelSpacing, ds.SpacingBetweenSlices, ds.SliceThickness = list(SPACING[1:]), SPACING[0], 2.5
    color = pixels.shape[-1] == 3
    frames = pixels.shape[0] if pixels.ndim == (4 if color else 3) else None
    ds.SamplesPerPixel, ds.PhotometricInterpretation = (3, "RGB") if color else (1, "MONOCHROME2")
    if color:
        ds.PlanarConfiguration = 0
    if frames:
        ds.NumberOfFrames = frames
    ds.Rows, ds.Columns = pixels.shape[1 if frames else 0], pixels.shape[2 if frames else 1]
    ds.BitsAllocated = ds.BitsStored = pixels.dtype.itemsize * 8
    ds.HighBit, ds.PixelRepresentation = ds.BitsStored - 1, int(pixels.dtype.kind == "i")
    ds.PixelData = pixels.tobytes()
    ds["PixelData"].VR = "OB" if ds.BitsAllocated == 8 else "OW"
    for keyword, value in values.items():
        if value is None:
            delattr(ds, keyword)
        else:
            setattr(ds, keyword, value)
    return ds


def save(ds: Dataset) -> bytes:
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, ds, enforce_file_format=True)
    return buffer.getvalue()


def bare(ds: Dataset, implicit: bool = True) -> bytes:
    """Without preamble and file meta information, as some old programs write it."""
    buffer = io.BytesIO()
    del ds.file_meta
    pydicom.dcmwrite(buffer, ds, implicit_vr=implicit, little_endian=True)
    return buffer.getvalue()


def dicom(pixels: np.ndarray = VOLUME[3], **values) -> bytes:
    return save(dataset(pixels, **values))


def compressed(uid: str, pixels: np.ndarray = VOLUME[3], **values) -> bytes:
    """Compressed by pydicom's encoders (RLE, JPEG-LS, JPEG 2000)."""
    ds = dataset(pixels, **values)
    ds.compress(uid, generate_instance_uid=False)
    return save(ds)


def encapsulated(uid: str, frames: list[bytes], pixels: np.ndarray = VOLUME[3], **values) -> bytes:
    """With frames that were compressed elsewhere."""
    ds = dataset(pixels, **values)
    ds.PixelData = encapsulate(frames)
    ds["PixelData"].VR, ds["PixelData"].is_undefined_length = "OB", True
    ds.file_meta.TransferSyntaxUID = uid
    return save(ds)


def jpeg_baseline(**values) -> bytes:
    gray = volume(np.uint8, 255)[3]
    return encapsulated(JPEGBaseline8Bit, [encode(gray, "JPEG", quality=95)], gray, **values)


def big_endian(pixels: np.ndarray = VOLUME[3], **values) -> bytes:
    ds = dataset(pixels, **values)
    ds.PixelData = pixels.astype(pixels.dtype.newbyteorder(">")).tobytes()
    ds.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    return save(ds)


def implicit(**values) -> bytes:
    ds = dataset(VOLUME[3], **values)
    ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    return save(ds)


def near_lossless(**values) -> bytes:
    ds = dataset(VOLUME[3].astype(np.uint16), **values)
    ds.compress(JPEGLSNearLossless, jls_error=2, generate_instance_uid=False)
    return save(ds)


def jpeg_2000(**values) -> bytes:
    ds = dataset(VOLUME[3].astype(np.uint16), **values)
    ds.compress(JPEG2000, j2k_cr=[4], generate_instance_uid=False)
    return save(ds)


def deflated(**values) -> bytes:
    ds = dataset(VOLUME[3], **values)
    ds.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    return save(ds)


def jpeg_lossless(values: np.ndarray, predictor: int = 1, restart_rows: int = 0, sof: int = 0xC3) -> bytes:
    """Encode (H, W) or (H, W, C) as JPEG Lossless (T.81, process 14), with one code of five bits for each category."""
    planes = values[..., None] if values.ndim == 2 else values
    height, width, components = planes.shape
    precision = 8 * values.dtype.itemsize
    out = b"\xff\xd8\xff\xc4" + (36).to_bytes(2) + b"\0" + bytes([0, 0, 0, 0, 17, *[0] * 11]) + bytes(range(17))
    out += b"\xff" + bytes([sof]) + (8 + 3 * components).to_bytes(2) + bytes([precision])
    out += height.to_bytes(2) + width.to_bytes(2) + bytes([components])
    out += b"".join(bytes([i + 1, 0x11, 0]) for i in range(components))
    if restart_rows:
        out += b"\xff\xdd\0\x04" + (restart_rows * width).to_bytes(2)
    out += b"\xff\xda" + (6 + 2 * components).to_bytes(2) + bytes([components])
    out += b"".join(bytes([i + 1, 0]) for i in range(components)) + bytes([predictor, 0, 0])
    rows = restart_rows or height
    for index, top in enumerate(range(0, height, rows)):
        out += bytes([0xFF, 0xD0 + (index - 1) % 8]) if index else b""
        block = planes[top : top + rows].astype(np.int64)
        before = np.empty_like(block)
        before[:, 1:] = block[:, :-1]
        before[1:, 0] = block[:-1, 0]
        before[0, 0] = 1 << (precision - 1)
        bits = "".join(_code(int(d)) for d in ((block - before + 32768) % 65536 - 32768).ravel())
        bits += "1" * (-len(bits) % 8)
        out += int(bits, 2).to_bytes(len(bits) // 8).replace(b"\xff", b"\xff\0")
    return out + b"\xff\xd9"


def _code(difference: int) -> str:
    if difference == -32768:
        return f"{16:05b}"
    size = abs(difference).bit_length()
    extra = difference if difference > 0 else difference + (1 << size) - 1
    return f"{size:05b}" + (f"{extra:0{size}b}" if size else "")


def enhanced(pixels: np.ndarray = VOLUME, slope: float = 2.0, **values) -> Dataset:
    """Enhanced MR: one file, a functional group for each frame with its position, rescale and window."""
    ds = dataset(pixels, **values)
    ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.4.1"
    for keyword in (
        "ImagePositionPatient",
        "ImageOrientationPatient",
        "PixelSpacing",
        "SpacingBetweenSlices",
        "SliceThickness",
    ):
        delattr(ds, keyword)
    shared = Dataset()
    shared.PixelMeasuresSequence = [
        _items(PixelSpacing=list(SPACING[1:]), SliceThickness=2.5, SpacingBetweenSlices=SPACING[0])
    ]
    shared.PlaneOrientationSequence = [_items(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])]
    ds.SharedFunctionalGroupsSequence = [shared]
    groups = []
    for index in range(len(pixels)):
        group = Dataset()
        group.PlanePositionSequence = [_items(ImagePositionPatient=[-10, -20, 5 + SPACING[0] * index])]
        group.PixelValueTransformationSequence = [_items(RescaleSlope=slope, RescaleIntercept=index, RescaleType="US")]
        group.FrameVOILUTSequence = [_items(WindowCenter=1000, WindowWidth=8000)]
        groups.append(group)
    ds.PerFrameFunctionalGroupsSequence = groups
    return ds


def _items(**values) -> Dataset:
    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item


def series(pixels: np.ndarray = VOLUME, **values) -> list[bytes]:
    """One DICOM file for each slice, from bottom to top."""
    return [dicom(one, position=5 + SPACING[0] * i, number=i + 1, **values) for i, one in enumerate(pixels)]


def nifti(values: np.ndarray | None = None, affine: np.ndarray | None = None, kind=nibabel.Nifti1Image) -> bytes:
    """`values` are (x, y, z, ...); by default VOLUME with axes to the patient's right, front and top (RAS)."""
    values = VOLUME.transpose(2, 1, 0)[::-1, ::-1] if values is None else values
    return kind(values, np.diag([1.25, 1.5, 3.0, 1.0]) if affine is None else affine).to_bytes()


def big_endian_nifti() -> bytes:
    header = nibabel.Nifti1Header(endianness=">")
    header.set_data_dtype(np.dtype(">i2"))
    return nibabel.Nifti1Image(VOLUME.transpose(2, 1, 0)[::-1, ::-1], np.diag([1.25, 1.5, 3.0, 1.0]), header).to_bytes()


def scaled_nifti(slope: float = 0.5, intercept: float = 3.0) -> bytes:
    """VOLUME as it is stored, with a scale in the header."""
    data = bytearray(nifti())
    data[112:120] = np.array([slope, intercept], "<f4").tobytes()  # scl_slope, scl_inter
    return bytes(data)


def without_orientation() -> bytes:
    data = bytearray(nifti())
    data[252:256] = bytes(4)  # qform_code, sform_code
    return bytes(data)


def pair_header() -> bytes:
    header = nibabel.nifti1.Nifti1PairHeader()
    header["magic"] = b"ni1"
    return header.binaryblock


def linked() -> bytes:
    link = zipfile.ZipInfo("head.png")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    return buffer.getvalue()


def encrypted() -> bytes:
    """A ZIP whose entry says that it is encrypted, in both of its headers."""
    data = bytearray(zipped({"head.png": b"x" * 40}, zipfile.ZIP_STORED))
    data[6] |= 1
    data[data.find(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


def zipped(files: dict[str, bytes] | list[tuple[str, bytes]], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in files.items() if isinstance(files, dict) else files:
            archive.writestr(name, content)
    return buffer.getvalue()


def gzipped(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


def shipped(name: str) -> bytes:
    """One of pydicom's own test files, out of the package."""
    from pydicom.data import get_testdata_file

    with open(get_testdata_file(name, download=False), "rb") as file:  # noqa: PTH123
        return file.read()


Maker = Callable[[], bytes]
