"""Arithmetic, after sprig's numeric.go: whole numbers are int64 and overflow, fractions are computed in decimal."""

from __future__ import annotations

import functools
import math
import secrets
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Context, Decimal

from executor.templating.errors import Refusal
from executor.templating.functions.casts import to_float64, to_int64, to_string, wrap64
from executor.templating.functions.registry import Table
from executor.templating.limits import bounded_count
from executor.templating.values import Int64, Ints, Value

NUMBERS = Table()
_DECIMAL = Context(prec=800)
_DIVISION_PLACES = Decimal(1).scaleb(-16)


def _divide(one: int, other: int) -> int:
    """Truncated towards zero, as Go does."""
    if other == 0:
        raise Refusal("runtime error: integer divide by zero", "Guard it with `if`.")
    quotient = abs(one) // abs(other)
    return quotient if (one < 0) == (other < 0) else -quotient


def _over(pick: Callable[[Value, Value], Value], convert: Callable[[Value], Value]) -> Callable[..., Value]:
    return lambda first, *others: functools.reduce(pick, map(convert, others), convert(first))


NUMBERS.add("add", "...any", lambda *values: wrap64(sum(map(to_int64, values))))
NUMBERS.add("add1", "any", lambda value: wrap64(to_int64(value) + 1))
NUMBERS.add("sub", "any any", lambda one, other: wrap64(to_int64(one) - to_int64(other)))
NUMBERS.add("mul", "any ...any", lambda *values: wrap64(math.prod(map(to_int64, values))))
NUMBERS.add("div", "any any", lambda one, other: wrap64(_divide(to_int64(one), to_int64(other))))
NUMBERS.add(
    "mod",
    "any any",
    lambda one, other: wrap64(to_int64(one) - to_int64(other) * _divide(to_int64(one), to_int64(other))),
)
NUMBERS.add("max biggest", "any ...any", _over(max, to_int64))
NUMBERS.add("min", "any ...any", _over(min, to_int64))
NUMBERS.add("maxf", "any ...any", _over(max, to_float64))
NUMBERS.add("minf", "any ...any", _over(min, to_float64))
NUMBERS.add("int64", "any", to_int64)
NUMBERS.add("int", "any", lambda value: int(to_int64(value)))
NUMBERS.add("float64", "any", to_float64)
NUMBERS.add("ceil", "any", lambda value: _whole(math.ceil, to_float64(value)))
NUMBERS.add("floor", "any", lambda value: _whole(math.floor, to_float64(value)))
NUMBERS.add("atoi", "string", lambda text: _atoi(text))
NUMBERS.add("toDecimal", "any", lambda value: _octal(to_string(value)))


def _whole(rounding: Callable[[float], int], value: float) -> float:
    return float(rounding(value)) if math.isfinite(value) else value


def _atoi(text: str) -> int:
    digits = text[1:] if text[:1] in ("+", "-") else text
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 19 or abs(int(text)) >= 2**63:
        return 0
    return int(text)


def _octal(text: str) -> Int64:
    try:
        return Int64(int(text, 8) if "_" not in text and len(text) < 22 else 0)
    except ValueError:
        return Int64(0)


# fractions


def _decimal(value: Value) -> Decimal:
    number = to_float64(value)
    if not math.isfinite(number):
        raise Refusal(f"cannot calculate with {number}")
    return Decimal(repr(number))


def _fractional(step: Callable[[Decimal, Decimal], Decimal]) -> Callable[..., float]:
    """Without a negative zero, which the decimal library of sprig does not have."""
    return lambda first, *others: float(functools.reduce(step, map(_decimal, others), _decimal(first))) + 0.0


def _divide_decimal(one: Decimal, other: Decimal) -> Decimal:
    if other == 0:
        raise Refusal("decimal division by 0", "Guard it with `if`.")
    return _DECIMAL.divide(one, other).quantize(_DIVISION_PLACES, ROUND_HALF_UP, _DECIMAL)


NUMBERS.add("addf", "...any", lambda *values: _fractional(_DECIMAL.add)(0.0, *values))
NUMBERS.add("add1f", "any", lambda value: _fractional(_DECIMAL.add)(value, 1.0))
NUMBERS.add("subf", "any ...any", _fractional(_DECIMAL.subtract))
NUMBERS.add("mulf", "any ...any", _fractional(_DECIMAL.multiply))
NUMBERS.add("divf", "any ...any", _fractional(_divide_decimal))


@NUMBERS.function("round", "any int ...float64")
def rounded(value: Value, places: int, *half: float) -> float:
    """Rounded up from `half` (0.5) on."""
    if abs(places) > 300:
        raise Refusal(f"round to {places} places is out of range")
    power = math.pow(10, places)
    shifted = power * to_float64(value)
    if not math.isfinite(shifted):
        return shifted
    fraction = math.modf(shifted)[0]
    return (math.ceil(shifted) if fraction >= (half[0] if half else 0.5) else math.floor(shifted)) / power


# rows of numbers


@NUMBERS.function("until", "int")
def until(count: int) -> Ints:
    return until_step(0, count, -1 if count < 0 else 1)


@NUMBERS.function("untilStep", "int int int")
def until_step(start: int, stop: int, step: int) -> Ints:
    """From start to before stop. A step in the wrong direction gives none."""
    if step == 0 or (stop < start) != (step < 0):
        return Ints()
    steps = range(start, stop, step)
    bounded_count(max(0, (stop - start) // step), "untilStep")
    return Ints(steps)


@NUMBERS.function("seq", "...int")
def seq(*numbers: int) -> str:
    """Like the shell's seq: the end included, blanks between."""
    if not numbers or len(numbers) > 3:
        return ""
    start = 1 if len(numbers) == 1 else numbers[0]
    stop = numbers[-1]
    step = numbers[1] if len(numbers) == 3 else 1 if stop >= start else -1
    if len(numbers) == 3 and (step == 0 or (stop < start) != (step < 0)):
        return ""
    bounded_count(abs(stop - start) // abs(step), "seq")
    return " ".join(map(str, range(start, stop + (1 if step > 0 else -1), step)))


@NUMBERS.function("randInt", "int int")
def rand_int(low: int, high: int) -> int:
    """From low to before high."""
    if high <= low:
        raise Refusal(f"invalid argument to randInt: {low} is not below {high}")
    return low + secrets.randbelow(high - low)
