"""What OpenVINO compiled is kept from one start to the next, and gives the same answers; what is damaged is not taken."""

import json
import os
import shutil
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from model.classifier import DEFAULT_MODEL, Classifier
from model.engines import kept_graphs, openvino_engine
from model.engines.kept_graphs import MOST, SUFFIX, Shelf, folder
from model.engines.network_file import CLOSEUP, ModelFileError
from model.reading import read

INFO = json.loads(DEFAULT_MODEL.with_name("model.json").read_text())
SIDE = INFO["closeup"]["side"]
RANGES = CLOSEUP.ranges_of(INFO["int8_ranges"])
SAMPLE = next((Path(__file__).parent / "samples").glob("glioma*.jpg"))


@pytest.fixture
def shelf(tmp_path) -> Shelf:
    return Shelf(tmp_path / "cache", INFO["sha256"])


@pytest.fixture
def seen() -> np.ndarray:
    return np.random.default_rng(0).random((1, SIDE, SIDE, 2), np.float32)


@pytest.fixture
def no_graph_is_built(monkeypatch):
    def build(network):
        raise AssertionError("Expected a graph that was kept.")

    return lambda: monkeypatch.setattr(openvino_engine, "build", build)


def load(shelf: Shelf | None, **options):
    """The close-up's network in 8 bits, the smallest there is."""
    return openvino_engine.load(DEFAULT_MODEL, SIDE, **{"ranges": RANGES, "part": CLOSEUP, "shelf": shelf} | options)


def files(shelf: Shelf) -> list[Path]:
    return sorted(shelf.folder.iterdir())


def test_a_graph_that_was_kept_gives_the_same_answers(shelf, seen, no_graph_is_built):
    expected = load(None)(seen)["mask"]
    assert np.ptp(expected) > 0.01
    assert np.array_equal(load(shelf)(seen)["mask"], expected)
    no_graph_is_built()
    infer = load(shelf)
    with ThreadPoolExecutor(3) as several:  # the later ones on half of the cores each
        for answer in several.map(infer, [seen] * 12):
            assert answer["mask"] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[: len(data) // 2],
        lambda data: b"",
        lambda data: data[:5000] + bytes([data[5000] ^ 1]) + data[5001:],
        lambda data: kept_graphs._checksum(b"no graph") + b"no graph",  # as of another OpenVINO of the same version
    ],
    ids=["half", "empty", "one bit", "no graph"],
)
def test_a_damaged_graph_is_built_anew_and_kept_anew(shelf, seen, damage, no_graph_is_built):
    expected = load(shelf)(seen)["mask"]
    (file,) = files(shelf)
    damaged = damage(file.read_bytes())
    file.write_bytes(damaged)
    assert np.array_equal(load(shelf)(seen)["mask"], expected)
    assert files(shelf) == [file] and file.read_bytes() != damaged
    no_graph_is_built()
    assert np.array_equal(load(shelf)(seen)["mask"], expected)


def test_what_comes_of_something_else_is_another_graph(shelf, monkeypatch, tmp_path):
    load(shelf)
    other = {name: one | {"most": one["most"] * 1.5} for name, one in RANGES.items()}
    for options in ({"ranges": other}, {"ranges": None}, {"shelf": Shelf(shelf.folder, "0" * 64)}):
        before = len(files(shelf))
        load(**{"shelf": shelf} | options)
        assert len(files(shelf)) == before + 1
    load(shelf, threads=1)  # how many threads there are, and how many at once, is asked anew of a graph
    assert len(files(shelf)) == 4
    monkeypatch.setattr(openvino_engine.openvino, "__version__", "2099.1")
    load(shelf)
    assert len(files(shelf)) == 5
    code = tmp_path / "openvino_graph.py"
    code.write_text("another translation")
    monkeypatch.setattr(openvino_engine.openvino_graph, "__file__", str(code))
    load(shelf)
    assert len(files(shelf)) == 6


def test_a_name_is_of_all_origins_and_their_borders(shelf):
    names = [shelf.name(*origins) for origins in ((), ("ab",), ("a", "b"), ("b", "a"), (b"ab", b""))]
    names.append(Shelf(shelf.folder, "other").name("ab"))
    assert len(set(names)) == len(names)
    assert shelf.name("ab") == shelf.name(b"ab")


