"""Every setting of the server: its name, its default, what it does. `docs/settings.md` tells the same to people."""

import argparse
from collections.abc import Mapping
from typing import NamedTuple

from model.engines import ENGINES
from model.engines.kept_graphs import AUTO
from model.reading import LIMITS, Limits

MOST_RECEIVED = 2**30  # bytes of a body; more is cut, whatever may be kept of it


class Setting(NamedTuple):
    name: str
    default: int | str
    help: str
    minimum: int = 0
    maximum: int | None = None
    choices: tuple[str, ...] = ()


SETTINGS = (
    Setting("HOST", "127.0.0.1", "Address to listen on. `0.0.0.0` or `::` lets other computers in."),
    Setting("PORT", 5000, "Port to listen on; 0 takes any free one.", maximum=65535),
    Setting("EARLYMED_MODEL", "", "Path of a model.h5 with its model.json beside it; empty: the project's own."),
    Setting("EARLYMED_ENGINE", "auto", "What runs the network; `auto`: the fastest with the same answers.", choices=ENGINES),
    Setting("EARLYMED_CACHE", AUTO, "Folder to keep compiled networks in; `auto`: the user's cache; `none`: keep none."),
    Setting("EARLYMED_THREADS", 0, "Threads of one inference; 0 takes one per core."),
    Setting("MAX_CONTENT_LENGTH", 96 * 2**20, "Bytes that one request may hold, all its files together.", 1, MOST_RECEIVED),
    Setting("MAX_HELD_BYTES", 256 * 2**20, "Bytes of all the requests that are received or wait at one time.", minimum=1),
    Setting("MAX_FILES", LIMITS.max_slices, "Files that one request may hold.", minimum=1),  # each slice may be one
    Setting("MAX_PIXELS", LIMITS.max_pixels, "Pixels of all the slices of one request.", minimum=1),
    Setting("MAX_SLICES", LIMITS.max_slices, "Slices of one request, all its files together.", minimum=1),
    Setting("MAX_ZIP_FILES", LIMITS.max_files, "Files that one ZIP may hold.", minimum=1),
    Setting("MAX_UNPACKED_BYTES", LIMITS.max_bytes, "Bytes that one request's files may hold once unpacked.", minimum=1),
    Setting("MAX_UNPACKED_RATIO", LIMITS.max_ratio, "How many times its size a packed file may become.", minimum=1),
    Setting("MAX_CONCURRENT", 4, "Requests read and analyzed at the same time.", minimum=1),
    Setting("MAX_WAITING", 16, "Further requests that wait in line for their turn; one more is answered 503."),
    Setting("RETRY_AFTER", 5, "Seconds after which a client that was answered 503 is asked to try again.", minimum=1),
)


class SettingError(ValueError):
    """A setting's value is not of its kind, out of its range, none of its choices or empty."""


def command_line() -> argparse.ArgumentParser:
    """Of `python app.py`, which takes no arguments: settings are variables of the environment. --help lists them."""
    lines = (f"  {name} ({'empty' if default == '' else default}): {about}" for name, default, about, *_ in SETTINGS)
    return argparse.ArgumentParser(
        prog="app.py",
        description="Serve EarlyMed's page and API. There are no arguments: settings are environment variables.",
        epilog="settings, and what they are otherwise:\n" + "\n".join(lines),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def defaults() -> dict[str, int | str]:
    return {setting.name: setting.default for setting in SETTINGS}


def from_environ(environ: Mapping[str, str]) -> dict[str, int | str]:
    """The settings that an environment holds, each of its default's type.

    Raises:
        SettingError: a number was expected, and something else or one out of range came; or none of the choices; or nothing
            where there must be something.
    """
    return {setting.name: _value(setting, environ[setting.name]) for setting in SETTINGS if setting.name in environ}


def limits(config: Mapping) -> Limits:
    """What the readers of files are held to."""
    return Limits(
        max_bytes=config["MAX_UNPACKED_BYTES"],
        max_pixels=config["MAX_PIXELS"],
        max_slices=config["MAX_SLICES"],
        max_files=config["MAX_ZIP_FILES"],
        max_ratio=config["MAX_UNPACKED_RATIO"],
    )


def _value(setting: Setting, text: str) -> int | str:
    if setting.choices and text not in setting.choices:
        raise SettingError(f"{setting.name}: expected one of {', '.join(setting.choices)}. Received: {text!r}.")
    if isinstance(setting.default, str):
        if setting.default and not text:  # an empty address would be every address
            raise SettingError(f"{setting.name}: expected something like {setting.default}. Received: {text!r}.")
        return text
    upper = "or more" if setting.maximum is None else f"to {setting.maximum}"
    try:
        value = int(text)
    except ValueError:
        value = setting.minimum - 1
    if value < setting.minimum or (setting.maximum is not None and value > setting.maximum):
        raise SettingError(f"{setting.name}: expected a whole number, {setting.minimum} {upper}. Received: {text!r}.")
    return value
