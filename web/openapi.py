"""The OpenAPI 3.1 document, made from the routes: their docstrings, their parameters and the types of their answers.

    @api.get("/healthz")
    @answers({"application/json": Health})
    def healthz(): "200 once the model answers."

https://spec.openapis.org/oas/v3.1.0 says what the document holds; its schemas are JSON Schema 2020-12.
"""

import inspect
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NotRequired, TypedDict, Union, get_args, get_origin, get_type_hints, is_typeddict

from flask import Flask

from web.errors import CODES
from web.parameters import Parameter

INFO = {
    "title": "EarlyMed",
    "version": "1",
    "summary": "Compares a brain MRI slice with three kinds of tumor and with slices without one.",
    "description": "A research and teaching aid, not a medical device. Its answers can be wrong; do not use them to diagnose "
    "or to choose treatment. Uploads are decoded in memory and are not stored.",
}
PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean", dict: "object", types.NoneType: "null"}


class ErrorDetail(TypedDict):
    code: Annotated[str, {"description": "For programs; stays the same when the wording changes."}]
    message: Annotated[str, {"description": "For people."}]


class Error(TypedDict):
    """Every error is told in this shape, also where the answer itself would be CSV or a picture."""

    error: ErrorDetail


@dataclass(frozen=True)
class Operation:
    """What a route takes and gives.

    Attributes:
        content: media type -> type of the answer (None for a picture).
        upload: the schema of the form field `file`, or None.
        errors: statuses that it may answer.
    """

    content: Mapping[str, Any]
    parameters: tuple[Parameter, ...] = ()
    upload: Mapping | None = None
    errors: tuple[int, ...] = ()


def answers(content: Mapping[str, Any], **more) -> Callable:
    """Say of a view what it answers; see Operation."""

    def describe(view: Callable) -> Callable:
        view.operation = Operation(content, **more)
        return view

    return describe


def document(app: Flask) -> dict:
    """Of all routes that have an Operation."""
    schemas: dict[str, dict] = {}
    paths: dict[str, dict] = {}
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        if operation := getattr(view, "operation", None):
            for method in sorted(rule.methods - {"HEAD", "OPTIONS"}):
                paths.setdefault(rule.rule, {})[method.lower()] = _describe(view, operation, schemas)
    return {"openapi": "3.1.0", "info": INFO, "servers": [{"url": "/"}], "paths": paths, "components": {"schemas": schemas}}


def _describe(view: Callable, operation: Operation, schemas: dict) -> dict:
    summary, _, description = inspect.getdoc(view).partition("\n\n")
    content = {kind: {} if of is None else {"schema": schema_of(of, schemas)} for kind, of in operation.content.items()}
    described: dict[str, Any] = {"operationId": view.__name__, "summary": summary}
    if description:
        described["description"] = " ".join(description.split())
    if operation.parameters:
        described["parameters"] = [parameter.described() for parameter in operation.parameters]
    if operation.upload:
        form = {"type": "object", "required": ["file"], "properties": {"file": operation.upload}}
        body = {"schema": form, "encoding": {"file": {"contentType": "application/octet-stream"}}}
        described["requestBody"] = {"required": True, "content": {"multipart/form-data": body}}
    described["responses"] = {"200": {"description": "The answer.", "content": content}}
    described["responses"] |= {str(status): _error(status, schemas) for status in operation.errors}
    return described


def _error(status: int, schemas: dict) -> dict:
    answer = {
        "description": "; ".join(f"`{code}`: {meaning}" for code, meaning in CODES[status].items()) + ".",
        "content": {"application/json": {"schema": schema_of(Error, schemas)}},
    }
    if status == 503:
        answer["headers"] = {"Retry-After": {"description": "Seconds; with `busy`.", "schema": {"type": "integer"}}}
    return answer


def schema_of(kind: Any, schemas: dict[str, dict]) -> dict:
    """The JSON Schema of a type. A TypedDict is put into `schemas` under its name, and a reference to it returned.

    Annotations that are dicts are keywords of the schema: Annotated[int, {"minimum": 0}].

    Raises:
        TypeError: for a type that is none of those which the records are made of.
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is None and kind in PLAIN:
        return {"type": PLAIN[kind]}
    if origin is NotRequired:
        return schema_of(arguments[0], schemas)
    if origin is Annotated:
        schema = schema_of(arguments[0], schemas)
        for keywords in arguments[1:]:
            schema = schema | keywords
        return schema
    if origin is Literal:
        return {"type": "string", "enum": list(arguments)}
    if origin in (Union, types.UnionType):
        return {"oneOf": [schema_of(one, schemas) for one in arguments]}
    if origin is list:
        return {"type": "array", "items": schema_of(arguments[0], schemas)}
    if origin is dict:
        return {"type": "object", "additionalProperties": schema_of(arguments[1], schemas)}
    if not is_typeddict(kind):
        raise TypeError(f"Expected a type that JSON has. Received: {kind!r}")
    if kind.__name__ not in schemas:
        hints = get_type_hints(kind, include_extras=True)
        properties = {name: schema_of(of, schemas) for name, of in hints.items()}
        schema = {"type": "object", "required": [n for n in hints if n in kind.__required_keys__], "properties": properties}
        schemas[kind.__name__] = {"description": inspect.getdoc(kind)} | schema if kind.__doc__ else schema
    return {"$ref": f"#/components/schemas/{kind.__name__}"}
