"""Maps, after sprig's dict.go. `set`, `unset`, `merge` and `mergeOverwrite` change the map they are given."""

from __future__ import annotations

from executor.templating.errors import Refusal
from executor.templating.functions.casts import is_map, to_string
from executor.templating.functions.registry import Table
from executor.templating.limits import bounded_count, measure
from executor.templating.printing import sorted_keys
from executor.templating.values import Strings, Value, ValuesMap, is_true, type_name

DICTS = Table()
Map = dict[str, Value]


@DICTS.function("dict", "...any")
def make_dict(*pairs: Value) -> Map:
    """A map of keys and values in turn; a last key without value has the empty string."""
    made: Map = {}
    for at in range(0, len(pairs), 2):
        made[to_string(pairs[at])] = pairs[at + 1] if at + 1 < len(pairs) else ""
    return made


@DICTS.function("get", "map string")
def get(values: Map | None, key: str) -> Value:
    return (values or {}).get(key, "")


@DICTS.function("set", "map string any")
def set_key(values: Map | None, key: str, value: Value) -> Map:
    if values is None:
        raise Refusal("assignment to entry in nil map", "Give it a map: `dict`, or set one in the values.")
    values[key] = value
    bounded_count(len(values), "set")
    return values


@DICTS.function("unset", "map string")
def unset(values: Map | None, key: str) -> Map | None:
    if values is not None:
        values.pop(key, None)
    return values


DICTS.add("hasKey", "map string", lambda values, key: key in (values or {}))
DICTS.add("values", "map", lambda values: [values[key] for key in sorted_keys(values or {})])


@DICTS.function("keys", "...map")
def keys(*maps: Map | None) -> Strings:
    """Keys of all the maps. Go's order is random; ours is sorted."""
    return Strings([key for one in maps for key in sorted_keys(one or {})])


@DICTS.function("pluck", "string ...map")
def pluck(key: str, *maps: Map | None) -> list[Value]:
    return [one[key] for one in maps if one and key in one]


@DICTS.function("pick", "map ...string")
def pick(values: Map | None, *wanted: str) -> Map:
    return {key: values[key] for key in wanted if values and key in values}


@DICTS.function("omit", "map ...string")
def omit(values: Map | None, *unwanted: str) -> Map:
    return {key: item for key, item in (values or {}).items() if key not in unwanted}


@DICTS.function("dig", "...any")
def dig(*path: Value) -> Value:
    """Keys, a default, and the map they lead into."""
    if len(path) < 3:
        raise Refusal("dig needs at least three arguments", "Write `dig KEY ... DEFAULT MAP`.")
    *names, default, value = path
    if not is_map(value) or isinstance(value, ValuesMap):
        raise Refusal(f"dig: interface conversion: {type_name(value)} is not map[string]interface {{}}")
    for name in names:
        if not isinstance(name, str):
            raise Refusal("dig: keys must be strings")
        if not is_map(value):
            raise Refusal(f"dig: what holds {name!r} is not a map")
        if name not in value:
            return default
        value = value[name]
    return value


@DICTS.function("deepCopy mustDeepCopy", "any")
def deep_copy(value: Value) -> Value:
    """A copy that shares nothing with the value."""
    if value is None:
        raise Refusal("reflect: call of reflect.Value.Type on zero Value", "deepCopy takes no nil: use `default dict`.")
    measure(value)
    return _copy(value)


def _copy(value: Value) -> Value:
    if isinstance(value, dict):
        return type(value)({key: _copy(item) for key, item in value.items()})
    return type(value)(_copy(item) for item in value) if isinstance(value, list) else value


@DICTS.function("merge mustMerge", "map ...map")
def merge(target: Map | None, *sources: Map | None) -> Map | None:
    """Fill what is missing (or empty) in the first from the others."""
    return _merge_all(target, sources, overwrite=False)


@DICTS.function("mergeOverwrite mustMergeOverwrite", "map ...map")
def merge_overwrite(target: Map | None, *sources: Map | None) -> Map | None:
    """Lay the others over the first; their empty values do not count."""
    return _merge_all(target, sources, overwrite=True)


def _merge_all(target: Map | None, sources: tuple[Map | None, ...], *, overwrite: bool) -> Map | None:
    for source in sources:
        if source:
            target = {} if target is None else target
            measure(source)
            measure(target)
            merge_into(target, source, overwrite=overwrite)
    return target


def merge_into(target: Map, source: Map, *, overwrite: bool) -> None:
    """mergo's Merge of maps of interface{}."""
    for key, item in source.items():
        if item is None and not overwrite:
            continue
        if key not in target:
            target[key] = item
            continue
        old = target[key]
        if old and isinstance(old, dict) and isinstance(item, dict):
            if type(old) is type(item):
                merge_into(old, item, overwrite=overwrite)
        elif overwrite or not is_true(old):
            target[key] = item
