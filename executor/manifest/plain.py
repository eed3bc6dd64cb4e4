"""Turns what users hand over (a `V1Pod`, dicts with client objects inside) into plain JSON values.

A client object is recognised by its `attribute_map` and `openapi_types`; the Kubernetes client is never imported. Only
attributes that the object really has are read: an object pickled by an older client lacks newer ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from executor.manifest.errors import ManifestError

_MAX_DEPTH: Final = 64


def is_client_model(value: object) -> bool:
    """Tell whether `value` is an object of a Kubernetes client (`V1Pod`, `V1Container` ...)."""
    kind = type(value)
    return hasattr(kind, "attribute_map") and hasattr(kind, "openapi_types") and hasattr(kind, "to_dict")


def is_pod_model(value: object) -> bool:
    """Tell whether `value` is a `V1Pod` of a Kubernetes client, or of a class derived from it."""
    return is_client_model(value) and any(kind.__name__ == "V1Pod" for kind in type(value).__mro__)


def to_plain(value: Any, layer: str) -> Any:
    """Return `value` as dicts, lists, texts, numbers, booleans and None, sharing nothing with it.

    None members of client objects are dropped (there they mean "not set"); None in a dict stays (there it deletes).
    Raises ManifestError(layer, path) for anything else, such as a set or a function.
    """
    try:
        return _convert(value, 0)
    except _NotPlainError as error:
        raise ManifestError(layer, error.path(), error.problem, "write texts, numbers, lists and dicts") from None


class _NotPlainError(Exception):
    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.steps: list[str] = []

    def path(self) -> str:
        return "".join(reversed(self.steps)).removeprefix(".")


def _convert(value: Any, depth: int) -> Any:
    convert = _CONVERTERS.get(type(value))
    if convert is not None:
        return convert(value, depth)
    if depth > _MAX_DEPTH:
        raise _NotPlainError("is nested too deeply")
    return _convert_other(value, depth)


def _convert_other(value: Any, depth: int) -> Any:
    if is_client_model(value):
        return _from_model(value, depth)
    for kind in (str, bool, int, float):  # enums and the like
        if isinstance(value, kind):
            return kind(value)
    if isinstance(value, Mapping):
        return _from_dict(dict(value), depth)
    raise _NotPlainError(f"is a {type(value).__name__}, which has no meaning in a pod")


def _from_model(model: Any, depth: int) -> dict[str, Any]:
    names = type(model).attribute_map
    plain: dict[str, Any] = {}
    for attribute, value in vars(model).items():
        name = names.get(attribute[1:]) if value is not None else None
        if name is not None:
            plain[name] = _step(f".{name}", value, depth)
    return plain


def _from_dict(mapping: dict[Any, Any], depth: int) -> dict[str, Any]:
    return {str(key): _step(f".{key}", value, depth) for key, value in mapping.items()}


def _from_sequence(items: Any, depth: int) -> list[Any]:
    return [_step(f"[{index}]", item, depth) for index, item in enumerate(items)]


def _step(step: str, value: Any, depth: int) -> Any:
    kind = type(value)
    if kind is str or value is None:
        return value
    if depth > _MAX_DEPTH:
        raise _NotPlainError("is nested too deeply")
    try:
        return _convert(value, depth + 1)
    except _NotPlainError as error:
        error.steps.append(step)
        raise


def _same(value: Any, _depth: int) -> Any:
    return value


def _from_float(value: float, _depth: int) -> float:
    if not math.isfinite(value):
        raise _NotPlainError(f"is {value}, which JSON cannot carry")
    return value


_CONVERTERS: dict[type, Callable[[Any, int], Any]] = {
    dict: _from_dict,
    list: _from_sequence,
    tuple: _from_sequence,
    str: _same,
    int: _same,
    bool: _same,
    type(None): _same,
    float: _from_float,
}


def without_nulls(value: Any) -> Any:
    """Return `value` as Kubernetes reads it: without null members and without directives that a merge left over."""
    if isinstance(value, dict):
        members = ((key, item) for key, item in value.items() if item is not None and key[:1] != "$")
        return {key: without_nulls(item) for key, item in members}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value


def has_leftovers(value: Any) -> bool:
    """Tell whether `without_nulls` would change `value`."""
    if isinstance(value, dict):
        return any(item is None or key[:1] == "$" or has_leftovers(item) for key, item in value.items())
    return isinstance(value, list) and any(map(has_leftovers, value))
