"""Fuzz the readers: mutated files may be read or refused with a ReadError; nothing else, in bounded time and memory.

    python tests/fuzz/readers.py --seconds 600          # half at random, half guided by coverage where atheris is installed
    python tests/fuzz/readers.py --write-corpus         # renew tests/fuzz/corpus from the variants in format_table.py

Exit 0 when nothing was found; otherwise the input is written to --out and the traceback shown.
"""

import argparse
import io
import os
import random
import resource
import sys
import time
import traceback
import warnings
import zipfile
import zlib
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parent)]  # the project, and tests/format_table.py

CORPUS = HERE / "corpus"
LIMITS = {"max_pixels": 2_000_000, "max_bytes": 32 * 2**20, "max_slices": 64, "max_files": 32}
# Above what the process took before its first input. model.formats.common says what one call may take of these limits,
# 160 MB; the rest is what the process itself gathers in ten minutes.
ALLOWANCE = 256 * 2**20
ADDRESSES = 4 * 2**30  # of address space above that: a decoder that asks for more at once is stopped before it gets it
PATIENCE = 20  # seconds of processor time for one input
ROUND = 400  # inputs of one child process of the random driver
SMALL_WORDS = (b"\0", b"\xff", b"\x7f", b"\x80", b"\0\0\0\0", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\x80")


def peak() -> int:
    """The most bytes of memory that this process has had."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def in_a_child(run: Callable[[], int]) -> int:
    """Run in a forked process, and return its exit status; negative, the signal that ended it.

    A process inherits the peak of the one that started it, through exec as well (ru_maxrss of getrusage, Linux): under a
    pytest of 3 GB the first input would be found to take 3 GB. A forked one begins with what it has itself.
    """
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        sys.exit(run())  # not os._exit: libFuzzer writes what it found when the interpreter ends
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def bounded() -> Callable[[bytes], None]:
    """Bound this process, once all is imported and has been used; the function asks what must hold for any bytes."""
    for path in sorted(CORPUS.iterdir()):
        one_input(path.read_bytes())
    most = peak() + ALLOWANCE
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    addresses = pages * resource.getpagesize() + ADDRESSES
    resource.setrlimit(resource.RLIMIT_AS, (addresses, addresses))

    def check(data: bytes) -> None:
        one_input(data)
        assert peak() <= most, f"took {(peak() - most + ALLOWANCE) / 2**20:.0f} MB, of {ALLOWANCE / 2**20:.0f}"

    return check


def one_input(data: bytes) -> None:
    """What must hold for any bytes, but for memory."""
    import numpy as np

    from model.preprocessing import preprocess
    from model.reading import Limits, ReadError, read

    try:
        scan = read(data, Limits(**LIMITS))
    except ReadError as error:
        assert str(error).strip() and len(str(error)) < 500
        cause = error.__context__  # pydicom passes a MemoryError on as its words
        assert not isinstance(cause, MemoryError) and "memory" not in str(cause).lower(), cause
        return
    assert 1 <= len(scan) <= LIMITS["max_slices"]
    assert sum(pixels.shape[0] * pixels.shape[1] for pixels in scan) <= LIMITS["max_pixels"]
    assert scan.names == () or len(scan.names) == len(scan)
    for series in scan.series:
        assert 0 <= series.start < series.stop <= len(scan)
        assert len({pixels.shape for pixels in scan[series.start : series.stop]}) == 1
        assert series.spacing is None or all(np.isfinite(series.spacing))
        assert series.affine is None or (series.affine.shape == (4, 4) and np.isfinite(series.affine).all())
        if scan.format == "NIfTI":
            assert series.origin.restore(scan[series.start : series.stop]).shape == series.origin.shape
    repr(scan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        preprocess(scan[0], 32)  # what it asks of a slice is what readers promise


def mutate(data: bytes, rng: random.Random) -> bytes:
    """Change, cut or repeat some bytes: near the beginning as often as anywhere."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 3, 5, 8))):
        if not out:
            break
        reach = len(out) if rng.random() < 0.5 else min(len(out), 400)
        place, kind = rng.randrange(reach), rng.random()
        if kind < 0.35:
            out[place] = rng.randrange(256)
        elif kind < 0.5:
            out[place] ^= 1 << rng.randrange(8)
        elif kind < 0.7:
            word = rng.choice(SMALL_WORDS)
            out[place : place + len(word)] = word
        elif kind < 0.8:
            del out[place : place + rng.randint(1, 40)]
        elif kind < 0.9:
            other = rng.randrange(len(out))
            out[place:place] = out[other : other + rng.randint(1, 60)]
        elif kind < 0.95:
            out = out[:place]
        else:
            out[place:place] = rng.randbytes(rng.randint(1, 8))
    return bytes(out)


def mutate_inside(data: bytes, rng: random.Random) -> bytes:
    """A ZIP or gzip is unpacked, changed inside and packed again: its checksums would stop every other change."""
    if data.startswith(b"PK\x03\x04") and rng.random() < 0.7:
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                files = [(info.filename, archive.read(info)) for info in archive.infolist()]
        except Exception:
            return mutate(data, rng)
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for name, content in files:
                archive.writestr(name, mutate(content, rng) if rng.random() < 0.4 else content)
        return buffer.getvalue()
    if data.startswith(b"\x1f\x8b") and rng.random() < 0.7:
        try:
            inner = zlib.decompressobj(31).decompress(data, 2**20)
        except zlib.error:
            return mutate(data, rng)
        packer = zlib.compressobj(wbits=31)
        return packer.compress(mutate(inner, rng)) + packer.flush()
    return mutate(data, rng)


def run_random(seconds: float, out: Path, seed: int) -> int:
    """Rounds of inputs in child processes, so that a crash of a native decoder is seen and survived."""
    corpus = [path.read_bytes() for path in sorted(CORPUS.iterdir())]
    check = bounded()
    end, done, found = time.monotonic() + seconds, 0, 0
    while time.monotonic() < end:
        seed += 1
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            _round(check, corpus, seed, end, writer, out)
        os.close(writer)
        with os.fdopen(reader, "rb") as pipe:
            last = pipe.read().split()
        _, status = os.waitpid(child, 0)
        done += len(last)
        if status:
            found += 1
            if not os.WIFEXITED(status):
                number = int(last[-1]) if last else 0
                data = _input(corpus, seed, number)
                (out / f"crash-{seed}-{number}").write_bytes(data)
                print(f"seed {seed}, input {number}: ended by signal {os.WTERMSIG(status)}", file=sys.stderr)
    print(f"{done:,} inputs, {found} findings", flush=True)
    return int(found > 0)


def _input(corpus: list[bytes], seed: int, number: int) -> bytes:
    rng = random.Random(f"{seed}-{number}")
    return mutate_inside(rng.choice(corpus), rng)


def _round(check: Callable, corpus: list[bytes], seed: int, end: float, writer: int, out: Path) -> None:
    said = os.dup(2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libtiff writes a line for every oddity
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    for number in range(ROUND):
        if time.monotonic() > end:
            break
        os.write(writer, b"%d\n" % number)
        data = _input(corpus, seed, number)
        resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time()) + PATIENCE, hard))
        try:
            check(data)
        except BaseException:
            os.write(said, traceback.format_exc().encode())
            (out / f"crash-{seed}-{number}").write_bytes(data)
            os._exit(1)
    os._exit(0)


