"""Strategic merge patch, as a real API server applies it (apimachinery ``pkg/util/strategicpatch/patch.go``).

Keyed lists merge by their key, others are replaced; ``$patch``, ``$retainKeys``, ``$setElementOrder`` and
``$deleteFromPrimitiveList`` are honoured. Pure: inputs are not changed.
"""

from __future__ import annotations

from typing import Any

from executor.localcluster.merge_keys import PATCH_KEYS
from executor.localcluster.schema import ListOf, MapOf, Shape, Struct
from executor.localcluster.status import bad_request
from executor.localcluster.types import Json

_ORDER, _DELETE = "$setElementOrder/", "$deleteFromPrimitiveList/"


def strategic_merge(shape: Shape | None, target: Any, patch: Json) -> Json:
    """``target`` with ``patch`` applied; ``shape`` says which lists are keyed. Raises a 400 for a bad directive."""
    directive = patch.get("$patch", "merge")
    if directive == "replace":
        return {name: value for name, value in patch.items() if name != "$patch"}
    if directive == "delete":
        return {}
    if directive != "merge":
        raise bad_request(f"unknown patch type found: {directive}")
    result: Json = dict(target) if isinstance(target, dict) else {}
    for name in set(result) - set(patch.get("$retainKeys", result)):
        del result[name]
    for name, value in patch.items():
        if not name.startswith("$"):
            _merge_field(shape, result, name, value)
    _apply_directives(shape, result, patch)
    return result


def _merge_field(shape: Shape | None, result: Json, name: str, value: Any) -> None:
    if value is None:
        result.pop(name, None)
    elif isinstance(value, dict):
        result[name] = strategic_merge(_field(shape, name), result.get(name), value)
    elif isinstance(value, list) and (key := merge_key(shape, name)) is not None:
        result[name] = _merge_list(_item(shape, name), result.get(name) or [], value, key)
    else:
        result[name] = value


def _apply_directives(shape: Shape | None, result: Json, patch: Json) -> None:
    for name, value in patch.items():
        if name.startswith(_DELETE) and isinstance(result.get(name[len(_DELETE) :]), list):
            field = name[len(_DELETE) :]
            result[field] = [item for item in result[field] if item not in value]
    for name, value in patch.items():
        field = name[len(_ORDER) :]
        if name.startswith(_ORDER) and isinstance(result.get(field), list):
            result[field] = _ordered(result[field], value, merge_key(shape, field) or "")


def _field(shape: Shape | None, name: str) -> Shape | None:
    if isinstance(shape, Struct):
        return shape.fields.get(name)
    return shape.item if isinstance(shape, MapOf) else None


def _item(shape: Shape | None, name: str) -> Shape | None:
    field = _field(shape, name)
    return field.item if isinstance(field, ListOf) else None


def merge_key(shape: Shape | None, name: str) -> str | None:
    """The key by which a list merges: empty for a set of plain values, ``None`` for a list that is replaced."""
    return PATCH_KEYS.get(shape.model, {}).get(name) if isinstance(shape, Struct) else None


def _merge_list(shape: Shape | None, target: list[Any], patch: list[Any], key: str) -> list[Any]:
    if not key:
        return [*target, *(item for item in patch if item not in target)]
    if any(item.get("$patch") == "replace" for item in patch):
        return [item for item in patch if "$patch" not in item]
    result = list(target)
    for item in patch:
        _merge_item(shape, result, item, key)
    return result


def _merge_item(shape: Shape | None, result: list[Any], item: Json, key: str) -> None:
    if key not in item:
        raise bad_request(f"map: {item} does not contain declared merge key: {key}")
    places = [index for index, existing in enumerate(result) if existing.get(key) == item[key]]
    if item.get("$patch") == "delete":
        result[:] = [existing for existing in result if existing.get(key) != item[key]]
    elif places:
        result[places[0]] = strategic_merge(shape, result[places[0]], item)
    else:
        result.append(strategic_merge(shape, {}, item))


def _ordered(items: list[Any], order: list[Any], key: str) -> list[Any]:
    """Items named in ``order`` in that order; others stay behind the item they followed."""
    wanted = [entry.get(key) if isinstance(entry, dict) else entry for entry in order]
    ranks = {value: rank for rank, value in enumerate(wanted)}
    rank, placed = -1, []
    for index, item in enumerate(items):
        rank = ranks.get(item.get(key) if key else item, rank)
        placed.append((rank, index, item))
    return [item for _, _, item in sorted(placed, key=lambda entry: entry[:2])]
