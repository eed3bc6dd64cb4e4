"""Loose conversions, as sprig makes them with spf13/cast: what cannot be converted is 0, or prints as `%v`."""

from __future__ import annotations

import re

from executor.templating.literals import parse_int
from executor.templating.printing import show
from executor.templating.values import Int64, StringMap, Strings, Value

_ZERO_FRACTION = re.compile(r"(.*?)\.0+")
_FLOAT = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]?(?:inf|infinity|nan)", re.IGNORECASE)


def wrap64(number: int) -> Int64:
    """The number as an int64, overflowing as Go's does."""
    return Int64((number + 2**63) % 2**64 - 2**63)


def to_int64(value: Value) -> Int64:
    """cast.ToInt64."""
    if isinstance(value, str):
        match = _ZERO_FRACTION.fullmatch(value)
        whole = parse_int(match.group(1) if match else value)
        return Int64(whole) if whole is not None and -(2**63) <= whole < 2**63 else Int64(0)
    if isinstance(value, float):
        return Int64(int(value)) if -(2**63) <= value < 2**63 else Int64(-(2**63))
    if isinstance(value, int):
        return wrap64(int(value))
    return Int64(0)


def to_float64(value: Value) -> float:
    """cast.ToFloat64."""
    if isinstance(value, str):
        plain = value.replace("_", "")
        return float(plain) if _FLOAT.fullmatch(plain) else 0.0
    if isinstance(value, int | float):
        return float(value)
    return 0.0


def to_string(value: Value) -> str:
    """sprig's strval."""
    return value if isinstance(value, str) else show(value)


def to_strings(value: Value) -> Strings:
    """sprig's strslice: a list's elements as text without nils; anything else as a list of one; nil as none."""
    if isinstance(value, Strings):
        return value
    if isinstance(value, list):
        return Strings([to_string(item) for item in value if item is not None])
    return Strings([] if value is None else [to_string(value)])


def is_map(value: Value) -> bool:
    return isinstance(value, dict) and not isinstance(value, StringMap)
