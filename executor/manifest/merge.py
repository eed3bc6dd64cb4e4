"""Kubernetes' strategic merge patch for Pods, on plain JSON.

Follows apimachinery/pkg/util/strategicpatch of Kubernetes 1.36 (`mergeMap` and below), with two deliberate differences:
(a) a merged list keeps its order and new elements go to its end, as server-side apply does, because `$(VAR)` in `env`
needs it; (b) where two members of a union would result, the patch's wins. Presence decides, never truthiness.

Invariants: the inputs are never changed; the result shares with them whatever the patch did not touch, so it must not
be changed in place either. Unknown fields are merged as maps and replaced as lists.
"""

from __future__ import annotations

from typing import Any

from executor.manifest import merge_directives as directives
from executor.manifest.errors import MergeError
from executor.manifest.merge_rules import PRIMITIVE, merge_key, union_members
from executor.manifest.pod_schema import POD, Field, fields_of

JsonMap = dict[str, Any]


def strategic_merge(base: JsonMap, patch: JsonMap) -> JsonMap:
    """Return the Pod `base` with the strategic merge patch `patch` applied.

    Raises MergeError, with the field path, where Kubernetes would refuse the patch: an element of a keyed list without
    its key, an unknown `$patch`, mixed element types, `$retainKeys` or `$setElementOrder` that do not fit.
    """
    return _merge_map(base, patch, POD)


def _merge_map(base: JsonMap, patch: JsonMap, model: str | None) -> JsonMap:
    if directives.PATCH in patch:
        return directives.apply_to_map(patch)
    merged = directives.retain_keys(base, patch)
    _drop_other_members(merged, patch, model)
    for key in directives.in_turn(patch):
        try:
            _merge_key(merged, key, patch, model)
        except MergeError as error:
            raise error.inside(key) from None
    return merged


def _merge_key(merged: JsonMap, key: str, patch: JsonMap, model: str | None) -> None:
    if key[:1] == "$":
        _apply_directive(merged, key, patch, model)
    elif directives.SET_ORDER + key not in patch and directives.DELETE_FROM + key not in patch:
        _merge_field(merged, key, patch[key], fields_of(model).get(key), merge_key(model, key))


def _merge_field(merged: JsonMap, key: str, value: Any, field: Field | None, by: str | None) -> None:
    current = merged.get(key)
    leaf = field.leaf if field is not None and field.shape in ("object", "list") else None
    if value is None:
        merged.pop(key, None)
    elif isinstance(value, dict) and isinstance(current, dict):
        merged[key] = _merge_map(current, value, leaf)
    elif isinstance(value, list) and isinstance(current, list):
        merged[key] = value if by is None else _merge_list(current, value, by, leaf)
    else:
        _adopt(merged, key, value)


def _adopt(merged: JsonMap, key: str, value: Any) -> None:
    """Take the patch's value where there is nothing to merge it with."""
    kept = directives.without_directives(value)
    if kept is directives.NOTHING:
        merged.pop(key, None)
    else:
        merged[key] = kept


def _drop_other_members(merged: JsonMap, patch: JsonMap, model: str | None) -> None:
    chosen = [name for name in union_members(model, patch) if directives.sets_something(patch[name])]
    if chosen:
        for name in union_members(model, tuple(merged)):
            if name not in chosen:
                del merged[name]


def _merge_list(current: list[Any], patch: list[Any], by: str, model: str | None) -> list[Any]:
    if not current and not patch:
        return current
    if not directives.holds_maps(current, patch):
        if by != PRIMITIVE:
            raise MergeError(f"has elements that are no maps; it is merged by {by!r}")
        return list(dict.fromkeys([*current, *patch]))
    if by == PRIMITIVE:
        raise MergeError("has maps as elements; it is a list of plain values")
    kept, additions = directives.apply_to_list(current, patch, by)
    return _merge_elements(kept, additions, by, model)


def _merge_elements(current: list[Any], patch: list[JsonMap], by: str, model: str | None) -> list[Any]:
    merged = list(current)
    places = directives.places(merged, by)
    for index, element in enumerate(patch):
        name = directives.key_of(element, by, index)
        place = places.get(name)
        if place is None:
            places[name] = len(merged)
            merged.append(element)
            continue
        try:
            merged[place] = _merge_map(merged[place], element, model)
        except MergeError as error:
            raise error.inside(f"[{name}]") from None
    return merged


def _apply_directive(merged: JsonMap, key: str, patch: JsonMap, model: str | None) -> None:
    if key.startswith(directives.DELETE_FROM):
        field = key.removeprefix(directives.DELETE_FROM)
        directives.delete_from(merged, field, patch[key])
        # Deletions come first whatever their place in the patch, so that an addition of the same patch stays.
        if field in patch and directives.SET_ORDER + field not in patch:
            _merge_field(merged, field, patch[field], fields_of(model).get(field), merge_key(model, field))
    elif key.startswith(directives.SET_ORDER):
        _merge_ordered(merged, key.removeprefix(directives.SET_ORDER), patch, model)
    elif key != directives.RETAIN_KEYS:
        _merge_field(merged, key, patch[key], None, None)


def _merge_ordered(merged: JsonMap, field: str, patch: JsonMap, model: str | None) -> None:
    order = patch[directives.SET_ORDER + field]
    before = merged.get(field, [])
    additions = patch.get(field, [])
    by = merge_key(model, field)
    directives.check_order(before, additions, order, by)
    if field not in merged and field not in patch:
        return
    if not before and not additions:
        raise MergeError("has no elements to put in order")
    if field not in merged:
        merged[field] = directives.without_directives(additions, nulls=True)
    elif field in patch:
        _merge_field(merged, field, additions, fields_of(model).get(field), by)
    merged[field] = directives.in_order(merged[field], order, before, by)
