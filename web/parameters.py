"""What a request's address says of the answer it wants: each parameter's name, its JSON Schema, what it does."""

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from web.errors import RequestError


class Parameter(NamedTuple):
    """One parameter of a route.

    Attributes:
        schema: an `enum` of strings, or the `type` boolean, integer or number, the last two with `minimum` and at will
            `maximum`; its `default` is the value when it is not given, else None.
    """

    name: str
    schema: Mapping[str, Any]
    help: str

    def described(self) -> dict:
        """As OpenAPI has it."""
        return {"name": self.name, "in": "query", "description": self.help, "schema": dict(self.schema)}

    def refuse(self, expected: str, received: str) -> RequestError:
        return RequestError(400, "bad_parameter", f"{self.name}: expected {expected}. Received: {received}.")


def parse(parameters: Iterable[Parameter], values: Mapping[str, str]) -> dict[str, Any]:
    """The parameters' values, by name.

    Raises:
        RequestError: a value is not of its schema.
    """
    return {
        p.name: value_of(p, values[p.name]) if p.name in values else p.schema.get("default")
        for p in parameters
    }  # fmt: skip


def value_of(parameter: Parameter, text: str) -> Any:
    schema = parameter.schema
    if "enum" in schema:
        if text not in schema["enum"]:
            raise parameter.refuse(f"one of {', '.join(schema['enum'])}", repr(text))
        return text
    if schema["type"] == "boolean":
        if text.lower() not in ("true", "false"):  # Python's clients write them with a capital
            raise parameter.refuse("true or false", repr(text))
        return text.lower() == "true"
    whole = schema["type"] == "integer"
    low, high = schema["minimum"], schema.get("maximum")
    value = _number(text, whole)
    if not low <= value <= (math.inf if high is None else high):
        expected = f"a {'whole ' if whole else ''}number, {low} {'or more' if high is None else f'to {high}'}"
        raise parameter.refuse(expected, repr(text))
    return value


def _number(text: str, whole: bool) -> float:
    """NaN for what is no number; it lies in no range."""
    if whole:
        return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else math.nan
    try:
        return float(text)
    except ValueError:
        return math.nan
