"""What a container said last, for a sentence that people read.

The kubelet keeps the end of a container's log as its message: at most 2,048 bytes and 80 lines of it. An Airflow
worker logs JSON lines, with a stack trace in each that tells an exception; people get event and exception. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

LIMIT: Final = 1500
_CUT_AT: Final = 2000  # bytes from which the kubelet may have cut off a beginning


def last_words(message: str) -> str:
    """Return the message, JSON log lines in a few words each, at most LIMIT characters from its end."""
    lines = message.strip().splitlines()
    records = [_record(line) for line in lines]
    told = [line if record is None else _in_words(record) for line, record in zip(lines, records, strict=True)]
    if len(message.encode()) >= _CUT_AT and records[0] is None and any(records):
        del told[0]  # the rest of a line whose beginning was cut off
    return "\n".join(told)[-LIMIT:]


def _record(line: str) -> dict[str, Any] | None:
    try:
        value = msgspec.json.decode(line) if line.startswith("{") else None
    except msgspec.DecodeError:
        return None
    return value if isinstance(value, dict) and isinstance(value.get("event"), str) else None


def _in_words(record: dict[str, Any]) -> str:
    return ": ".join((record["event"], *_exceptions(record.get("exception"))))


def _exceptions(value: Any) -> Iterator[str]:
    """structlog's `exception`: a list of exceptions, the one that was raised first, those that caused it after it."""
    for one in value if isinstance(value, list) else ():
        if isinstance(one, dict):
            yield f"{one.get('exc_type', '')}: {one.get('exc_value', '')}"
