"""Fetch the trained model that `Saved Model.txt` names, check it, and put it in place.

You rarely need this: model/model.h5 comes with the repository, and `git checkout -- model/model.h5` restores it.
"""

import argparse
import contextlib
import glob
import hashlib
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import gdown
import requests

from model.delivery import SavedModel, WrongFileError, check, read_saved_model_txt, sha256_of

ROOT = Path(__file__).resolve().parent.parent
TRIES = 5
PAUSE_SECONDS = 2.0
TIMEOUT_SECONDS = (10, 60)  # to connect, and between two bytes

EPILOG = """\
The file comes under a temporary name beside its place (NAME.XXXXXXXX.part*), is held against the size and SHA-256 of
Saved Model.txt and only then moved in place: after any failure the old file is what it was. The temporary file is kept
when the transfer broke off, and the same command goes on from there; otherwise it is removed.

Exit status: 0 the file is in place, 1 it is not (one line says why), 2 wrong usage, 130 interrupted.
"""


class DeliveryError(Exception):
    """The file did not come; the message is one line for the person who waits for it."""


class _BrokenTransferError(Exception):
    """The transfer ended early: worth another try."""


def main(argv: list[str] | None = None, root: Path = ROOT) -> int:
    parser = argparse.ArgumentParser(description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--url", help="fetch from here instead of the link in Saved Model.txt (Google Drive or any web server)"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="put it here instead of model/model.h5 in the repository")
    parser.add_argument(
        "--original",
        action="store_true",
        help="fetch the original project's public file instead, to model/original.h5: another network, which EarlyMed "
        "does not use, with an unproven order of labels and no known SHA-256",
    )
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    args = parser.parse_args(argv)
    if args.url and not args.url.startswith(("http://", "https://")):
        parser.error(f"--url: expected http:// or https://. Received: {args.url}")

    try:
        saved = read_saved_model_txt(root / "Saved Model.txt")
        expected = saved["original.h5" if args.original else "model.h5"]
        own = (root / saved["model.h5"].path).resolve()
    except KeyError as error:
        return _failed(f"Saved Model.txt names no {error}.")
    except (OSError, ValueError) as error:
        return _failed(f"Saved Model.txt cannot be read: {error}")
    target = (args.out or root / expected.path).resolve()
    if args.original and target == own:
        parser.error(f"--original: expected another --out than EarlyMed's own model. Received: {args.out}")

    if args.original:
        print(
            "Warning: this is the original project's file, not EarlyMed's model. The order of its labels is unproven, "
            "and no SHA-256 of it is known: whether what comes is what was published cannot be checked.",
            file=sys.stderr,
        )
    else:
        with contextlib.suppress(OSError, WrongFileError):
            if expected.sha256 is not None:
                check(target, expected)
                print(f"{target} is in place already: {expected.size} bytes, SHA-256 {expected.sha256}.")
                return 0
    url = args.url or expected.link
    if url is None:
        return _failed(
            f"No download link is published yet. {expected.path} is part of the repository: restore it with "
            f"`git checkout -- {expected.path}`, or name a copy of it with --url URL."
        )
    if not args.original and expected.sha256 is None:
        return _failed(f"Saved Model.txt has no SHA-256 for {expected.name}: what comes could not be checked.")

    try:
        fetch(expected, url, target, quiet=args.quiet)
    except (DeliveryError, WrongFileError) as error:
        return _failed(f"{error} {target} is unchanged." if target.is_file() else str(error))
    except OSError as error:
        return _failed(f"Cannot write {target}: {error.strerror or error}.")
    except KeyboardInterrupt:
        print("Interrupted. What came is kept: run the same command to go on.", file=sys.stderr)
        return 130
    print(f"{target}: {target.stat().st_size} bytes, SHA-256 {sha256_of(target)}{', unproven' if args.original else ''}.")
    return 0


def _failed(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return 1


def fetch(expected: SavedModel, url: str, target: Path, quiet: bool = False) -> None:
    """Download `url` beside `target`, check it, and only then put it in place; until then the old file is untouched.

    A broken transfer is taken up where it stopped, or started again where the server cannot do that, TRIES times in
    all. What had come by then is kept, and the next call goes on from there. A wrong file is removed.

    Raises:
        DeliveryError: no network, no permission, no such file, a broken transfer, or no place to put it.
        WrongFileError: what came is not what was expected.
        OSError: it could not be written.
    """
    if not target.parent.is_dir():
        raise DeliveryError(f"Cannot write {target}: there is no folder {target.parent}.")
    if target.is_dir():
        raise DeliveryError(f"Cannot write {target}: it is a folder.")
    # Named after the link, so that the beginning of one file is never continued with the end of another.
    staging = target.with_name(f"{target.name}.{hashlib.sha256(url.encode()).hexdigest()[:8]}.part")
    failure = None
    for attempt in range(TRIES):
        if attempt:
            time.sleep(PAUSE_SECONDS)
        try:
            resumed = bool(_kept(staging))
            _transfer(url, staging, expected.size, quiet)
            check(staging, expected)
            staging.chmod(target.stat().st_mode & 0o777 if target.exists() else 0o644)  # gdown's is its owner's only
            staging.replace(target)  # atomic: both are in one folder
            return
        except _BrokenTransferError as error:
            failure = error
        except WrongFileError as error:
            _discard(staging)
            if not resumed:
                raise
            failure = error  # the file behind the link is not the one that was begun: start again
        except OSError:
            with contextlib.suppress(OSError):
                _discard(staging)
            raise
    if not any(part.stat().st_size for part in _kept(staging)):
        _discard(staging)
    kept = "".join(f" What came is kept in {part}: run the same command to go on." for part in _kept(staging))
    raise DeliveryError(f"The transfer broke off {TRIES} times ({failure}).{kept}")


def _transfer(url: str, staging: Path, size: int | None, quiet: bool) -> None:
    """One try of gdown, which goes on from the one `<staging>????????.part` it finds, and leaves one when it fails."""
    if len(_kept(staging)) > 1:  # another run broke off at the same time, and gdown would not choose
        _discard(staging)
    kept = _kept(staging)
    host = urlsplit(url).netloc
    came = 0

    def watch(done: int, total: int | None) -> None:
        nonlocal came
        came = done
        if size is not None and done > size:
            raise WrongFileError(f"Wrong size: expected {size} bytes. Received: more.")

    try:
        gdown.download(
            url,
            str(staging),
            quiet=quiet,
            resume=True,
            use_cookies=False,  # a public file needs none, and none are left in the home folder
            timeout=TIMEOUT_SECONDS,
            progress=watch,
            log_messages={"start": "", "output": ""},
        )
    except gdown.FileURLRetrievalError:
        raise DeliveryError(
            "No permission: Google Drive gives a page instead of the file. It is not shared with anyone who has the "
            f"link, or its download quota is used up: try again tomorrow, or open {url} in a browser."
        ) from None
    except gdown.DownloadError as error:
        if kept and not came and error.__cause__ is None:  # not the line broke: the server cannot go on from there
            _discard(staging)
        raise _BrokenTransferError(str(error).splitlines()[0].rstrip(".;")) from None
    except requests.HTTPError as error:
        status = error.response.status_code
        answer = f"{host} answered {status} {error.response.reason}"
        if status >= 500:
            raise _BrokenTransferError(answer) from None
        raise DeliveryError(f"{'No permission' if status in (401, 403, 429) else 'No file'}: {answer}.") from None
    except requests.ConnectionError as error:
        if came:
            raise _BrokenTransferError(_root(error)) from None
        raise DeliveryError(f"No network: could not reach {host} ({_root(error)}).") from None
    except requests.RequestException as error:
        raise DeliveryError(f"The transfer from {host} failed ({_root(error)}).") from None


def _kept(staging: Path) -> list[Path]:
    return sorted(staging.parent.glob(glob.escape(staging.name) + "*"))


def _discard(staging: Path) -> None:
    for path in _kept(staging):
        path.unlink(missing_ok=True)


def _root(error: BaseException) -> str:
    """What the operating system said, from under the layers of requests and urllib3."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    return getattr(error, "strerror", None) or str(error)


if __name__ == "__main__":
    sys.exit(main())
