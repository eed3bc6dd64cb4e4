"""JSON patch (RFC 6902) and JSON merge patch (RFC 7386) on plain JSON; strategic merge lives beside it.

Pure: inputs are not changed.
"""

from __future__ import annotations

import copy
from typing import Any

from executor.localcluster.resources import Resource
from executor.localcluster.schema import struct_of
from executor.localcluster.status import ApiError, bad_request, unsupported_media_type
from executor.localcluster.strategic import strategic_merge
from executor.localcluster.types import Json

APPLY_TYPE = "application/apply-patch+yaml"
"""Server-side apply, which is no change of what is there and has a module of its own."""
PATCH_TYPES = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    APPLY_TYPE,
)
_REJECTED = "the server rejected our request due to an error in our request"


def apply_patch(content_type: str, resource: Resource, target: Json, patch: Any) -> Json:
    """The object after the patch. Raises 415 for an unknown kind of patch, 400 and 422 for one that does not apply."""
    if content_type == "application/json-patch+json":
        return apply_json_patch(target, patch)
    if content_type not in PATCH_TYPES:
        raise unsupported_media_type(PATCH_TYPES)
    if not isinstance(patch, dict):
        raise bad_request("error decoding patch: json: cannot unmarshal into Go value of type map[string]interface {}")
    if content_type == "application/merge-patch+json":
        merged: Json = merge(target, patch)
        return merged
    return strategic_merge(struct_of(resource.model), target, patch)


def merge(target: Any, patch: Any) -> Any:
    """JSON merge patch: null deletes, objects merge, everything else replaces."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge(result.get(name), value)
    return result


def apply_json_patch(target: Json, operations: Any) -> Json:
    """JSON patch, all operations or none; raises 400 (no patch) or 422 (does not apply)."""
    if not isinstance(operations, list) or not all(isinstance(operation, dict) for operation in operations):
        raise bad_request("error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    document: Any = copy.deepcopy(target)
    for operation in operations:
        try:
            document = _operate(document, operation)
        except (KeyError, IndexError, ValueError, TypeError):
            raise ApiError(422, "Invalid", _REJECTED, {}) from None
    if not isinstance(document, dict):
        raise ApiError(422, "Invalid", _REJECTED, {})
    return document


def _tokens(pointer: str) -> list[str]:
    if pointer and not pointer.startswith("/"):
        raise ValueError(pointer)
    return [token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:]]


def _step(parent: Any, token: str) -> Any:
    return parent[int(token)] if isinstance(parent, list) else parent[token]


def _lookup(document: Any, pointer: str) -> Any:
    for token in _tokens(pointer):
        document = _step(document, token)
    return document


def _operate(document: Any, operation: Json) -> Any:
    kind, path = operation["op"], operation["path"]
    if kind == "test":
        if _lookup(document, path) != operation.get("value"):
            raise ValueError(path)
        return document
    if kind == "remove":
        return _remove(document, path)
    if kind == "replace":
        _lookup(document, path)
        return _add(_remove(document, path) if path else document, path, operation["value"])
    if kind == "add":
        return _add(document, path, operation["value"])
    if kind not in ("move", "copy"):
        raise ValueError(kind)
    value = copy.deepcopy(_lookup(document, operation["from"]))
    return _add(_remove(document, operation["from"]) if kind == "move" else document, path, value)


def _parent(document: Any, pointer: str) -> tuple[Any, str]:
    tokens = _tokens(pointer)
    for token in tokens[:-1]:
        document = _step(document, token)
    return document, tokens[-1]


def _add(document: Any, pointer: str, value: Any) -> Any:
    if not pointer:
        return value
    parent, token = _parent(document, pointer)
    if not isinstance(parent, list):
        parent[token] = value
    elif token == "-":
        parent.append(value)
    elif 0 <= int(token) <= len(parent):
        parent.insert(int(token), value)
    else:
        raise IndexError(token)
    return document


def _remove(document: Any, pointer: str) -> Any:
    parent, token = _parent(document, pointer)
    del parent[int(token) if isinstance(parent, list) else token]
    return document
