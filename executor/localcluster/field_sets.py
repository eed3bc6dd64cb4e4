"""Fields of objects as server-side apply speaks of them: sets of paths, and merging by the same paths.

A path is a tuple of elements as ``FieldsV1`` writes them: ``f:name`` is a field, ``k:{"name":"base"}`` an item of a
keyed list, ``v:"x"`` a member of a set. What merges as a whole (atomic) is one path. Pure: inputs are not changed.
Source: ``sigs.k8s.io/structured-merge-diff``, ``fieldpath`` and ``typed``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from executor.localcluster.merge_keys import APPLY_KEYS, ATOMIC_MAPS, ATOMIC_STRUCTS, KEY_DEFAULTS
from executor.localcluster.schema import ListOf, MapOf, Shape, Struct
from executor.localcluster.types import Json

Path = tuple[str, ...]
Paths = frozenset[Path]
_SELF = "."


class DuplicateKeyError(ValueError):
    """Two items of a keyed list have the same key; the message is the path and what stands there twice."""


@dataclass(frozen=True, slots=True)
class Part:
    """One value with what says how it merges: ``keys`` of a list (empty: a set), ``None`` for what is atomic."""

    element: str
    shape: Shape | None
    keys: tuple[str, ...] | None
    value: Any


def whole(shape: Struct, value: Json) -> Part:
    """An object itself, where every walk starts."""
    return Part("", shape, (), value)


def parts_of(part: Part) -> Iterator[Part]:
    """What a value consists of; nothing for what is atomic."""
    shape, value = part.shape, part.value
    if part.keys is None:
        return
    if isinstance(value, dict) and isinstance(shape, Struct):
        yield from (Part(f"f:{name}", shape.fields.get(name), _keys(shape, name), item) for name, item in value.items())
    elif isinstance(value, dict) and isinstance(shape, MapOf):
        keys = () if isinstance(shape.item, Struct) else None
        yield from (Part(f"f:{name}", shape.item, keys, item) for name, item in value.items())
    elif isinstance(value, list) and isinstance(shape, ListOf):
        keys = () if part.keys else None
        yield from (Part(_item_element(item, part.keys), shape.item, keys, item) for item in value)


def _keys(struct: Struct, name: str) -> tuple[str, ...] | None:
    shape = struct.fields.get(name)
    if isinstance(shape, ListOf):
        return APPLY_KEYS.get(struct.model, {}).get(name)
    if isinstance(shape, MapOf):
        return None if (struct.model, name) in ATOMIC_MAPS else ()
    return () if isinstance(shape, Struct) and shape.model not in ATOMIC_STRUCTS else None


def _item_element(item: Any, keys: tuple[str, ...]) -> str:
    if not keys:
        return f"v:{json.dumps(item, separators=(',', ':'))}"
    key = {name: item.get(name, KEY_DEFAULTS.get(name, "")) for name in sorted(keys)}
    return f"k:{json.dumps(key, separators=(',', ':'))}"


def leaves(part: Part, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """(path, value) of everything that has an owner: values without parts, and items of keyed lists themselves.

    An empty keyed list has none: nobody says anything about it.
    Raises :class:`DuplicateKeyError`.
    """
    seen: set[str] = set()
    for child in parts_of(part):
        here = (*path, child.element)
        if child.element in seen:
            raise DuplicateKeyError(f"{dotted(path)}: duplicate entries for key {_shown(child.element)}")
        seen.add(child.element)
        below = list(leaves(child, here))
        if child.element.startswith("k:"):
            yield here, None
        elif not below and not (isinstance(child.value, list) and child.keys is not None):
            yield here, child.value
        yield from below


def merged(live: Part, config: Part) -> Any:
    """``live`` with ``config`` over it; keyed lists are in the order of ``config``, others stay behind theirs."""
    if live.keys is None or type(live.value) is not type(config.value):
        return config.value
    old = {part.element: part for part in parts_of(live)}
    new = {part.element: merged(old[part.element], part) if part.element in old else part.value
           for part in parts_of(config)}  # fmt: skip
    if isinstance(config.value, dict):
        values = {element: part.value for element, part in old.items()} | new
        return {element.removeprefix("f:"): value for element, value in values.items()}
    return [new[element] if element in new else old[element].value for element in _ordered(list(old), list(new))]


def _ordered(old: list[str], new: list[str]) -> list[str]:
    """All elements, the new ones in their order, each followed by the old ones that stood behind it."""
    ranks = {element: rank for rank, element in enumerate(new)}
    rank, placed = -1, []
    for index, element in enumerate([*old, *(element for element in new if element not in old)]):
        rank = ranks.get(element, rank)
        placed.append((rank, index, element))
    return [element for _, _, element in sorted(placed)]


def without(part: Part, path: Path) -> Any:
    """The value without what stands at ``path``; the same value where nothing does."""
    element, rest = path[0], path[1:]
    found = {child.element: child for child in parts_of(part)}
    if element not in found:
        return part.value
    kept = {name: child.value for name, child in found.items() if name != element or rest}
    if rest:
        kept[element] = without(found[element], rest)
    if isinstance(part.value, dict):
        return {name.removeprefix("f:"): value for name, value in kept.items()}
    return list(kept.values())


def is_key(path: Path) -> bool:
    """Whether a path is a field by which an item of a list is known."""
    return len(path) > 1 and path[-2].startswith("k:") and path[-1][2:] in json.loads(path[-2][2:])


def closure(paths: Iterable[Path]) -> Paths:
    """The paths with everything above them."""
    return frozenset(path[:length] for path in paths for length in range(1, len(path) + 1))


def encode(paths: Paths) -> Json:
    """Paths as ``FieldsV1``: a tree of elements, ``.`` where a path with others below it is a member itself."""
    tree: Json = {}
    for path in sorted(paths):
        node = tree
        for element in path:
            node = node.setdefault(element, {})
        if path[-1].startswith("k:"):
            node[_SELF] = {}
    return tree


def decode(tree: Json, path: Path = ()) -> Iterator[Path]:
    """The paths of ``FieldsV1``."""
    for element, below in tree.items():
        if element == _SELF:
            yield path
        elif below:
            yield from decode(below, (*path, element))
        else:
            yield (*path, element)


def dotted(path: Path) -> str:
    """A path as sentences have it: ``.spec.containers[name="base"].image``."""
    return "".join(f".{element[2:]}" if element.startswith("f:") else _shown(element) for element in path)


def _shown(element: str) -> str:
    value = json.loads(element[2:])
    if not element.startswith("k:"):
        return f"[={json.dumps(value)}]"
    return "[" + ",".join(f"{name}={json.dumps(item)}" for name, item in value.items()) + "]"
