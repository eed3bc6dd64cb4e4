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
