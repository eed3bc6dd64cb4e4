"""A container's output as a file in the CRI log format: ``<RFC 3339 nanoseconds> <stream> <F|P> <text>``.

F ends a line, P marks a part of a line longer than 16 KiB (Kubernetes: "CRI logging format").
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

PART = 16 * 1024
LOG_BYTES = 10 * 1024 * 1024  # the kubelet's containerLogMaxSize


def timestamp(nanoseconds: int) -> str:
    """RFC 3339 with nine digits of fraction, in UTC."""
    seconds, fraction = divmod(nanoseconds, 1_000_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{fraction:09d}Z"


@dataclass(slots=True)
class LineSplitter:
    """Bytes of one stream in, CRI lines out. Keeps at most one part of an unfinished line."""

    stream: str
    _rest: bytes = field(default=b"", repr=False)

    def feed(self, data: bytes, now: int) -> bytes:
        """CRI lines that `data` completes; now in nanoseconds since the epoch."""
        head = f"{timestamp(now)} {self.stream} ".encode()
        *lines, rest = (self._rest + data).split(b"\n")
        out = [self._format_all(head, lines)]
        while len(rest) >= PART:
            out.append(head + b"P " + rest[:PART] + b"\n")
            rest = rest[PART:]
        self._rest = rest
        return b"".join(out)

    def close(self, now: int) -> bytes:
        """What is left when the stream ends: a partial line."""
        rest, self._rest = self._rest, b""
        return f"{timestamp(now)} {self.stream} P ".encode() + rest + b"\n" if rest else b""

    def _format_all(self, head: bytes, lines: list[bytes]) -> bytes:
        if not lines or max(map(len, lines)) > PART:
            return b"".join(self._format(head, line, b"F") for line in lines)
        head += b"F "  # the usual case, at once: a program may print a million lines
        return head + (b"\n" + head).join(lines) + b"\n"

    @staticmethod
    def _format(head: bytes, line: bytes, tag: bytes) -> bytes:
        parts = [line[at : at + PART] for at in range(0, len(line), PART)] or [b""]
        return b"".join(head + b"P " + part + b"\n" for part in parts[:-1]) + head + tag + b" " + parts[-1] + b"\n"


class RotatingLog:
    """A log file that is begun anew when it is full; the full one is kept as ``<name>.1`` until the next one is.

    Readers see the newest file only, as with the kubelet (Kubernetes: "Logging Architecture", log rotation).
    """

    def __init__(self, path: Path, limit: int = LOG_BYTES) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path, self._limit = path, limit
        self._file = path.open("ab", buffering=0)

    def write(self, lines: bytes) -> None:
        self._file.write(lines)
        if self._file.tell() >= self._limit:
            self._file.close()
            self._path.replace(f"{self._path}.1")
            self._file = self._path.open("ab", buffering=0)

    def close(self) -> None:
        self._file.close()


def tail_text(path: Path, max_lines: int, max_bytes: int) -> str:
    """The end of a log without its CRI columns (for terminationMessagePolicy FallbackToLogsOnError)."""
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, 2) - 4 * max_bytes - 200 * max_lines))
        lines = file.read().split(b"\n")
    text = b"".join(
        parts[3] + (b"\n" if parts[2] == b"F" else b"")
        for parts in (line.split(b" ", 3) for line in lines[-max_lines - 1 :])
        if len(parts) == 4
    )
    return text[-max_bytes:].decode(errors="replace")
