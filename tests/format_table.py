"""docs/formats.md: every format and variant, and what comes of it, as the readers answer at this moment.

python tests/format_table.py --write
"""

import argparse
import sys
import warnings
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import nibabel
import numpy as np
from PIL import Image
from pydicom.uid import (
    MPEG2MPML,
    JPEG2000Lossless,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

import format_samples as samples
from format_samples import VOLUME, Maker, dicom, encode, nifti, tiff, zipped
from model.reading import LIMITS, ReadError, read

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs" / "formats.md"
START, END = "<!-- table: python tests/format_table.py --write -->", "<!-- end of table -->"
GRAY = samples.volume(np.uint8, 255)[3]
DEEP = VOLUME[3].astype(np.uint16)
RGB = np.dstack([GRAY, GRAY[::-1], GRAY[:, ::-1]])
RGBA = np.dstack([RGB, np.full_like(GRAY, 200)])
LA = np.dstack([GRAY, np.full_like(GRAY, 200)])
FLOAT = VOLUME[3].astype(np.float32) / 7
PALETTE = Image.fromarray(RGB).quantize(16)
CMYK = Image.fromarray(RGB).convert("CMYK")
BITS = Image.fromarray(GRAY).convert("1")


def more(pictures) -> dict:
    return {"save_all": True, "append_images": [Image.fromarray(p) for p in pictures]}


def turned() -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = 6
    return tags


def lossless(pixels=DEEP, uid=JPEGLosslessSV1, **options) -> bytes:
    return samples.encapsulated(uid, [samples.jpeg_lossless(pixels, **options)], pixels)


def other_names(uid: str) -> bytes:
    """A transfer syntax whose frame is not looked at."""
    return samples.encapsulated(
        uid, [b"\xff\xd8\xff\xc1\0\x11\x0c\0\x28\0\x24\x01" + bytes(9)], DEEP, BitsStored=12, HighBit=11
    )


PICTURES: dict[str, Maker] = {
    "PNG, gray": lambda: encode(GRAY, "PNG"),
    "PNG, gray and alpha": lambda: encode(LA, "PNG"),
    "PNG, RGB": lambda: encode(RGB, "PNG"),
    "PNG, RGBA": lambda: encode(RGBA, "PNG"),
    "PNG, palette": lambda: encode(PALETTE, "PNG"),
    "PNG, 1 bit": lambda: encode(BITS, "PNG"),
    "PNG, 16 bits": lambda: encode(DEEP, "PNG"),
    "PNG, animated": lambda: encode(GRAY, "PNG", **more([GRAY[::-1]])),
    "JPEG, gray": lambda: encode(GRAY, "JPEG"),
    "JPEG, RGB": lambda: encode(RGB, "JPEG"),
    "JPEG, CMYK": lambda: encode(CMYK, "JPEG"),
    "JPEG, progressive": lambda: encode(RGB, "JPEG", progressive=True),
    "JPEG, turned by EXIF": lambda: encode(GRAY, "JPEG", exif=turned()),
    "JPEG with further pictures (MPO); the first": lambda: encode(RGB, "MPO", **more([RGB[::-1]])),
    "WebP": lambda: encode(RGB, "WEBP"),
    "WebP, lossless, RGBA": lambda: encode(RGBA, "WEBP", lossless=True),
    "WebP, animated": lambda: encode(RGB, "WEBP", **more([RGB[::-1]])),
    "BMP, gray": lambda: encode(GRAY, "BMP"),
    "BMP, RGB": lambda: encode(RGB, "BMP"),
    "BMP, palette": lambda: encode(PALETTE, "BMP"),
    "BMP, 1 bit": lambda: encode(BITS, "BMP"),
    "TIFF, gray": lambda: encode(GRAY, "TIFF"),
    "TIFF, RGB, LZW": lambda: encode(RGB, "TIFF", compression="tiff_lzw"),
    "TIFF, RGBA, deflate": lambda: encode(RGBA, "TIFF", compression="tiff_adobe_deflate"),
    "TIFF, palette": lambda: encode(PALETTE, "TIFF"),
    "TIFF, CMYK": lambda: encode(CMYK, "TIFF"),
    "TIFF, 1 bit, fax": lambda: encode(BITS, "TIFF", compression="group4"),
    "TIFF, 16 bits": lambda: encode(DEEP, "TIFF"),
    "TIFF, 16 bits, big-endian": lambda: encode(DEEP.astype(">u2"), "TIFF"),
    "TIFF, 32 bits": lambda: encode(DEEP.astype(np.int32), "TIFF"),
    "TIFF, float": lambda: encode(FLOAT, "TIFF"),
    "TIFF, 16 bits, 0 is white": lambda: tiff(65535 - DEEP, photometric=0),
    "TIFF, float of 64 bits": lambda: tiff(FLOAT[::2, ::2].astype(np.float64)),
    "TIFF, pages of one size": lambda: encode(GRAY, "TIFF", **more([GRAY, GRAY])),
    "TIFF, pages of several sizes": lambda: encode(GRAY, "TIFF", **more([GRAY[:20]])),
    "GIF": lambda: encode(GRAY, "GIF"),
    "JPEG 2000 outside DICOM": lambda: encode(GRAY, "JPEG2000"),
    "PPM": lambda: encode(RGB, "PPM"),
    "ICO": lambda: encode(RGB, "ICO"),
    "HEIC": lambda: b"\0\0\0\x18ftypheic" + bytes(60),
    "PDF": lambda: b"%PDF-1.7\n" + bytes(60),
    "HTML": lambda: b"<!DOCTYPE html><html></html>",
    "damaged PNG": lambda: encode(GRAY, "PNG")[:200],
    "nothing": lambda: b"",
}
DICOM: dict[str, Maker] = {
    "one frame, explicit, little-endian": dicom,
    "implicit, little-endian": samples.implicit,
    "explicit, big-endian": samples.big_endian,
    "deflated": samples.deflated,
    "without preamble and meta information, implicit": lambda: samples.bare(samples.dataset(VOLUME[3])),
    "without preamble and meta information, explicit": lambda: samples.bare(samples.dataset(VOLUME[3]), implicit=False),
    "8 bits": lambda: dicom(GRAY),
    "16 bits, unsigned": lambda: dicom(DEEP),
    "12 of 16 bits": lambda: dicom(DEEP, BitsStored=12, HighBit=11),
    "32 bits": lambda: dicom(DEEP.astype(np.uint32)),
    "RGB": lambda: dicom(RGB),
    "RGB, plane by plane": lambda: dicom(RGB, PlanarConfiguration=1, PixelData=RGB.transpose(2, 0, 1).tobytes()),
    "YBR_FULL": lambda: dicom(RGB, PhotometricInterpretation="YBR_FULL"),
    "MONOCHROME1": lambda: dicom(PhotometricInterpretation="MONOCHROME1"),
    "rescaled": lambda: dicom(RescaleSlope=2.5, RescaleIntercept=-100),
    "windowed": lambda: dicom(WindowCenter=500, WindowWidth=1500),
    "several frames": lambda: dicom(VOLUME),
    "enhanced MR": lambda: samples.save(samples.enhanced()),
    "RLE": lambda: samples.compressed(RLELossless),
    "JPEG, 8 bits": samples.jpeg_baseline,
    "JPEG Extended, 12 bits": lambda: other_names(JPEGExtended12Bit),
    "JPEG Lossless, first-order": lossless,
    "JPEG Lossless, another predictor": lambda: lossless(uid=JPEGLossless, predictor=4),
    "JPEG-LS, lossless": lambda: samples.compressed(JPEGLSLossless),
    "JPEG-LS, near-lossless": samples.near_lossless,
    "JPEG 2000, lossless": lambda: samples.compressed(JPEG2000Lossless),
    "JPEG 2000": samples.jpeg_2000,
    "MPEG-2 video": lambda: other_names(MPEG2MPML),
    "no modality": lambda: dicom(Modality=None),
    "modality OT (other)": lambda: dicom(Modality="OT"),
    "modality CT": lambda: dicom(Modality="CT", SOPClassUID="1.2.840.10008.5.1.4.1.1.2"),
    "modality PT": lambda: dicom(Modality="PT", SOPClassUID="1.2.840.10008.5.1.4.1.1.128"),
    "an invented modality": lambda: dicom(Modality="ZZ", SOPClassUID="1.2.3"),
    "body part KNEE": lambda: dicom(BodyPartExamined="KNEE"),
    "PDF in DICOM": lambda: dicom(SOPClassUID="1.2.840.10008.5.1.4.1.1.104.1", Modality="OT"),
    "no pixels": lambda: dicom(PixelData=None),
    "mosaic": lambda: dicom(ImageType=["ORIGINAL", "PRIMARY", "M", "MOSAIC"]),
    "cut short": lambda: dicom()[:-500],
    "compressed frame of another size": lambda: samples.encapsulated(JPEGLosslessSV1, [samples.jpeg_lossless(DEEP)], DEEP[1:]),
}
RAS = VOLUME.transpose(2, 1, 0)[::-1, ::-1]
NIFTI: dict[str, Maker] = {
    "NIfTI-1, 3-D": nifti,
    "NIfTI-2": lambda: nifti(kind=nibabel.Nifti2Image),
    "gzip": lambda: samples.gzipped(nifti()),
    "big-endian": samples.big_endian_nifti,
    "4-D": lambda: nifti(np.stack([RAS, RAS], axis=-1)),
    "one slice": lambda: nifti(RAS[:, :, 3:4]),
    "2-D": lambda: nifti(RAS[:, :, 3]),
    "float, with NaN": lambda: nifti(np.where(RAS == 0, np.nan, RAS).astype(np.float32)),
    "scaled": samples.scaled_nifti,
    "sagittal slices, thick": lambda: nifti(RAS, np.diag([5.0, 1, 1, 1])),
    "no orientation": samples.without_orientation,
    "5-D (vectors)": lambda: nifti(np.zeros((4, 4, 4, 1, 3), np.float32)),
    "complex": lambda: nifti(np.zeros((4, 4, 4), np.complex64)),
    "RGB": lambda: nifti(np.zeros((4, 4, 4), np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")]))),
    "pair (.hdr)": samples.pair_header,
    "Analyze 7.5 (.hdr)": lambda: nibabel.AnalyzeHeader().binaryblock,
    "only NaN": lambda: nifti(np.full((4, 4, 4), np.nan, np.float32)),
    "cut short": lambda: nifti()[:-500],
}
ARCHIVES: dict[str, Maker] = {
    "ZIP of a DICOM series": lambda: zipped({f"{i}.dcm": d for i, d in enumerate(samples.series())}),
    "ZIP of two DICOM series": lambda: zipped(
        {f"{i}.dcm": d for i, d in enumerate(samples.series() + samples.series(SeriesInstanceUID="1.2.9", SeriesNumber=2))}
    ),
    "ZIP of a series with a missing slice": lambda: zipped({f"{i}.dcm": d for i, d in enumerate(samples.series()) if i != 3}),
    "ZIP of a NIfTI": lambda: zipped({"a/b.nii.gz": samples.gzipped(nifti())}),
    "ZIP of pictures": lambda: zipped({"s10.png": encode(GRAY, "PNG"), "s2.jpg": encode(RGB, "JPEG")}),
    "ZIP of pictures and DICOM": lambda: zipped({"icon.png": encode(GRAY, "PNG"), "IM1": dicom()}),
    "ZIP with a damaged and a foreign file": lambda: zipped(
        {"a.png": encode(GRAY, "PNG"), "b.png": encode(GRAY, "PNG")[:150], "readme.txt": b"Please read me first."}
    ),
    "ZIP of a CT series": lambda: zipped(
        {f"{i}.dcm": d for i, d in enumerate(samples.series(Modality="CT", SOPClassUID="1.2"))}
    ),
    "ZIP in a ZIP": lambda: zipped({"a.zip": zipped({"a.png": encode(GRAY, "PNG")})}),
    "ZIP with a password": samples.encrypted,
    "ZIP with a link": samples.linked,
    "ZIP of another compression (LZMA)": lambda: zipped({"a.png": encode(GRAY, "PNG")}, method=14),
    "ZIP without files": lambda: zipped({}),
    "ZIP that unpacks to 67 MB": lambda: zipped({"a.png": bytes(64 * 2**20)}),
    "Word document": lambda: zipped({"[Content_Types].xml": b"<xml/>", "word/document.xml": b"<xml/>"}),
    "gzip of a picture": lambda: samples.gzipped(encode(GRAY, "PNG")),
    "gzip in a gzip": lambda: samples.gzipped(samples.gzipped(encode(GRAY, "PNG"))),
    "7-Zip": lambda: b"7z\xbc\xaf\x27\x1c" + bytes(60),
    "RAR": lambda: b"Rar!\x1a\x07" + bytes(60),
}
SECTIONS = {"Pictures": PICTURES, "DICOM": DICOM, "NIfTI": NIFTI, "ZIP, gzip and other archives": ARCHIVES}


def outcome(data: bytes) -> str:
    """ "read", what came out and the notes; or the refusal."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scan = read(data)
    except ReadError as error:
        return f"refused: *{error}*"
    count = f"{len(scan)} slice{'s' if len(scan) > 1 else ''}"
    if len(scan.series) > 1:
        count += f" in {len(scan.series)} series"
    elif scan.is_study:
        count += ", one series" + (" with spacing" if scan.spacing else "")
    return f"read ({count})" + "".join(f"; *{note}*" for note in scan.notes)


def shipped_files() -> dict[str, bytes]:
    """pydicom's own test files by name; those of one kind share their first parts."""
    import pydicom.data

    folder = Path(pydicom.data.__file__).parent / "test_files"
    skipped = (".py", ".pyc")
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.suffix not in skipped
    }


def markdown() -> str:
    lines = []
    for title, variants in SECTIONS.items():
        lines += [f"### {title}", "", "| variant | outcome |", "|---|---|"]
        lines += [f"| {name} | {outcome(make())} |" for name, make in variants.items()]
        lines.append("")
    by_outcome = defaultdict(list)
    for name, data in shipped_files().items():
        by_outcome[outcome(data)].append(name)
    lines += ["### The files that pydicom ships for tests", "", "| files | outcome |", "|---|---|"]
    for result, names in sorted(by_outcome.items(), key=lambda pair: pair[1][0]):
        lines.append(f"| {_abridged(names)} | {result} |")
    return "\n".join(lines)


def _abridged(names: list[str]) -> str:
    """All names, but for the fifty of one folder that differ by a number."""
    numbered = [name for name in names if name.startswith("dicomdirtests/TINY_ALPHA/PT000000/")]
    plain = [f"`{name}`" for name in names if name not in numbered]
    if numbered:
        plain.append(f"`{numbered[0]}` and {len(numbered) - 1} more of its folder")
    return ", ".join(plain)


def limits() -> str:
    return (
        f"One call reads at most {LIMITS.max_bytes // 2**20} MB (packed and unpacked), {LIMITS.max_pixels:,} pixels and "
        f"{LIMITS.max_slices:,} slices in all, and\n{LIMITS.max_files:,} files in a ZIP; what is packed may unpack to "
        f"{LIMITS.max_ratio} times its size."
    )


def corpus() -> dict[str, bytes]:
    """Seeds for the fuzzer: each variant that is small, and pydicom's small images."""
    seeds = {}
    for title, variants in SECTIONS.items():
        for name, make in variants.items():
            data = make()
            if 8 < len(data) < 12_000 and not name.startswith(("ZIP that unpacks", "HTML", "RAR", "7-Zip")):
                seeds["".join(c if c.isalnum() else "_" for c in f"{title.split(',')[0]}_{name}".lower())] = data
    for name, data in shipped_files().items():
        if name.startswith(("SC_", "MR_small", "JPEGLS", "image_dfl")) and len(data) < 4500:
            seeds["pydicom_" + name.replace("+", "_")] = data
    return seeds


def document(text: str) -> str:
    before, rest = text.split(START)
    return f"{before}{START}\n{limits()}\n\n{markdown()}\n{END}{rest.split(END)[1]}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="replace the tables in docs/formats.md")
    args = parser.parse_args()
    if args.write:
        DOCUMENT.write_text(document(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
    else:
        print(markdown())
    return 0


if __name__ == "__main__":
    sys.exit(main())
