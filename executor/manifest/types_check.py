"""Finds values of a wrong type in a pod before the API server does, which would not name the field.

A number where text is wanted answers `json: cannot unmarshal number into Go struct field EnvVar...` without an index; a
bad quantity answers without any field (Kubernetes API server, strict decoding). Unknown fields are not judged here.
An element of a keyed list without its key is found here as well, in the layer that holds it.
Works on patches too: null members and `$` directives are passed over.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from executor.manifest.errors import ManifestError
from executor.manifest.merge_rules import merge_key
from executor.manifest.pod_schema import POD, Field, fields_of

# Kubernetes API reference, `Quantity`.
_QUANTITY = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?")


# Kubernetes takes imagePullSecrets without a name, and charts write them.
_NAMELESS = frozenset({"V1LocalObjectReference"})


class _Wrong(Exception):  # caught in this module only
    def __init__(self, problem: str, advice: str) -> None:
        super().__init__(problem)
        self.problem, self.advice = problem, advice
        self.steps: list[str] = []


def check_types(pod: Any, layer: str) -> None:
    """Raise ManifestError(layer, field path) for the first value in `pod` whose type Kubernetes would refuse."""
    try:
        _check_object(pod, POD)
    except _Wrong as wrong:
        path = "".join(reversed(wrong.steps)).removeprefix(".")
        raise ManifestError(layer, path, wrong.problem, wrong.advice) from None


def _check_object(value: Any, model: str) -> None:
    if not isinstance(value, dict):
        raise _wrong_kind(value, "a map")
    fields = fields_of(model)
    for name, item in value.items():
        field = fields.get(name)
        if field is None or item is None:
            continue
        try:
            _check_field(item, field, merge_key(model, name))
        except _Wrong as wrong:
            wrong.steps.append(f".{name}")
            raise


def _check_field(value: Any, field: Field, key: str | None) -> None:
    if field.shape == "object":
        _check_object(value, field.leaf)
    elif field.shape == "value":
        _check_leaf(value, field.leaf)
    elif field.shape == "list":
        _check_list(value, field.leaf, key)
    else:
        _check_map(value, field.leaf)


def _check_list(value: Any, leaf: str, key: str | None) -> None:
    if not isinstance(value, list):
        raise _wrong_kind(value, "a list")
    check = _check_leaf if leaf in _LEAVES else _check_object
    for index, item in enumerate(value):
        try:
            check(item, leaf)
            if key and leaf not in _NAMELESS:
                _require_key(item, key)
        except _Wrong as wrong:
            wrong.steps.append(f"[{_label(item, key, index)}]")
            raise


def _require_key(item: Any, key: str) -> None:
    if isinstance(item, dict) and item.get(key) is None and item.get("$patch") != "replace":
        raise _Wrong(f"has no {key}", f"give it a {key}: elements of this list are found by it, never by position")


def _label(item: Any, key: str | None, index: int) -> Any:
    name = item.get(key or "name") if isinstance(item, dict) else None
    return index if name is None or isinstance(name, dict | list) else name


def _check_map(value: Any, leaf: str) -> None:
    if not isinstance(value, dict):
        raise _wrong_kind(value, "a map")
    for name, item in value.items():
        if item is None or name[:1] == "$":
            continue
        try:
            _check_leaf(item, leaf)
        except _Wrong as wrong:
            wrong.steps.append(f"[{name}]" if "." in name or "/" in name else f".{name}")
            raise


class _Leaf(NamedTuple):
    holds: Callable[[Any], bool]
    wanted: str


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_int(value: Any) -> bool:
    return type(value) is int


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_quantity(value: Any) -> bool:
    return _is_number(value) or (isinstance(value, str) and _QUANTITY.fullmatch(value) is not None)


_LEAVES: dict[str, _Leaf] = {
    "str": _Leaf(_is_text, "text"),
    "int": _Leaf(_is_int, "a whole number"),
    "bool": _Leaf(lambda value: isinstance(value, bool), "true or false"),
    "quantity": _Leaf(_is_quantity, "a quantity such as 500m, 0.5 or 2Gi"),
    "int-or-str": _Leaf(lambda value: _is_int(value) or _is_text(value), "a whole number or text"),
    "datetime": _Leaf(_is_text, "text"),
    "any": _Leaf(lambda _: True, "anything"),
}


def _check_leaf(value: Any, leaf: str) -> None:
    holds, wanted = _LEAVES[leaf]
    if not holds(value):
        raise _wrong_leaf(value, wanted)


def _wrong_leaf(value: Any, wanted: str) -> _Wrong:
    shown = f" {json.dumps(value)}" if isinstance(value, str) and len(value) <= 40 else ""
    problem = f"is {_describe(value)}{shown}; Kubernetes wants {wanted}"
    if wanted == "text" and isinstance(value, bool | int | float):
        return _Wrong(problem, f'quote it: "{json.dumps(value)}"')
    if isinstance(value, str) and wanted in ("a whole number", "true or false") and _unquoted(value, wanted):
        return _Wrong(problem, f"write it without quotes: {value}")
    return _Wrong(problem, f"write {wanted}")


def _unquoted(value: str, wanted: str) -> bool:
    return value in ("true", "false") if wanted == "true or false" else re.fullmatch(r"[+-]?\d+", value) is not None


def _wrong_kind(value: Any, wanted: str) -> _Wrong:
    """Texts are not shown: they may be anything, a secret included."""
    problem = f"is {_describe(value)}; Kubernetes wants {wanted}"
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "<"):
        return _Wrong(problem, "write a dict: other objects become text when Airflow stores the DAG")
    return _Wrong(problem, f"write {wanted}")


def _describe(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return f"the boolean {json.dumps(value)}"
    if isinstance(value, int | float):
        return f"the number {value}"
    for kind, name in ((str, "text"), (dict, "a map"), (list, "a list")):
        if isinstance(value, kind):
            return name
    return f"a {type(value).__name__}"
