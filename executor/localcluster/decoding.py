"""Bodies of requests: bytes to objects, as strictly as the request wants it.

Source: Kubernetes page "API Concepts", field validation; apiserver ``pkg/endpoints/handlers/create.go``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from executor.localcluster import protobuf
from executor.localcluster.resources import Resource
from executor.localcluster.schema import TypeMismatchError, decode_by
from executor.localcluster.status import FieldError, bad_request, invalid, unsupported_media_type
from executor.localcluster.types import Json

MAX_BODY_BYTES = 3 * 1024 * 1024
_MOST_REPORTED = 100
_JSON_TYPES = frozenset({"application/json", "application/octet-stream", ""})


@dataclass(frozen=True, slots=True)
class Decoded:
    """A typed object, and sentences for ``Warning`` headers."""

    object: Json
    warnings: Sequence[str] = ()


class _Duplicates:
    """Finds keys given twice in one JSON object, with their whole path."""

    def __init__(self) -> None:
        self.found = False

    def pairs(self, pairs: list[tuple[str, Any]]) -> Json:
        result = dict(pairs)
        self.found = self.found or len(result) != len(pairs)
        return result


def _duplicate_paths(value: Any, path: str) -> list[str]:
    """Paths of duplicate keys in a document whose objects are lists of pairs (tuples mark pairs)."""
    found: list[str] = []
    if isinstance(value, tuple):
        seen: set[str] = set()
        for name, item in value:
            child = f"{path}.{name}" if path else name
            if name in seen:
                found.append(f'duplicate field "{child}"')
            seen.add(name)
            found += _duplicate_paths(item, child)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            found += _duplicate_paths(item, f"{path}[{index}]")
    return found


def parse_json(body: bytes) -> tuple[Any, list[str]]:
    """A JSON value, and the sentences about keys that were given twice (the last one counts). Raises a 400."""
    duplicates = _Duplicates()
    try:
        value = json.loads(body, object_pairs_hook=duplicates.pairs)
        if not duplicates.found:
            return value, []
        return value, _duplicate_paths(json.loads(body, object_pairs_hook=tuple), "")
    except ValueError as error:
        raise bad_request(f"couldn't get version/kind; json parse error: {error}") from None
    except RecursionError:
        raise bad_request("json parse error: exceeded max depth") from None


def read_body(body: bytes, content_type: str) -> tuple[Any, list[str]]:
    """A body as plain values, and the sentences about keys given twice. Raises a 400 or 415."""
    if content_type == protobuf.CONTENT_TYPE:
        return protobuf.decode(body), []
    if content_type not in _JSON_TYPES:
        raise unsupported_media_type(("application/json", protobuf.CONTENT_TYPE))
    return parse_json(body)


def decode_object(body: bytes, resource: Resource, validation: str, content_type: str = "application/json") -> Decoded:
    """A body as an object of ``resource``; raises 400 for what cannot be decoded or, in ``Strict``, is not known."""
    value, duplicates = read_body(body, content_type)
    if not isinstance(value, dict):
        raise bad_request(f"couldn't get version/kind; json parse error: {value!r:.40} is no object")
    _check_kind(value, resource)
    return decode_value(value, resource, validation, duplicates)


class UndecodableError(ValueError):
    """A value that cannot be an object of its kind; the message is the decoder's sentence."""


def decode_value(value: Json, resource: Resource, validation: str, duplicates: Sequence[str] = ()) -> Decoded:
    """A JSON object, typed by the schema of ``resource``; see :func:`decode_object`."""
    try:
        return _typed(value, resource, validation, duplicates)
    except UndecodableError as error:
        prefix = f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: '
        raise bad_request(f"{prefix}{error}") from None


def decode_patched(value: Json, resource: Resource, validation: str, duplicates: Sequence[str] = ()) -> Decoded:
    """The outcome of a patch, typed; raises 422 where a body of its own would be a 400, as the real server does.

    The real sentence quotes the whole object; here the data of secrets is left out of it.
    """
    try:
        return _typed(value, resource, validation, duplicates)
    except UndecodableError as error:
        shown = {name: part for name, part in value.items() if name not in ("data", "stringData")}
        text = json.dumps(json.dumps(shown, separators=(",", ":")))
        cause = FieldError("FieldValueInvalid", "patch", f"Invalid value: {text}: {error}")
        raise invalid("", "", "", [cause]) from None


def _typed(value: Json, resource: Resource, validation: str, duplicates: Sequence[str]) -> Decoded:
    if validation not in ("", "Strict", "Warn", "Ignore"):
        message = f'Unsupported value: "{validation}": supported values: "Ignore", "Strict", "Warn"'
        cause = FieldError("FieldValueNotSupported", "fieldValidation", message)
        raise invalid("CreateOptions", "meta.k8s.io", "", [cause])
    try:
        obj, unknown = decode_by(resource.model, value)
    except TypeMismatchError as error:
        raise UndecodableError(str(error)) from None
    strict = [*duplicates, *unknown][:_MOST_REPORTED]
    if strict and validation == "Strict":
        raise UndecodableError(f"strict decoding error: {', '.join(strict)}")
    return Decoded(obj, () if validation == "Ignore" else strict)


def _check_kind(value: Json, resource: Resource) -> None:
    """Absent kind and apiVersion are taken from the URL, others must agree with it."""
    kind, version = value.get("kind") or resource.kind, value.get("apiVersion") or resource.api_version
    if version != resource.api_version and kind == resource.kind:
        raise bad_request(
            f"the API version in the data ({version}) does not match the expected API version ({resource.api_version})"
        )
    if kind != resource.kind:
        group, _, name = str(version).rpartition("/")
        raise bad_request(
            f'{kind} in version "{name}" cannot be handled as a {resource.kind}: converting '
            f"({group}.{kind}) to ({resource.group}.{resource.kind}): unknown conversion"
        )


def decode_options(body: bytes, content_type: str) -> Json:
    """The body of a delete or an eviction, or nothing; raises a 400."""
    value = read_body(body, content_type)[0] if body else {}
    return value if isinstance(value, dict) else {}
