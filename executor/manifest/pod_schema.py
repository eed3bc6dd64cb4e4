"""The field types of a Pod, from a table that is generated from the Kubernetes client and checked in.

Used to name wrong types before a create, to walk a merge by type, and to propose the right name of a misspelled field.
Excluded: any judgement about unknown fields. Clusters are newer than this table; the API server judges.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

POD = "V1Pod"

Shape = Literal["value", "map", "list", "object"]


class Field(NamedTuple):
    """Type of one field: `shape` says how values are held, `leaf` what they are.

    `leaf` is a model name for `object` and for lists or maps of objects, else one of str, int, bool, float, quantity,
    datetime, any.
    """

    shape: Shape
    leaf: str


_LIST = re.compile(r"list\[(.+)\]")
_MAP = re.compile(r"dict\[str, (.+)\]")


def _parse(kind: str, models: frozenset[str]) -> Field:
    for pattern, shape in ((_LIST, "list"), (_MAP, "map")):
        if match := pattern.fullmatch(kind):
            return Field("list" if shape == "list" else "map", _leaf(match[1]))
    return Field("object", kind) if kind in models else Field("value", _leaf(kind))


def _leaf(kind: str) -> str:
    return "any" if kind == "object" else kind


@cache
def schema() -> dict[str, dict[str, Field]]:
    """Return model name -> field name -> `Field`."""
    raw = json.loads(Path(__file__).with_name("pod_schema.json").read_text("utf-8"))
    models = frozenset(raw)
    return {model: {name: _parse(kind, models) for name, kind in fields.items()} for model, fields in raw.items()}


_NO_FIELDS: dict[str, Field] = {}


def fields_of(model: str | None) -> dict[str, Field]:
    """Return the known fields of `model`; none for a model (or the inside of a field) that the table lacks."""
    return schema().get(model, _NO_FIELDS) if model else _NO_FIELDS
