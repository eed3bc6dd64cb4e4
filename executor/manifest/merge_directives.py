"""The directives of a strategic merge patch.

They are `$patch`, `$retainKeys`, `$setElementOrder/<list>` and `$deleteFromPrimitiveList/<list>`. Meaning and errors
are those of apimachinery/pkg/util/strategicpatch. Nothing here changes its arguments unless it says so. Excluded: the
walk through the Pod, which is `merge`'s.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from executor.manifest.errors import MergeError

PATCH: Final = "$patch"
RETAIN_KEYS: Final = "$retainKeys"
SET_ORDER: Final = "$setElementOrder/"
DELETE_FROM: Final = "$deleteFromPrimitiveList/"

NOTHING: Final = object()

JsonMap = dict[str, Any]


def apply_to_map(patch: JsonMap) -> JsonMap:
    """Return what a map becomes whose patch holds `$patch`: the patch itself for `replace`, empty for `delete`."""
    directive = patch[PATCH]
    if directive == "replace":
        return {key: value for key, value in patch.items() if key != PATCH}
    if directive == "delete":
        return {}
    raise MergeError(f"$patch is {directive!r}; it can be 'replace' or 'delete'")


def apply_to_list(current: list[Any], patch: list[JsonMap], by: str) -> tuple[list[Any], list[JsonMap]]:
    """Return the elements of `current` that stay, and the elements of `patch` that are no directives."""
    plain = [element for element in patch if PATCH not in element]
    if len(plain) == len(patch):
        return current, plain
    gone: list[Any] = []
    for index, element in enumerate(patch):
        directive = element.get(PATCH, "replace")
        if directive not in ("delete", "replace"):
            raise MergeError(f"$patch is {directive!r}; in a list it can be 'replace' or 'delete'", f"[{index}]")
        if directive == "delete":
            gone.append(key_of(element, by, index))
    if any(element.get(PATCH) == "replace" for element in patch):
        return plain, []
    return [element for element in current if element.get(by, NOTHING) not in gone], plain


def sets_something(value: Any) -> bool:
    """Tell whether a patch's value leaves a field behind, rather than deleting it."""
    return value is not None and not (isinstance(value, dict) and value.get(PATCH) == "delete")


def without_directives(value: Any, *, nulls: bool = False) -> Any:
    """Return `value` without maps that hold `$patch` (NOTHING if it is one), without null members unless `nulls`."""
    if isinstance(value, dict):
        return NOTHING if PATCH in value else _cleaned_members(value, nulls)
    if isinstance(value, list):
        items = (without_directives(item, nulls=nulls) for item in value)
        return [item for item in items if item is not NOTHING]
    return value


def _cleaned_members(mapping: JsonMap, nulls: bool) -> JsonMap:
    members = ((key, without_directives(item, nulls=nulls)) for key, item in mapping.items())
    return {key: item for key, item in members if item is not NOTHING and (nulls or item is not None)}


def in_turn(patch: JsonMap) -> Iterable[str]:
    """Return the keys of `patch`, those of `$setElementOrder` first: they merge their list."""
    if any(key[:1] == "$" for key in patch):
        return sorted(patch, key=lambda key: not key.startswith(SET_ORDER))
    return patch


def retain_keys(base: JsonMap, patch: JsonMap) -> JsonMap:
    """Return a copy of `base`, with only the keys that `$retainKeys` of the patch names, if it has one."""
    if RETAIN_KEYS not in patch:
        return dict(base)
    names = patch[RETAIN_KEYS]
    if not isinstance(names, list):
        raise MergeError("is not a list", RETAIN_KEYS)
    for key, value in patch.items():
        if value is not None and not key.startswith((RETAIN_KEYS, SET_ORDER, DELETE_FROM)) and key not in names:
            raise MergeError(f"lacks {key!r}, which the patch sets", RETAIN_KEYS)
    return {key: value for key, value in base.items() if key in names}


def delete_from(merged: JsonMap, field: str, values: Any) -> None:
    """Remove `values` from the list `field` of `merged` (which is changed; the list itself is not)."""
    if not field or not isinstance(values, list):
        raise MergeError("wants the name of a list behind the slash and a list of values")
    current = merged.get(field)
    if isinstance(current, list):
        merged[field] = [item for item in current if item not in values]


def holds_maps(current: list[Any], patch: list[Any]) -> bool:
    """Tell whether the elements of both lists are maps; MergeError if they are of several types or lists."""
    kinds = {_kind(element) for element in (*current, *patch)}
    if len(kinds) > 1 or "list" in kinds:
        raise MergeError("has elements of several types" if len(kinds) > 1 else "has lists as elements")
    return kinds == {"dict"}


def _kind(element: Any) -> str:
    return "dict" if isinstance(element, dict) else type(element).__name__


def key_of(element: JsonMap, by: str, index: int) -> Any:
    """Return the merge key of a list element; MergeError with the element's index if it has none."""
    name = element.get(by)
    if name is None or isinstance(name, dict | list):
        raise MergeError(f"has no {by}; elements of this list are merged by their {by}", f"[{index}]")
    return name


def places(elements: list[Any], by: str) -> dict[Any, int]:
    """Return merge key -> index of the first element that has it."""
    found: dict[Any, int] = {}
    for index, element in enumerate(elements):
        found.setdefault(key_of(element, by, index), index)
    return found


def check_order(current: Any, patch: Any, order: Any, by: str | None) -> None:
    """Raise MergeError unless `$setElementOrder` names each element of the patch, in the order of the patch."""
    if not all(isinstance(value, list) for value in (order, current, patch)):
        raise MergeError("wants lists: the order, and the list that is put in order")
    given = [_name(element, by) for element in patch if not (isinstance(element, dict) and PATCH in element)]
    rest = iter([_name(element, by) for element in order])
    # `in` consumes the iterator up to the name it finds, so that the next one is looked for behind it.
    if order and not all(name in rest for name in given):
        raise MergeError("does not name the elements of the patch in their order")


def in_order(merged: list[Any], order: list[Any], before: list[Any], by: str | None) -> list[Any]:
    """Return `merged` in the order of `$setElementOrder`; elements it does not name keep their place among the old."""
    rank = {_name(element, by): index for index, element in enumerate(order)}
    old = {_name(element, by): index for index, element in enumerate(before)}
    named = sorted((e for e in merged if _name(e, by) in rank), key=lambda e: rank[_name(e, by)])
    others = [e for e in merged if _name(e, by) not in rank]
    result: list[Any] = []
    while named and others:
        # Only two old elements have an order among themselves; a new one stays beside the one named before it.
        mine, theirs = old.get(_name(named[0], by), -1), old.get(_name(others[0], by), -1)
        result.append((others if 0 <= theirs < mine else named).pop(0))
    return result + named + others


def _name(element: Any, by: str | None) -> Any:
    if not isinstance(element, dict):
        return element
    if not by or by not in element:
        raise MergeError("has an element without the key it is merged by")
    return element[by]