def run_atheris(seconds: int, out: Path, seed: int) -> int:
    """libFuzzer over the instrumented readers, with the mutations above among its own."""
    import atheris

    with atheris.instrument_imports(include=["model", "pydicom", "nibabel"]):
        import model.formats.archive
        import model.formats.dicom
        import model.formats.nifti
        import model.formats.stacking
        import model.reading  # noqa: F401

    def mutator(data: bytes, size: int, seed: int) -> bytes:
        rng = random.Random(seed)
        changed = mutate_inside(data, rng) if rng.random() < 0.7 else atheris.Mutate(data, size)
        return bytes(changed[:size])

    work = out / "found"
    work.mkdir(exist_ok=True)
    options = [
        sys.argv[0], str(work), str(CORPUS), f"-max_total_time={seconds}", f"-timeout={PATIENCE}", "-rss_limit_mb=0",
        "-max_len=60000", f"-artifact_prefix={out}/", "-print_final_stats=1", f"-seed={seed}", "-close_fd_mask=1",
    ]  # fmt: skip
    atheris.Setup(options, bounded(), custom_mutator=mutator)
    atheris.Fuzz()
    return 0


DRIVERS = {"random": run_random, "atheris": run_atheris}


def write_corpus() -> None:
    from format_table import corpus

    CORPUS.mkdir(exist_ok=True)
    for path in CORPUS.iterdir():
        path.unlink()
    for name, data in corpus().items():
        (CORPUS / name).write_bytes(data)
    total = sum(path.stat().st_size for path in CORPUS.iterdir())
    print(f"{len(list(CORPUS.iterdir()))} files, {total:,} bytes in {CORPUS}")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--driver", choices=(*DRIVERS, "both"), default="both", help="both: half the time each")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("fuzz-findings"), help="where an input that breaks something goes")
    parser.add_argument("--write-corpus", action="store_true")
    args = parser.parse_args(arguments)
    if args.write_corpus:
        write_corpus()
        return 0
    args.out.mkdir(parents=True, exist_ok=True)
    drivers = [name for name in DRIVERS if args.driver in (name, "both")]
    if args.driver == "both" and find_spec("atheris") is None:
        drivers.remove("atheris")
        print("atheris is not installed: at random only", flush=True)
    seconds = args.seconds // len(drivers)
    found = [name for name in drivers if in_a_child(partial(DRIVERS[name], seconds, args.out, args.seed)) != 0]
    print(f"Found by {' and '.join(found)}: see {args.out}" if found else "Nothing found.", flush=True)
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
