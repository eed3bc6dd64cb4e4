"""The end of a log that comes in chunks: at most so many bytes, from the beginning of a line.

The API's own `limitBytes` keeps the first bytes of a log (API reference, "read log of the specified Pod"), so the cut
is made here. Lines stay as they were: Airflow drops a line that it has already only where it is the same.
"""

from __future__ import annotations


class LogTail:
    """A ring of `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._bytes = bytearray()
        self._cut = False

    def __bool__(self) -> bool:
        return bool(self._bytes)

    def add(self, chunk: bytes) -> None:
        self._bytes += chunk
        if len(self._bytes) > self._limit:
            self._cut = True
            del self._bytes[: -self._limit]

    def text(self) -> str:
        """What is kept; a first line whose beginning was cut off is left out, unless there is no other."""
        kept = bytes(self._bytes)
        _, newline, rest = kept.partition(b"\n")
        return (rest if self._cut and newline and rest else kept).decode("utf-8", errors="replace")
