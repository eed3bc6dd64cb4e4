"""The fields of every kind, and the decoding of JSON by them as the API server decodes it.

Compiled once from the models of the official Python client, so every field of its Kubernetes version is known.
Decoding returns a fresh object without nulls and unknown fields, and collects what a strict server names: unknown
fields in the order of the document. Wrong types are refused at once with the sentence of Go's decoder. Sources:
apimachinery ``pkg/runtime/serializer/json``, ``encoding/json`` (``UnmarshalTypeError``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from executor.localcluster.quantity import QuantityError, canonical
from executor.localcluster.types import Json

_INT64 = frozenset(
    {
        "activeDeadlineSeconds",
        "deletionGracePeriodSeconds",
        "expirationSeconds",
        "fsGroup",
        "generation",
        "gracePeriodSeconds",
        "observedGeneration",
        "runAsGroup",
        "runAsUser",
        "supplementalGroups",
        "terminationGracePeriodSeconds",
        "tolerationSeconds",
    }
)
_QUANTITIES = frozenset(
    {"limits", "requests", "capacity", "allocatable", "hard", "used", "overhead", "sizeLimit", "divisor", "max", "min",
     "default", "defaultRequest", "maxLimitRequestRatio", "allocatedResources"}
)  # fmt: skip
_BYTE_FIELDS = frozenset({("V1Secret", "data"), ("V1ConfigMap", "binaryData")})
_TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$")
_GO_PREFIX = re.compile(r"^(V1alpha\d+|V1beta\d+|V\d+|Core)?(V1)?")


class TypeMismatchError(ValueError):
    """A value of the wrong type; the message is Go's sentence."""


@dataclass(slots=True)
class Report:
    """What decoding found and did not refuse at once: strict errors in the order of the document."""

    strict: list[str] = field(default_factory=list)


Place = tuple[Any, ...]
"""Where the decoder is: ``()``, ``(outer, struct, field)`` or ``(outer, index)``; read only when there is an error."""


def path_of(place: Place) -> str:
    """The place as strict errors name it: ``spec.containers[0].name``."""
    if not place:
        return ""
    outer = path_of(place[0])
    if len(place) == 2:
        return f"{outer}[{place[1]}]"
    return f"{outer}.{place[2]}" if outer else str(place[2])


def go_path_of(place: Place) -> str:
    """The place as Go's decoder names it: the innermost struct, then the fields without indexes."""
    fields: list[str] = []
    struct = ""
    while place:
        if len(place) == 3:
            struct = struct or place[1]
            fields.append(place[2])
        place = place[0]
    return ".".join([struct, *reversed(fields)]) if struct else ""


Decode = Callable[[Any, Place, Report], Any]