def test_the_oldest_are_forgotten(shelf):
    for number in range(MOST + 3):
        shelf.write(f"{number}{SUFFIX}", b"graph")
        os.utime(shelf.folder / f"{number}{SUFFIX}", (number, number))
    assert {file.name for file in files(shelf)} == {f"{n}{SUFFIX}" for n in range(3, MOST + 3)}
    assert [shelf.read(f"{n}{SUFFIX}") for n in (2, 3)] == [None, b"graph"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_what_is_kept_is_the_users_alone(shelf):
    shelf.write(f"a{SUFFIX}", b"graph")
    assert [stat.S_IMODE(path.stat().st_mode) for path in (shelf.folder, *files(shelf))] == [0o700, 0o600]


def test_where_nothing_can_be_written_nothing_is_kept(tmp_path, seen):
    (tmp_path / "file").write_text("no folder")
    assert load(Shelf(tmp_path / "file", INFO["sha256"]))(seen)["mask"].shape == (1, SIDE, SIDE, 1)
    assert (tmp_path / "file").read_text() == "no folder"


def test_a_disk_that_is_full_keeps_no_half(shelf, monkeypatch):
    def full(data):
        raise OSError(28, "No space left on device")

    shelf.write(f"a{SUFFIX}", b"graph")
    monkeypatch.setattr(kept_graphs, "_checksum", full)
    shelf.write(f"b{SUFFIX}", b"another")
    assert [file.name for file in files(shelf)] == [f"a{SUFFIX}"]


def test_the_folder_is_what_was_told_or_the_users(monkeypatch, tmp_path):
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name, appauthor: tmp_path / name)
    monkeypatch.setenv("EARLYMED_CACHE", "/var/tmp/graphs")
    assert folder() == Path("/var/tmp/graphs")
    assert folder("auto") == tmp_path / "earlymed"
    assert folder("none") is None
    assert folder("elsewhere") == Path("elsewhere")
    monkeypatch.setenv("EARLYMED_CACHE", "none")
    assert folder() is None
    for unset in ("", None):
        monkeypatch.setenv("EARLYMED_CACHE", unset) if unset is not None else monkeypatch.delenv("EARLYMED_CACHE")
        assert folder() == tmp_path / "earlymed"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no users of whom it knows nothing")
def test_a_user_without_a_home_keeps_nothing(monkeypatch, tmp_path):
    """As in a container that is run under any number. "~" would be a folder of that name where one happens to be."""
    import pwd

    def unknown(number):
        raise KeyError(number)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert folder("auto") is None
    monkeypatch.setenv("HOME", str(tmp_path))
    assert folder("auto").is_relative_to(tmp_path)
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name, appauthor: Path("~/.cache") / name)
    assert folder("auto") is None


def test_a_classifier_keeps_its_two_networks(tmp_path, no_graph_is_built):
    def answer():
        classifier = Classifier.load(engine="openvino", cache=str(tmp_path))
        classifier.load_closeup()
        [found] = classifier.predict(read(SAMPLE.read_bytes()))
        return found

    first = answer()
    assert len(list(tmp_path.iterdir())) == 2
    no_graph_is_built()
    again = answer()
    assert (first.label, again.label) == ("glioma", "glioma")
    assert again.probabilities == first.probabilities
    assert first.mask.any() and np.array_equal(again.mask, first.mask)


def test_a_model_that_was_changed_is_not_answered_from_what_was_kept(tmp_path):
    for name in ("model.h5", "model.json"):
        shutil.copy(DEFAULT_MODEL.with_name(name), tmp_path / name)
    cache = str(tmp_path / "cache")
    Classifier.load(tmp_path / "model.h5", "openvino", cache=cache)
    with (tmp_path / "model.h5").open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        last = file.read(1)
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last[0] ^ 1]))
    with pytest.raises(ModelFileError, match="the file was changed"):
        Classifier.load(tmp_path / "model.h5", "openvino", cache=cache)
