"""The functions of Go's text/template itself, after funcs.go."""

from __future__ import annotations

import urllib.parse
from collections.abc import Hashable

from executor.templating.errors import Refusal
from executor.templating.functions.registry import Table
from executor.templating.limits import measure
from executor.templating.printf import sprintf
from executor.templating.printing import NO_VALUE, is_print, show, sprint, sprintln
from executor.templating.values import (
    NilList,
    NilStrings,
    Struct,
    Value,
    as_index,
    is_integer,
    is_true,
    kind,
    type_name,
    utf8,
    zero,
)

BUILTINS = Table()
_SIGNED = ("int", "int64")
_HTML = str.maketrans({'"': "&#34;", "'": "&#39;", "&": "&amp;", "<": "&lt;", ">": "&gt;", "\0": "\ufffd"})
_JS = {"\\": "\\\\", "'": "\\'", '"': '\\"', "<": "\\u003C", ">": "\\u003E", "&": "\\u0026", "=": "\\u003D"}

BUILTINS.add("and", "any ...any", lambda *values: values[-1])  # the evaluator carries these two out
BUILTINS.add("or", "any ...any", lambda *values: values[-1])
BUILTINS.add("not", "any", lambda value: not is_true(value))
BUILTINS.add("print", "...any", lambda *values: sprint(values))
BUILTINS.add("println", "...any", lambda *values: sprintln(values))
BUILTINS.add("printf", "string ...any", lambda form, *values: sprintf(form, values))
BUILTINS.add("html", "...any", lambda *values: _joined(values).translate(_HTML))
BUILTINS.add("js", "...any", lambda *values: "".join(_js(char) for char in _joined(values)))


@BUILTINS.function("urlquery", "...any")
def urlquery(*values: Value) -> str:
    return urllib.parse.quote_plus(utf8(_joined(values)), safe="")


def _joined(values: tuple[Value, ...]) -> str:
    return sprint([NO_VALUE if value is None else value for value in values])


def _js(char: str) -> str:
    if char in _JS:
        return _JS[char]
    if char < " ":
        return f"\\u00{ord(char):02X}"
    return char if is_print(char) else f"\\u{ord(char):04X}"


@BUILTINS.function("call", "any ...any")
def call(value: Value, *args: Value) -> Value:
    raise Refusal(f"error calling call: non-function of type {type_name(value)}")


@BUILTINS.function("len", "any")
def length(value: Value) -> int:
    if isinstance(value, str):
        return len(value) if value.isascii() else len(utf8(value))
    if isinstance(value, list | dict):
        return len(value)
    if value is None:
        raise Refusal("len of nil pointer", "Give it a default, such as `list`.")
    raise Refusal(f"len of type {type_name(value)}")


@BUILTINS.function("index", "any ...any")
def index(value: Value, *keys: Value) -> Value:
    if value is None:
        raise Refusal("index of untyped nil", "What is indexed is missing: set it, or give it a default.")
    for key in keys:
        value = _item(value, key)
    return value


def _item(value: Value, key: Value) -> Value:
    if isinstance(value, dict):
        if not isinstance(key, str):
            raise Refusal(f"value has type {type_name(key)}; should be string")
        return value.get(key, zero(value))
    if isinstance(value, list | str):
        whole = as_index(key)
        items = utf8(value) if isinstance(value, str) else value
        if not 0 <= whole < len(items):
            raise Refusal(f"index out of range: {whole}", f"There are {len(items)}; the first is 0.")
        return items[whole]
    if value is None:
        raise Refusal("index of nil pointer", "Something on the way is missing.")
    raise Refusal(f"can't index item of type {type_name(value)}")


# comparison


def basic_kind(value: Value) -> str:
    """Go's group of types for comparison. Raises Refusal for what cannot be compared by order."""
    if isinstance(value, bool):
        return "bool"
    if is_integer(value):
        return "int" if kind(value) in _SIGNED else "uint"
    if isinstance(value, float):
        return "float"
    if isinstance(value, str):
        return "string"
    raise Refusal("invalid type for comparison")


@BUILTINS.function("eq", "any ...any")
def eq(first: Value, *others: Value) -> bool:
    """Whether the first equals any of the others."""
    if not others:
        raise Refusal("missing argument for comparison")
    return any(_equal(first, other) for other in others)


def _equal(one: Value, other: Value) -> bool:
    if one is None or other is None:
        return _is_nil(one) and _is_nil(other)
    kinds = _group(one), _group(other)
    if kinds[0] != kinds[1] and set(kinds) != {"int", "uint"}:
        raise _mixed(one, other)
    if _is_nil(one) or _is_nil(other):
        return _is_nil(one) and _is_nil(other)
    if isinstance(other, list | dict) or isinstance(one, list | dict):
        raise Refusal(f"non-comparable type {show(other)[:80]}: {type_name(other)}", "Use `deepEqual`.")
    return bool(one == other)


def _is_nil(value: Value) -> bool:
    return value is None or isinstance(value, NilList | NilStrings)


def _group(value: Value) -> str:
    """As basic_kind, but lists, maps and structs are groups too."""
    try:
        return basic_kind(value)
    except Refusal:
        return kind(value)


def _mixed(one: Value, other: Value) -> Refusal:
    return Refusal(
        f"incompatible types for comparison: {type_name(one)} and {type_name(other)}",
        "Convert one of them: `int`, `float64` or `toString`.",
    )


BUILTINS.add("ne", "any any", lambda one, other: not eq(one, other))


@BUILTINS.function("lt", "any any")
def lt(one: Value, other: Value) -> bool:
    kinds = basic_kind(one), basic_kind(other)
    if kinds[0] != kinds[1] and set(kinds) != {"int", "uint"}:
        raise _mixed(one, other)
    if kinds[0] == "bool":
        raise Refusal("invalid type for comparison")
    return bool(utf8(one) < utf8(other)) if kinds[0] == "string" else bool(one < other)


BUILTINS.add("le", "any any", lambda one, other: lt(one, other) or eq(one, other))
BUILTINS.add("gt", "any any", lambda one, other: not (lt(one, other) or eq(one, other)))
BUILTINS.add("ge", "any any", lambda one, other: not lt(one, other))


def deep_equal(one: Value, other: Value) -> bool:
    """reflect.DeepEqual: types count too."""
    return fingerprint(one) == fingerprint(other)


def fingerprint(value: Value) -> Hashable:
    """What is the same for values that reflect.DeepEqual calls equal. Raises Refusal for one too large to compare."""
    measure(value)
    return _fingerprint(value)


def _fingerprint(value: Value) -> Hashable:
    if isinstance(value, list):
        return type(value), tuple(map(_fingerprint, value))
    if isinstance(value, dict):
        return type(value), frozenset((key, _fingerprint(item)) for key, item in value.items())
    if isinstance(value, Struct):
        return value.type_name, value.shown or id(value)
    return type(value), value


BUILTINS.add("deepEqual", "any any", deep_equal)
