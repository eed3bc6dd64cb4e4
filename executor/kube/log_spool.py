"""A log on its way to a reader who takes it line by line: on disk where it is long, so that memory stays as it is.

Invariant: nothing is left of it once its lines were read, or nobody holds it any more.
"""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Iterator

IN_MEMORY = 512 * 1024  # most logs are shorter


class LogSpool:
    """Bytes in, lines out, once. `limit`: bytes that are kept, the first ones."""

    def __init__(self, limit: int) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115  (closed by its reader)
        self._left = limit
        weakref.finalize(self, self._file.close)

    @property
    def full(self) -> bool:
        """There is no room for more."""
        return self._left <= 0

    def add(self, chunk: bytes) -> None:
        """The next part of the log; what is beyond the limit is dropped."""
        self._file.write(chunk[: self._left])
        self._left -= len(chunk)

    def __iter__(self) -> Iterator[str]:
        """Its lines, without their ends."""
        with self._file:
            self._file.seek(0)
            for line in self._file:
                yield line.decode("utf-8", errors="replace").rstrip("\r\n")