def json_kind(value: Any) -> str:
    """The type of a JSON value in the words of Go's decoder."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "number"
    if isinstance(value, float):
        return f"number {value!r}"
    names: dict[type, str] = {str: "string", list: "array", dict: "object"}
    return names.get(type(value), "null")


def _mismatch(value: Any, place: Place, wanted: str) -> TypeMismatchError:
    go_path = go_path_of(place)
    where = f"Go struct field {go_path}" if go_path else "Go value"
    return TypeMismatchError(f"json: cannot unmarshal {json_kind(value)} into {where} of type {wanted}")


def _scalar(wanted: str, *types: type) -> Decode:
    def decode(value: Any, place: Place, report: Report) -> Any:
        if type(value) not in types:
            raise _mismatch(value, place, wanted)
        return value

    return decode


def _quantity(value: Any, place: Place, report: Report) -> str:
    try:
        return canonical(value.strip() if isinstance(value, str) else _quantity_text(value))
    except QuantityError as error:
        raise TypeMismatchError(str(error)) from None


def _quantity_text(value: Any) -> str:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return repr(value)
    return json_kind(value)


def _int_or_string(value: Any, place: Place, report: Report) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise TypeMismatchError(f"json: cannot unmarshal {json_kind(value)} into Go value of type int32")
    return value


def _anything(value: Any, place: Place, report: Report) -> Any:
    return value


def _time(value: Any, place: Place, report: Report) -> str:
    if not isinstance(value, str):
        raise TypeMismatchError(f"json: cannot unmarshal {json_kind(value)} into Go value of type string")
    if not _TIME.match(value):
        layout = "2006-01-02T15:04:05Z07:00"
        raise TypeMismatchError(f'parsing time "{value}" as "{layout}": cannot parse "{value}" as "2006"')
    return value


_BASE64 = re.compile(r"[A-Za-z0-9+/]*")


def _bytes(value: Any, place: Place, report: Report) -> str:
    """Base64, as Go reads a ``[]byte``: standard alphabet, padded."""
    if not isinstance(value, str):
        raise _mismatch(value, place, "[]uint8")
    text = value.replace("\n", "").replace("\r", "")
    body = text.rstrip("=")
    good = _BASE64.match(body)
    if len(text) % 4 or len(text) - len(body) > 2 or good is None or good.end() != len(body):
        whole = good is not None and good.end() == len(body)
        position = good.end() if good and not whole else min(len(body), len(text) // 4 * 4)
        raise TypeMismatchError(f"illegal base64 data at input byte {position}")
    return text


@dataclass(frozen=True, slots=True, eq=False)
class ListOf:
    """A JSON array; ``go`` is the Go type of the whole list."""

    item: Shape
    go: str

    def decode(self, value: Any, place: Place, report: Report) -> Any:
        if not isinstance(value, list):
            raise _mismatch(value, place, self.go)
        decode, empty = self.item.decode, {} if isinstance(self.item, Struct) else ""
        items = enumerate(value)
        return [decode(item, (place, i), report) if item is not None else empty for i, item in items]


@dataclass(frozen=True, slots=True, eq=False)
class MapOf:
    """A JSON object with free keys."""

    item: Shape
    go: str

    def decode(self, value: Any, place: Place, report: Report) -> Any:
        if not isinstance(value, dict):
            raise _mismatch(value, place, self.go)
        decode = self.item.decode
        return {name: decode(item, place, report) if item is not None else "" for name, item in value.items()}


@dataclass(frozen=True, slots=True, eq=False)
class Leaf:
    """A value without parts."""

    decode: Decode
    go: str


@dataclass(frozen=True, slots=True, eq=False)
class Struct:
    """A JSON object with known fields; ``model`` is the client's class, ``go`` the Go type's name."""

    model: str
    go: str
    fields: dict[str, Shape]

    def decode(self, value: Any, place: Place, report: Report) -> Any:
        if not isinstance(value, dict):
            raise _mismatch(value, place, f"v1.{self.go}")
        result = {}
        for name, item in value.items():
            shape = self.fields.get(name)
            if shape is None:
                report.strict.append(f'unknown field "{path_of((place, self.go, name))}"')
            elif item is not None and (item != {} or not isinstance(shape, MapOf)):  # empty maps are left out
                result[name] = shape.decode(item, (place, self.go, name), report)
        return result


Shape = ListOf | MapOf | Leaf | Struct

_LEAVES: dict[str, Leaf] = {
    "str": Leaf(_scalar("string", str), "string"),
    "int": Leaf(_scalar("int32", int), "int32"),
    "bool": Leaf(_scalar("bool", bool), "bool"),
    "float": Leaf(_scalar("float64", int, float), "float64"),
    "datetime": Leaf(_time, "Time"),
    "object": Leaf(_int_or_string, "IntOrString"),
}
_QUANTITY = Leaf(_quantity, "Quantity")
_BYTES = Leaf(_bytes, "[]uint8")
_LONG = Leaf(_scalar("int64", int), "int64")
_FREE = Leaf(_anything, "interface {}")


def go_name(model: str) -> str:
    """The Go name of a model: ``V1PodSpec`` is ``PodSpec``."""
    return _GO_PREFIX.sub("", model, count=1)


@cache
def struct_of(model: str) -> Struct:
    """The schema of a model class of ``kubernetes.client.models``; ``KeyError`` when there is none."""
    import kubernetes.client.models as models  # slow to import, and wanted by the server only

    cls: Any = vars(models)[model]
    fields: dict[str, Shape] = {}
    struct = Struct(model, go_name(model), fields)
    for attribute, type_name in cls.openapi_types.items():
        name = cls.attribute_map[attribute]
        fields[name] = _shape(type_name, name, model)
    return struct


def _shape(type_name: str, name: str, model: str) -> Shape:
    """The shape of one field, from the client's name of its type: ``list[V1EnvVar]``, ``dict[str, str]``, ``int``."""
    if type_name.startswith("list["):
        item = _shape(type_name[5:-1], name, model)
        return ListOf(item, f"[]{_go_type(item)}")
    if type_name.startswith("dict[str, "):
        item = _shape(type_name[10:-1], name, model)
        return MapOf(item, f"map[string]{_go_type(item)}")
    return _special_leaf(type_name, name, model) or _LEAVES.get(type_name) or struct_of(type_name)


def _special_leaf(type_name: str, name: str, model: str) -> Leaf | None:
    """What the client's types do not tell: quantities, bytes, long numbers, free values."""
    rules = (
        (type_name == "str" and name in _QUANTITIES, _QUANTITY),
        (type_name == "str" and (model, name) in _BYTE_FIELDS, _BYTES),
        (type_name == "int" and name in _INT64, _LONG),
        (type_name == "object" and model == "V1ManagedFieldsEntry", _FREE),
    )
    return next((leaf for applies, leaf in rules if applies), None)


def _go_type(shape: Shape) -> str:
    return f"v1.{shape.go}" if isinstance(shape, Struct) else shape.go


def decode_by(model: str, value: Json) -> tuple[Json, list[str]]:
    """A fresh, typed copy of ``value`` and its strict errors; raises :class:`TypeMismatchError`."""
    report = Report()
    decoded: Json = struct_of(model).decode(value, (), report)
    return decoded, report.strict


def compile_schemas(models: Iterable[str]) -> None:
    """Compile ahead, so that no request waits for it (the models take half a second to import)."""
    for model in models:
        struct_of(model)
