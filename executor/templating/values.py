"""Go values in Python: what they are, what is true, how their types are called.

nil None · bool bool · int int · int64 Int64 · uint64 Uint64 · float64 float · string str · []interface{} list ·
[]string Strings · []int Ints · map[string]interface{} dict · map[string]string StringMap · structs Struct.
Bytes that are not UTF-8 live in a str as surrogate escapes. No Python attribute is ever reached from a template:
maps are looked up by key, and a Struct has the fields and methods it lists, nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from executor.templating.errors import Refusal

Value = Any  # one of the above
Methods = Mapping[str, tuple[tuple[str, ...], Callable[..., Value]]]  # by name: kinds of the parameters, and the call


class Int64(int):
    """Go's int64: what arithmetic functions return, and integers in values."""

    __slots__ = ()


class Uint64(int):
    """Go's uint64."""

    __slots__ = ()


class NilList(list[Any]):
    """Go's nil []interface{}: an empty list that JSON shows as null."""

    __slots__ = ()


class Strings(list[str]):
    """Go's []string."""

    __slots__ = ()


class NilStrings(Strings):
    """Go's nil []string."""

    __slots__ = ()


class Ints(list[int]):
    """Go's []int."""

    __slots__ = ()


class StringMap(dict[str, str]):
    """Go's map[string]string: a missing key is the empty string."""

    __slots__ = ()


class ValuesMap(dict[str, Any]):
    """The map under `.Values`, which has a type name of its own."""

    __slots__ = ()


class Struct:
    """A Go struct: named fields, and methods with the kinds of argument they take.

    shown: how it prints; None prints its fields in braces. text: what JSON and YAML have for it; hidden: the
    Python value it stands for, out of a template's reach.
    """

    __slots__ = ("fields", "hidden", "methods", "shown", "text", "type_name")

    def __init__(
        self,
        type_name: str,
        fields: Mapping[str, Value],
        methods: Methods | None = None,
        shown: str | None = None,
        text: str | None = None,
        hidden: object = None,
    ) -> None:
        self.type_name = type_name
        self.fields = fields
        self.methods = methods or {}
        self.shown = shown
        self.text = text
        self.hidden = hidden


class TypedNil:
    """A nil out of a list or map that became dot or a loop variable: Go refuses its fields, but not a plain nil's."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "TYPED_NIL"


TYPED_NIL = TypedNil()

_TYPE_NAMES: dict[type, str] = {
    type(None): "<nil>",
    bool: "bool",
    int: "int",
    Int64: "int64",
    Uint64: "uint64",
    float: "float64",
    str: "string",
    list: "[]interface {}",
    NilList: "[]interface {}",
    Strings: "[]string",
    NilStrings: "[]string",
    Ints: "[]int",
    dict: "map[string]interface {}",
    StringMap: "map[string]string",
    ValuesMap: "chartutil.Values",
}
_KINDS: dict[type, str] = {
    type(None): "invalid",
    list: "slice",
    NilList: "slice",
    Strings: "slice",
    NilStrings: "slice",
    Ints: "slice",
    dict: "map",
    StringMap: "map",
    ValuesMap: "map",
}


def type_name(value: Value) -> str:
    """What `%T` prints."""
    if isinstance(value, Struct):
        return value.type_name
    return _TYPE_NAMES[type(value)]


def kind(value: Value) -> str:
    """What sprig's kindOf says."""
    if isinstance(value, Struct):
        if value.type_name.startswith("*"):
            return "ptr"
        return {"common.VersionSet": "slice", "engine.files": "map"}.get(value.type_name, "struct")
    return _KINDS.get(type(value)) or _TYPE_NAMES[type(value)]


def is_true(value: Value) -> bool:
    """Go's truth: false, 0, nil, and empty strings, lists and maps are not; structs are."""
    if isinstance(value, Struct) and kind(value) == "map":
        return bool(value.fields)
    return bool(value)


def is_integer(value: Value) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def utf8(text: str) -> bytes:
    """The bytes Go would hold."""
    return text.encode("utf-8", "surrogateescape")


def from_bytes(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def zero(value: Value) -> Value:
    """What a missing key of this map gives."""
    return "" if isinstance(value, StringMap) else None


def adopt(value: object, *, floats: bool, path: str = "values") -> Value:
    """A deep copy of plain Python data as Go values; with floats every number becomes a float64, as in Helm.

    A Struct stays what it is. Raises TypeError for anything but maps, lists, text, numbers, booleans and None.
    """
    kind_of = type(value)
    if kind_of is str or kind_of is bool or value is None or kind_of is Struct:
        return value
    if isinstance(value, Mapping):
        return {str(key): adopt(item, floats=floats, path=f"{path}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [adopt(item, floats=floats, path=f"{path}[{at}]") for at, item in enumerate(value)]
    if isinstance(value, int):
        return float(value) if floats or not -(2**63) <= value < 2**63 else Int64(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, str):
        return str(value)
    raise TypeError(f"{path} is a {kind_of.__name__}: values are maps, lists, text, numbers, booleans and None")


def as_index(key: Value) -> int:
    """A list's index out of any of Go's integers. Raises Refusal."""
    if is_integer(key):
        return int(key)
    if key is None:
        raise Refusal("cannot index slice/array with nil")
    raise Refusal(f"cannot index slice/array with type {type_name(key)}", "Convert it with `int`.")
