"""Bodies of requests: bytes to objects, as strictly as the request wants it.

Source: Kubernetes page "API Concepts", field validation; apiserver ``pkg/endpoints/handlers/create.go``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from executor.localcluster.resources import Resource
from executor.localcluster.schema import TypeMismatchError, decode_by
from executor.localcluster.status import FieldError, bad_request, invalid
from executor.localcluster.types import Json

MAX_BODY_BYTES = 3 * 1024 * 1024
_MOST_REPORTED = 100


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


def decode_object(body: bytes, resource: Resource, validation: str = "Warn") -> Decoded:
    """A body as an object of ``resource``; raises 400 for what cannot be decoded or, in ``Strict``, is not known."""
    value, duplicates = parse_json(body)
    if not isinstance(value, dict):
        raise bad_request(f"couldn't get version/kind; json parse error: {value!r:.40} is no object")
    _check_kind(value, resource)
    return decode_value(value, resource, validation, duplicates)


def decode_value(value: Json, resource: Resource, validation: str, duplicates: Sequence[str] = ()) -> Decoded:
    """A JSON object, typed by the schema of ``resource``; see :func:`decode_object`."""
    if validation not in ("", "Strict", "Warn", "Ignore"):
        message = f'Unsupported value: "{validation}": supported values: "Ignore", "Strict", "Warn"'
        raise invalid(
            "CreateOptions", "meta.k8s.io", "", [FieldError("FieldValueNotSupported", "fieldValidation", message)]
        )
    prefix = f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: '
    try:
        obj, unknown = decode_by(resource.model, value)
    except TypeMismatchError as error:
        raise bad_request(f"{prefix}{error}") from None
    strict = [*duplicates, *unknown][:_MOST_REPORTED]
    if strict and validation == "Strict":
        raise bad_request(f"{prefix}strict decoding error: {', '.join(strict)}")
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


def decode_options(body: bytes) -> Json:
    """The body of a delete, or nothing; raises a 400."""
    if not body:
        return {}
    try:
        value = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise bad_request(f"couldn't get version/kind; json parse error: {error}") from None
    return value if isinstance(value, dict) else {}
