"""Where a container's log was left off: each line comes with the time the node wrote it at (`timestamps=true`).

A stream that is opened again asks for what was written since that second (`sinceTime`), and what was read already is
passed over: by time, then by the number of lines of that very time, then by bytes. So nothing depends on how much of
the log the node still keeps (Kubernetes, "Logging Architecture": kubelets rotate logs). Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_STAMP: Final = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d) ")
_LONGEST: Final = 40  # bytes of a stamp and the blank after it


@dataclass(slots=True)
class StampedLog:
    """Chunks of lines with times in, the lines' own bytes out, each once over any number of streams."""

    last: bytes = b""  # the time of the newest line that was begun
    _whole: int = 0  # complete lines of that time
    _part: int = 0  # bytes of the line after them
    _rest: bytes = b""  # the beginning of a line whose time is not complete
    _inside: bool = False  # a line was begun in this stream
    _again: int = -1  # lines of the time `last` met in a stream that was opened again; -1: it is past that
    _over: int = 0  # bytes of the present line to pass over; -1: all
    _timed: bool = True  # the present line has a time: what the node itself says into a log has none

    @property
    def since(self) -> str:
        """What to ask for; "" for the whole log. To the second, which is all that the API server passes on."""
        found = _STAMP.match(self.last + b" ")
        return (found[1] + found[3]).decode() if found else ""

    def reopened(self) -> None:
        """A new stream begins."""
        self._rest, self._inside, self._over = b"", False, 0
        self._again = 0 if self.last else -1

    def feed(self, chunk: bytes) -> bytes:
        """What of the chunk is the container's and was not read before."""
        data, out = self._rest + chunk, []
        self._rest, at = b"", 0
        while at < len(data):
            if not self._inside:
                begun = self._begin(data, at)
                if begun < 0:
                    self._rest = data[at:]
                    break
                at = begun
            end = data.find(b"\n", at) + 1
            out.append(self._content(data[at : end or len(data)], ends=end > 0))
            at = end or len(data)
        return b"".join(out)

    def _begin(self, data: bytes, at: int) -> int:
        """Where the line's content begins; -1: its time is not complete."""
        found = _STAMP.match(data, at)
        if found is None:
            if len(data) - at < _LONGEST and b"\n" not in data[at:]:
                return -1
            self._inside, self._timed, self._over = True, False, -1 if self._again >= 0 else 0
            return at
        self._inside = self._timed = True
        self._pass_over(found[0][:-1])
        return found.end()

    def _pass_over(self, stamp: bytes) -> None:
        if self._again >= 0 and _moment(stamp) > _moment(self.last):
            self._again = -1
        if self._again < 0:
            self._over = 0
            if stamp != self.last:
                self.last, self._whole = stamp, 0
            self._part = 0
        elif stamp != self.last or self._again < self._whole:
            self._again += stamp == self.last
            self._over = -1
        else:
            self._again, self._over = -1, self._part

    def _content(self, piece: bytes, *, ends: bool) -> bytes:
        self._inside = not ends
        if self._over < 0:
            return b""
        fresh = piece[self._over :]
        self._over = max(0, self._over - len(piece))
        if self._timed:
            self._whole, self._part = (self._whole + 1, 0) if ends else (self._whole, self._part + len(fresh))
        return fresh


def _moment(stamp: bytes) -> tuple[bytes, bytes]:
    """Orders stamps of one node, which are of one time zone."""
    found = _STAMP.match(stamp + b" ")
    return (found[1], (found[2] or b"").ljust(9, b"0")) if found else (b"", b"")
