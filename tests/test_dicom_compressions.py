"""Compressions of DICOM: which are read, that lossless is exact, what is said of the others."""

import io
import threading
import time
from contextlib import suppress

import numpy as np
import pydicom
import pytest
from pydicom.encaps import generate_frames
from pydicom.pixels import pixel_array
from pydicom.uid import (
    MPEG2MPML,
    UID,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSNearLossless,
)

import format_samples as samples
from format_samples import encapsulated
from model.formats import apart, codecs, dicom_pixels, jpeg_lossless
from model.reading import ReadError, UnsupportedFormat, read

GRAY = samples.volume(np.uint8, 255)[3]
RGB = np.dstack([GRAY, GRAY[::-1], GRAY[:, ::-1]])
DEEP = np.random.default_rng(5).integers(0, 65536, (37, 50), np.uint16)
COMPRESSED = "Expected a DICOM image of a compression that is read. Received: "


@pytest.mark.parametrize(
    ("syntax", "frame", "received"),
    [
        (
            JPEGExtended12Bit,
            samples.jpeg_lossless(DEEP, sof=0xC1),
            "JPEG Extended (Process 2 and 4), which needs pylibjpeg-libjpeg.",
        ),
        (
            JPEGLossless,
            samples.jpeg_lossless(DEEP, predictor=6),
            "JPEG Lossless, Non-Hierarchical (Process 14), which needs pylibjpeg-libjpeg.",
        ),
        (MPEG2MPML, b"\0\0\1\xb3", "MPEG2 Main Profile / Main Level."),
    ],
)
def test_a_compression_that_is_not_read_says_what_it_is_and_what_it_needs(syntax, frame, received):
    with pytest.raises(UnsupportedFormat) as caught:
        read(encapsulated(syntax, [frame], DEEP))
    assert str(caught.value) == COMPRESSED + received


def test_a_compression_of_a_makers_own_is_not_repeated():
    data = encapsulated(JPEGLossless, [samples.jpeg_lossless(DEEP)], DEEP)
    assert data.count(JPEGLossless.encode()) == 1
    with pytest.raises(UnsupportedFormat) as caught:
        read(data.replace(JPEGLossless.encode(), b"1.2.276.0.4711.1.2.3.4"))
    assert str(caught.value) == COMPRESSED + "a compression of its maker's own."


@pytest.mark.parametrize(
    ("pixels", "syntax"),
    [
        (DEEP, JPEGLosslessSV1),
        (DEEP, JPEGLossless),
        (GRAY, JPEGLosslessSV1),
        (RGB, JPEGLosslessSV1),
        (np.dstack([DEEP, DEEP + 1, DEEP * 3]).astype(np.uint16), JPEGLosslessSV1),
    ],
    ids=["16 bits", "process 14", "8 bits", "RGB", "RGB of 16 bits"],
)
@pytest.mark.parametrize("restart_rows", [0, 7])
def test_jpeg_lossless_is_exact(pixels, syntax, restart_rows):
    frame = samples.jpeg_lossless(pixels, restart_rows=restart_rows)
    np.testing.assert_array_equal(read(encapsulated(syntax, [frame], pixels))[0], pixels)


def test_jpeg_lossless_with_fewer_bits_than_its_precision_keeps_its_values():
    """T.81, A.4: a point transform of 4 leaves 8 of 12 bits, which have to be shifted back."""
    frame = bytearray(samples.jpeg_lossless(GRAY))
    frame[frame.index(b"\xff\xc3") + 4] = 12
    scan = frame.index(b"\xff\xda")
    frame[scan + 1 + int.from_bytes(frame[scan + 2 : scan + 4])] = 4
    values = jpeg_lossless.decode(bytes(frame))
    np.testing.assert_array_equal(values.reshape(GRAY.shape), GRAY.astype(np.uint16) << 4)


def test_of_endless_huffman_tables_only_those_used_are_built(monkeypatch):
    """An empty one takes 17 bytes, and 128 kB once it is built."""
    built = []
    build = jpeg_lossless._look_up
    monkeypatch.setattr(jpeg_lossless, "_look_up", lambda table: built.append(table) or build(table))
    frame = samples.jpeg_lossless(DEEP)
    segment = b"\xff\xc4" + (2 + 17 * 50).to_bytes(2, "big") + (b"\x03" + bytes(16)) * 50
    np.testing.assert_array_equal(jpeg_lossless.decode(frame[:2] + segment * 200 + frame[2:]), DEEP)
    assert len(built) == 1


def test_jpeg_lossless_over_more_than_one_chunk(monkeypatch):
    monkeypatch.setattr(jpeg_lossless, "CHUNK", 100)
    np.testing.assert_array_equal(jpeg_lossless.decode(samples.jpeg_lossless(DEEP)), DEEP)


def test_jpeg_lossless_reads_what_another_program_wrote():
    """pydicom's file of GDCM's making, beside the same picture in lossy JPEG."""
    exact, close = (read(samples.shipped(f"SC_rgb_jpeg_{maker}.dcm"))[0] for maker in ("gdcm", "dcmtk"))
    assert exact.shape == (100, 100, 3)
    assert np.abs(exact.astype(int) - close).mean() < 1


def test_bytes_may_fill_the_place_before_a_marker():
    frame = samples.jpeg_lossless(DEEP).replace(b"\xff\xc3", b"\xff\xff\xff\xc3", 1)
    np.testing.assert_array_equal(read(encapsulated(JPEGLosslessSV1, [frame], DEEP))[0], DEEP)


