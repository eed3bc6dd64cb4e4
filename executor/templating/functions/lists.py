"""Lists, after sprig's list.go. None of these changes the list it is given."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from executor.templating.errors import Refusal
from executor.templating.functions.builtins import fingerprint
from executor.templating.functions.casts import to_int64, to_string, to_strings
from executor.templating.functions.registry import Table
from executor.templating.limits import bounded_count, measure
from executor.templating.printing import bytes_order
from executor.templating.values import NilList, Strings, Value, is_true, type_name

LISTS = Table()


def _listed(value: Value, what: str) -> list[Value]:
    """The value, if it is a list. Raises Refusal in sprig's words."""
    if isinstance(value, list):
        return value
    raise Refusal(f"Cannot find {what} on type {_kind_name(value)}", "It wants a list.")


def _kind_name(value: Value) -> str:
    return "nil" if value is None else type_name(value)


LISTS.add("list tuple", "...any", lambda *values: list(values))
LISTS.add("first mustFirst", "any", lambda value: next(iter(_listed(value, "first")), None))
LISTS.add("last mustLast", "any", lambda value: (_listed(value, "last") or [None])[-1])
LISTS.add("rest mustRest", "any", lambda value: list(value[1:]) if _listed(value, "rest") else NilList())
LISTS.add("initial mustInitial", "any", lambda value: list(value[:-1]) if _listed(value, "initial") else NilList())
LISTS.add("reverse mustReverse", "any", lambda value: list(reversed(_listed(value, "reverse"))))
LISTS.add("append push mustAppend mustPush", "any any", lambda value, item: [*_listed(value, "push"), item])
LISTS.add("prepend mustPrepend", "any any", lambda value, item: [item, *_listed(value, "prepend")])
LISTS.add("compact mustCompact", "any", lambda value: [one for one in _listed(value, "compact") if is_true(one)])
LISTS.add("toStrings", "any", to_strings)
LISTS.add("join", "string any", lambda mark, value: _join(mark, value))


def _join(mark: str, value: Value) -> str:
    pieces = to_strings(value)
    bounded_count((sum(map(len, pieces)) + len(mark) * len(pieces)) // 50, "join")
    return mark.join(pieces)


@LISTS.function("concat", "...any")
def concat(*values: Value) -> list[Value]:
    joined: list[Value] = []
    for value in values:
        if value is None:
            raise Refusal("runtime error: invalid memory address or nil pointer dereference", "concat takes no nil.")
        joined.extend(_listed(value, "concat"))
    return joined or NilList()


@LISTS.function("uniq mustUniq", "any")
def uniq(value: Value) -> list[Value]:
    """The first of each; equal are values of the same type only."""
    items = _listed(value, "uniq")
    seen: set[Hashable] = set()
    kept: list[Value] = []
    for mark, item in zip(_fingerprints(items), items, strict=True):
        if mark not in seen:
            kept.append(item)
        seen.add(mark)
    return kept


def _fingerprints(items: list[Value]) -> list[Hashable]:
    measure(items)
    return [fingerprint(item) for item in items]


@LISTS.function("without mustWithout", "any ...any")
def without(value: Value, *omit: Value) -> list[Value]:
    items = _listed(value, "without")
    unwanted = set(_fingerprints(list(omit)))
    return [item for mark, item in zip(_fingerprints(items), items, strict=True) if mark not in unwanted]


@LISTS.function("has mustHas", "any any")
def has(needle: Value, haystack: Value) -> bool:
    return haystack is not None and fingerprint(needle) in _fingerprints(_listed(haystack, "has"))


@LISTS.function("slice mustSlice", "any ...any")
def slice_list(value: Value, *bounds: Value) -> Value:
    """sprig's slice: of lists; the bounds are clipped by nothing."""
    items = _listed(value, "slice")
    if not items:
        return None
    start, end = _bounds(bounds, len(items))
    return type(items)(items[start:end])


def _bounds(bounds: tuple[Value, ...], length: int) -> tuple[int, int]:
    if len(bounds) > 2:
        bounds = bounds[:2]
    numbers = [int(to_int64(one)) for one in bounds]
    start = numbers[0] if numbers else 0
    end = numbers[1] if len(numbers) > 1 else length
    if not 0 <= start <= end <= length:
        raise Refusal(f"slice bounds out of range [{start}:{end}] with length {length}")
    return start, end


@LISTS.function("chunk mustChunk", "int any")
def chunk(size: int, value: Value) -> list[Value]:
    items = _listed(value, "chunk")
    if size <= 0:
        raise Refusal("chunk size must be at least 1")
    return [list(items[at : at + size]) for at in range(0, len(items), size)]


@LISTS.function("sortAlpha", "any")
def sort_alpha(value: Value) -> Strings:
    if isinstance(value, list):
        return Strings(sorted(to_strings(value), key=bytes_order))
    return Strings([to_string(value)])


def _truths(decide: Callable[[list[bool]], bool]) -> Callable[..., bool]:
    return lambda *values: decide([is_true(value) for value in values])


LISTS.add("all", "...any", _truths(all))
LISTS.add("any", "...any", _truths(any))


@LISTS.function("coalesce", "...any")
def coalesce(*values: Value) -> Value:
    return next((value for value in values if is_true(value)), None)
