"""Bodies of requests: bytes to objects, as strictly as the request wants it.

Source: Kubernetes page "API Concepts", field validation; apiserver ``pkg/endpoints/handlers/create.go``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from executor.localcluster.body import NOT_REPEATED, Repeated, read_body
from executor.localcluster.resources import Resource
from executor.localcluster.schema import TypeMismatchError, decode_by
from executor.localcluster.status import FieldError, bad_request, invalid
from executor.localcluster.types import Json

MAX_BODY_BYTES = 3 * 1024 * 1024
_MOST_REPORTED = 100
_OMITTED_WHEN_EMPTY = ("labels", "annotations", "ownerReferences", "finalizers")


@dataclass(frozen=True, slots=True)
class Decoded:
    """A typed object, and sentences for ``Warning`` headers."""

    object: Json
    warnings: Sequence[str] = ()


def decode_object(body: bytes, resource: Resource, validation: str, content_type: str = "application/json") -> Decoded:
    """A body as an object of ``resource``; raises 400 for what cannot be decoded or, in ``Strict``, is not known."""
    read = read_body(body, content_type, resource.kind)
    _check_kind(read.value, resource)
    return decode_value(read.value, resource, validation, read.repeated)


class UndecodableError(ValueError):
    """A value that cannot be an object of its kind; the message is the decoder's sentence."""


def decode_value(value: Json, resource: Resource, validation: str, repeated: Repeated = NOT_REPEATED) -> Decoded:
    """A JSON object, typed by the schema of ``resource``; see :func:`decode_object`."""
    try:
        return _typed(value, resource, validation, repeated)
    except UndecodableError as error:
        prefix = f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: '
        raise bad_request(f"{prefix}{error}") from None


def decode_patched(value: Json, resource: Resource, validation: str, repeated: Repeated = NOT_REPEATED) -> Decoded:
    """The outcome of a patch, typed; raises 422 where a body of its own would be a 400, as the real server does.

    The real sentence quotes the whole object; here the data of secrets is left out of it.
    """
    try:
        return _typed(value, resource, validation, repeated)
    except UndecodableError as error:
        shown = {name: part for name, part in value.items() if name not in ("data", "stringData")}
        text = json.dumps(json.dumps(shown, separators=(",", ":")))
        cause = FieldError("FieldValueInvalid", "patch", f"Invalid value: {text}: {error}")
        raise invalid("", "", "", [cause]) from None


def _typed(value: Json, resource: Resource, validation: str, repeated: Repeated) -> Decoded:
    if validation not in ("", "Strict", "Warn", "Ignore"):
        message = f'Unsupported value: "{validation}": supported values: "Ignore", "Strict", "Warn"'
        cause = FieldError("FieldValueNotSupported", "fieldValidation", message)
        raise invalid("CreateOptions", "meta.k8s.io", "", [cause])
    try:
        obj, unknown = decode_by(resource.model, value)
    except TypeMismatchError as error:
        raise UndecodableError(str(error)) from None
    strict = [*repeated.strict, *unknown][:_MOST_REPORTED]
    if strict and validation == "Strict":
        raise UndecodableError(f"strict decoding error: {', '.join(strict)}")
    warnings = [*repeated.sentences, *unknown][:_MOST_REPORTED]
    return Decoded(_without_empty_metadata(obj), () if validation == "Ignore" else warnings)


def _without_empty_metadata(obj: Json) -> Json:
    """ObjectMeta leaves out what is empty (``omitempty``), so that an empty list changes nothing."""
    metadata = obj.get("metadata")
    if not metadata or all(metadata.get(name, True) for name in _OMITTED_WHEN_EMPTY):
        return obj
    kept = {name: value for name, value in metadata.items() if value or name not in _OMITTED_WHEN_EMPTY}
    return {**obj, "metadata": kept}


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
