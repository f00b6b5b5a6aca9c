"""Which DICOM files of a folder form a series, and what is kept of them until it is complete."""

import pickle

import numpy as np
import pytest

import spheres
from fakes import picture
from format_samples import SPACING, VOLUME, bare, dataset, dicom, gzipped, series, zipped
from model.batch import answer_files
from model.formats.common import Series
from model.formats.dicom import DicomPlace
from model.loose import Folders, Loose, join, may_be_dicom
from model.prediction import Brief
from model.reading import read
from test_batch import given
from test_reading_series import AFFINE
from uploads import TEXT

CT = dicom(Modality="CT", SOPClassUID="1.2.840.10008.5.1.4.1.1.2", SeriesInstanceUID="1.8")
OTHER = {"SeriesInstanceUID": "1.9", "SeriesNumber": 2}


def places(named: list[tuple[str, bytes]]) -> list[Loose]:
    return [Loose(name, read(data).places[0]) for name, data in named]


def test_positions_give_the_order_and_the_spacing():
    named = [(f"{i}", data) for i, data in enumerate(series())]
    turn = [3, 0, 7, 5, 1, 2, 6, 4]
    ((order, found),) = join(places([named[i] for i in turn]))
    assert [turn[i] for i in order] == list(range(8))
    assert (found.start, found.stop, found.spacing) == (0, 8, pytest.approx((3.0, 1.5, 1.25)))
    np.testing.assert_allclose(found.affine, AFFINE)


def test_names_count_where_there_are_neither_positions_nor_numbers():
    """2 before 10."""
    values = {"ImagePositionPatient": None, "InstanceNumber": None}
    named = [(f"IM{i}", dicom(VOLUME[i % 8] + i, SOPInstanceUID=f"1.2.3.{i}", **values)) for i in reversed(range(12))]
    ((order, _),) = join(places(named))
    assert [named[i][0] for i in order] == [f"IM{i}" for i in range(12)]


def test_files_of_one_name_are_several():
    ((order, _),) = join(places([("IM", data) for data in series()]))
    assert order == list(range(8))


@pytest.mark.parametrize(
    ("data", "lengths"),
    [
        ([], []),
        (series()[:1], []),
        (series()[:2], [2]),
        ([*series()[:3], *series()[1:2]], [3]),  # a copy counts once
        ([*series(), *series(VOLUME[:, :20], SeriesDescription="other")], [8, 8]),  # another shape is another series
        ([*series()[:4], *series(**OTHER)[:4]], [4, 4]),
        # Nothing says that these are one:
        ([dicom(VOLUME[i], position=3.0 * i, number=i + 1, SeriesInstanceUID=None) for i in range(4)], []),
        ([dicom(VOLUME[i], position=3.0 * i, number=i + 1, SeriesInstanceUID="") for i in range(4)], []),
        ([bare(dataset(one, position=3.0 * i, SOPInstanceUID=None)) for i, one in enumerate(VOLUME)], [8]),
    ],
)
def test_which_files_are_a_series(data, lengths):
    found = list(join(places([(f"{i}", one) for i, one in enumerate(data)])))
    assert [len(series) for _, series in found] == lengths
    assert all(len(order) == len(series) and isinstance(series, Series) for order, series in found)


def test_a_slice_is_missing():
    """As in a ZIP: a study without a volume in ml."""
    one = series()
    ((order, found),) = join(places([(f"{i}", data) for i, data in enumerate(one[:3] + one[4:])]))
    assert (len(order), found.even, found.voxel_ml) == (7, False, None)
    assert found.spacing == pytest.approx(SPACING)


def test_a_place_holds_neither_pixels_nor_person():
    (place,) = read(series()[0]).places
    assert not any(isinstance(value, np.ndarray) for value in vars(place).values())
    assert "PLANTED" not in repr(vars(place)).upper() and not hasattr(place, "dataset")
    assert read(zipped([("a", series()[0])])).places == read(picture()).places == ()
    assert len(read(dicom(VOLUME)).places) == 8


def test_nothing_large_is_kept_of_a_folder(fake):
    """Of a slice remain its place and what its study needs, and nothing once the study is told."""
    folders = Folders(["a"] * 8)
    told = []
    for answer in answer_files(fake, given(*series())):
        told += folders.joined("a", answer)
        for kept in (one for slices in folders._slices.values() for one in slices):
            assert type(kept.file.place) is DicomPlace and kept.file.origin is None
            assert isinstance(kept.brief, Brief) and kept.mask == b""
    assert [one.study.stop for one in told] == [8] and not folders._slices
    assert told[0].masks() == [] and told[0].series.origin is None


def test_what_is_kept_for_masks_is_small(outlining):
    """Of a slice of 240 kB less than 2 kB."""
    folders = Folders(["a"] * 9, masks=True)
    large = np.kron(spheres.sphere()[:8], np.ones((6, 6), np.int16))
    for answer in answer_files(outlining, given(*series(large))):
        folders.joined("a", answer)
    (slices,) = folders._slices.values()
    assert large[0].nbytes > 240_000 and max(len(pickle.dumps(kept.mask)) for kept in slices) < 2000
    assert max(len(str(kept.file.origin.datasets)) for kept in slices) < 3000


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (dicom(), True),
        (gzipped(dicom()), True),
        (picture(), False),
        (gzipped(spheres.nifti()), False),
        (b"\x1f\x8bno gzip", False),
        (b"", False),
        (TEXT, False),
    ],
)
def test_what_may_be_dicom(tmp_path, data, expected):
    (tmp_path / "a").write_bytes(data)
    assert may_be_dicom(tmp_path / "a") is expected
    assert may_be_dicom(tmp_path / "none") is False
