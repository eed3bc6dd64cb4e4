"""Names and times that the server makes."""

from __future__ import annotations

import random
from datetime import UTC, datetime

_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"
_PREFIX_LIMIT = 58


def utc_now() -> datetime:
    return datetime.now(UTC)


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with whole seconds, as metadata has it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def read_timestamp(text: str) -> datetime:
    """The moment that :func:`timestamp` wrote."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def generate_name(prefix: str) -> str:
    """``prefix`` and five random characters, 63 at most (apiserver ``pkg/storage/names/generate.go``)."""
    return prefix[:_PREFIX_LIMIT] + "".join(random.choices(_SUFFIX, k=5))


_MINUTE, _HOUR, _DAY, _YEAR = 60, 3600, 86400, 365 * 86400
# (shorter than, unit in seconds, its letter, smaller unit, its letter)
_AGES = (
    (2 * _MINUTE, 1, "s", 0, ""),
    (10 * _MINUTE, _MINUTE, "m", 1, "s"),
    (3 * _HOUR, _MINUTE, "m", 0, ""),
    (8 * _HOUR, _HOUR, "h", _MINUTE, "m"),
    (48 * _HOUR, _HOUR, "h", 0, ""),
    (8 * _DAY, _DAY, "d", _HOUR, "h"),
    (2 * _YEAR, _DAY, "d", 0, ""),
    (8 * _YEAR, _YEAR, "y", _DAY, "d"),
)


def age(stamp: str | None, now: datetime | None = None) -> str:
    """Time since an RFC 3339 stamp as kubectl has it (apimachinery ``pkg/util/duration/duration.go``)."""
    if not stamp:
        return "<unknown>"
    seconds = max(int(((now or utc_now()).replace(microsecond=0) - datetime.fromisoformat(stamp)).total_seconds()), 0)
    for limit, unit, letter, part, smaller in _AGES:
        if seconds < limit:
            rest = seconds % unit // part if part else 0
            return f"{seconds // unit}{letter}" + (f"{rest}{smaller}" if rest else "")
    return f"{seconds // _YEAR}y"