@pytest.mark.parametrize("cut", [3, 50, 100, 1000])
def test_a_jpeg_lossless_frame_cut_short_is_damaged(cut):
    frame = samples.jpeg_lossless(DEEP)[: -2 - cut]
    with pytest.raises(ReadError, match="damaged or cut short"):
        read(encapsulated(JPEGLosslessSV1, [frame], DEEP))


@pytest.mark.parametrize(
    ("syntax", "make"),
    [
        (JPEGLosslessSV1, samples.jpeg_lossless),
        ("1.2.840.10008.1.2.4.50", lambda p: samples.encode((p >> 8).astype(np.uint8), "JPEG")),
        ("1.2.840.10008.1.2.4.90", lambda p: samples.encode(p, "JPEG2000", no_jp2=True)),
        ("1.2.840.10008.1.2.4.90", lambda p: samples.encode(p, "JPEG2000")),
    ],
    ids=["lossless", "baseline", "JPEG 2000", "JP2"],
)
def test_a_frame_larger_than_its_header_says_is_refused_before_it_is_decoded(syntax, make, monkeypatch):
    """Else a few kilobytes could ask a decoder for gigabytes."""
    monkeypatch.setattr(dicom_pixels, "get_decoder", lambda uid: pytest.fail("decoded"))
    monkeypatch.setattr(dicom_pixels, "_plugin", lambda ds, syntax: "")
    with pytest.raises(ReadError) as caught:
        read(encapsulated(syntax, [make(np.tile(DEEP, (3, 3)))], DEEP))
    assert str(caught.value) == "The DICOM file is damaged: its compressed image has another size than its header says."


@pytest.mark.parametrize(
    ("packed", "size", "plain"),
    [(b"\x02abc", 3, b"abc"), (b"\xfea\x80\0x", 4, b"aaax"), (b"\x81a", 128, b"a" * 128), (b"\x81a" * 9, 5, b"aaaaa")],
)
def test_packbits(packed, size, plain):
    assert codecs.unpack_bits(packed, size) == plain


def test_packbits_that_holds_too_little():
    with pytest.raises(ValueError, match="fewer bytes"):
        codecs.unpack_bits(b"\x02abc", 4)


@pytest.mark.parametrize("name", ["MR_small_RLE", "SC_rgb_rle", "SC_rgb_rle_16bit", "SC_rgb_rle_32bit_2frame"])
def test_rle_is_what_pydicom_makes_of_it(name):
    data = samples.shipped(f"{name}.dcm")
    expected = pixel_array(io.BytesIO(data), decoding_plugin="pydicom")
    np.testing.assert_array_equal(np.stack(read(data)).reshape(expected.shape), expected)


def jpeg_ls(change=lambda frame: frame) -> bytes:
    """A near-lossless slice, its frame changed."""
    ds = pydicom.dcmread(io.BytesIO(samples.near_lossless()))
    return encapsulated(
        JPEGLSNearLossless,
        [change(next(generate_frames(ds.PixelData, number_of_frames=1)))],
        samples.VOLUME[3].astype(np.uint16),
    )


def endless(frame: bytes) -> bytes:
    """Two bytes in its scan, and CharLS is at work for ten seconds, in which no other thread is. Found by fuzzing."""
    return frame[:301] + b"\xf6\xb3" + frame[301:-2]


def test_jpeg_ls_that_would_never_come_to_an_end_is_given_up_and_the_next_is_read(monkeypatch):
    whole = read(jpeg_ls())[0]
    monkeypatch.setattr(apart, "PATIENCE", 0.5)
    started = time.monotonic()
    with pytest.raises(ReadError, match="Expected a whole DICOM file"):
        read(jpeg_ls(endless))
    assert 0.4 < time.monotonic() - started < 3
    assert codecs.JPEG_LS._process.returncode is not None  # it is gone, not going: the next file would be sent to it
    monkeypatch.undo()
    assert (read(jpeg_ls())[0] == whole).all()


def test_other_threads_work_while_jpeg_ls_is_decoded(monkeypatch):
    monkeypatch.setattr(apart, "PATIENCE", 1.0)

    def work():
        with suppress(ReadError):
            read(jpeg_ls(endless))

    decoding = threading.Thread(target=work)
    decoding.start()
    turns = 0
    while decoding.is_alive():
        time.sleep(0.01)
        turns += 1
    assert turns > 10


def test_jpeg_ls_that_is_damaged_is_refused_by_the_same_process(monkeypatch):
    read(jpeg_ls())
    process = codecs.JPEG_LS._process
    with pytest.raises(ReadError, match="Expected a whole DICOM file"):
        read(jpeg_ls(lambda frame: frame[:60]))
    assert codecs.JPEG_LS._process is process and process.poll() is None


def test_the_plugin_is_there_for_its_own_compressions_only(monkeypatch):
    assert all(map(codecs.is_available, codecs.FUNCTIONS))
    assert not codecs.is_available(UID("1.2.840.10008.1.2.4.90"))  # JPEG 2000
    monkeypatch.setattr(codecs, "find_spec", lambda name: None)
    assert not codecs.is_available(UID("1.2.840.10008.1.2.4.80"))  # JPEG-LS, without pyjpegls
    assert codecs.is_available(UID("1.2.840.10008.1.2.5"))  # RLE
