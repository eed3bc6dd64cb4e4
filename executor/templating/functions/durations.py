"""Durations in nanoseconds, as Go's package time writes and reads them."""

from __future__ import annotations

import re
from fractions import Fraction

from executor.templating.errors import Refusal

SECOND = 10**9
_UNITS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "μs": 10**3,
    "ms": 10**6,
    "s": SECOND,
    "m": 60 * SECOND,
    "h": 3600 * SECOND,
}
_PIECE = re.compile(r"([0-9]{1,30}(?:\.[0-9]{0,30})?|\.[0-9]{1,30})(ns|us|µs|μs|ms|s|m|h)")
_LARGE = {"y": 365 * 86400, "mo": 30 * 86400, "d": 86400, "h": 3600, "m": 60, "s": 1}


def parse(text: str) -> int:
    """time.ParseDuration: `1h30m`, `-1.5h`. Raises Refusal."""
    sign = -1 if text[:1] == "-" else 1
    rest = text[1:] if text[:1] in ("+", "-") else text
    if rest == "0":
        return 0
    total = Fraction(0)
    at = 0
    while at < len(rest):
        match = _PIECE.match(rest, at)
        if match is None:
            break
        total += Fraction("0" + match.group(1).rstrip(".")) * _UNITS[match.group(2)]
        at = match.end()
    if not rest or at < len(rest) or total >= 2**63:
        raise Refusal(f'time: invalid duration "{text}"', 'Write it like "1h30m".')
    return sign * int(total)


def show(nanoseconds: int) -> str:
    """time.Duration.String."""
    if nanoseconds == 0:
        return "0s"
    sign, left = ("-", -nanoseconds) if nanoseconds < 0 else ("", nanoseconds)
    if left < SECOND:
        for unit in ("ms", "µs", "ns"):
            if left >= _UNITS[unit]:
                return sign + _number(Fraction(left, _UNITS[unit])) + unit
    hours, rest = divmod(left, 3600 * SECOND)
    minutes, rest = divmod(rest, 60 * SECOND)
    text = _number(Fraction(rest, SECOND)) + "s"
    if left >= 60 * SECOND:
        text = f"{minutes}m{text}"
    return sign + (f"{hours}h{text}" if hours else text)


def _number(value: Fraction) -> str:
    whole, rest = divmod(value, 1)
    digits = f"{int(rest * 10**9):09d}".rstrip("0")
    return f"{whole}.{digits}" if digits else str(whole)


def rounded(nanoseconds: int) -> str:
    """The largest unit that fits, truncated, as sprig's durationRound prints it."""
    seconds = abs(nanoseconds) // SECOND
    for unit, size in _LARGE.items():
        if seconds > size or (unit == "s" and seconds >= 1):
            return f"{seconds // size}{unit}"
    return "0s"
