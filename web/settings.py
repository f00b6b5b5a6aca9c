"""Every setting of the server: its name, its default, what it does. `docs/settings.md` tells the same to people."""

from collections.abc import Mapping
from typing import NamedTuple


class Setting(NamedTuple):
    name: str
    default: int | str
    help: str
    minimum: int = 0
    maximum: int | None = None


SETTINGS = (
    Setting("HOST", "127.0.0.1", "Address to listen on. `0.0.0.0` or `::` lets other computers in."),
    Setting("PORT", 5000, "Port to listen on; 0 takes any free one.", maximum=65535),
    Setting("EARLYMED_MODEL", "", "Path of a model.h5 with its model.json beside it; empty: the project's own."),
    Setting("MAX_CONTENT_LENGTH", 32 * 2**20, "Bytes that one request may hold, all its files together.", minimum=1),
    Setting("MAX_FILES", 32, "Files that one request may hold.", minimum=1),
    Setting("MAX_CONCURRENT", 1, "Requests read and analyzed at the same time.", minimum=1),
    Setting("MAX_WAITING", 16, "Further requests that wait for their turn; one more is answered 503."),
    Setting("RETRY_AFTER", 5, "Seconds after which a client that was answered 503 is asked to try again.", minimum=1),
)


class SettingError(ValueError):
    """A setting's value is not of its kind or out of its range."""


def defaults() -> dict[str, int | str]:
    return {setting.name: setting.default for setting in SETTINGS}


def from_environ(environ: Mapping[str, str]) -> dict[str, int | str]:
    """The settings that an environment holds, each of its default's type.

    Raises:
        SettingError: a number was expected, and something else or one out of range came.
    """
    return {setting.name: _value(setting, environ[setting.name]) for setting in SETTINGS if setting.name in environ}


def _value(setting: Setting, text: str) -> int | str:
    if isinstance(setting.default, str):
        return text
    upper = "or more" if setting.maximum is None else f"to {setting.maximum}"
    try:
        value = int(text)
    except ValueError:
        value = setting.minimum - 1
    if value < setting.minimum or (setting.maximum is not None and value > setting.maximum):
        raise SettingError(f"{setting.name}: expected a whole number, {setting.minimum} {upper}. Received: {text!r}.")
    return value
