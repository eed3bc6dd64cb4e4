"""The log files that the node agent writes: where they are, and how they are read while they grow.

Files: ``<state>/pods/<uid>/<container>/<restartCount>.log`` in CRI format, one ``<time> <stream> <F|P> <text>`` a line,
``P`` for a part of a line. A file that is full is moved to ``<restartCount>.log.1`` and begun anew: who begins to read
sees the new one only, who reads already goes on with it and misses nothing, unless three become full while it waits.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from executor.localcluster.resources import PODS
from executor.localcluster.store import Key, Store
from executor.localcluster.types import Json

_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class LogPlace:
    """One container's folder of logs, and the pod it belongs to (an API key and a uid)."""

    store: Store
    state_dir: Path
    key: Key
    uid: str
    container: str

    @property
    def folder(self) -> Path:
        return self.state_dir / "pods" / self.uid / self.container

    def status(self) -> Json | None:
        """The container's status now; ``None`` when the pod is gone or says nothing about it."""
        stored = self.store.find(PODS, self.key)
        if stored is None or stored.uid != self.uid:
            return None
        return container_status(stored.object, self.container)

    def state(self) -> Json:
        """The container's state now; empty when there is none."""
        return (self.status() or {}).get("state") or {}

    def files(self) -> list[Path]:
        """Logs of all runs of the container, oldest first."""
        return sorted(self.folder.glob("*.log"), key=lambda path: int(path.stem))

    def has_ended(self, path: Path) -> bool:
        """Whether nothing can be added to a file any more: its run is over, or the pod is gone."""
        status = self.status()
        if status is None:
            return self.store.find(PODS, self.key) is None or not self.folder.exists()
        over = int(status.get("restartCount", 0)) > int(path.stem)
        return over or "terminated" in (status.get("state") or {})


def container_status(pod: Json, container: str) -> Json | None:
    status = pod.get("status") or {}
    for statuses in ("containerStatuses", "initContainerStatuses"):
        for entry in status.get(statuses) or ():
            if entry.get("name") == container:
                found: Json = entry
                return found
    return None


class LogReader:
    """Whole lines of one log, as they come."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO = path.open("rb")
        self._rest = b""

    def __enter__(self) -> LogReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def tail(self, count: int) -> Iterable[bytes]:
        """The last lines that are there now."""
        return deque(self._file, maxlen=count)

    def lines(self) -> Iterable[bytes]:
        """The lines that came since the last look."""
        later = self._later_files()  # before this one is read: what has a successor is complete
        data = self._rest + self._file.read()
        for file in later:
            self._file.close()
            self._file = file
            data += file.read()
        *lines, self._rest = data.split(b"\n")
        return (line + b"\n" for line in lines)

    def _later_files(self) -> list[BinaryIO]:
        """The files begun after the one that is read, oldest first: the present one, and where two became full since
        the last look the one before it. The present one is opened first, so that a file that becomes full meanwhile
        is met twice and not passed over."""
        later: list[BinaryIO] = []
        known = {_identity(self._file)}
        for path in (self._path, Path(f"{self._path}.1")):
            try:
                file = path.open("rb")
            except FileNotFoundError:
                break
            if _identity(file) in known:
                file.close()
                break
            known.add(_identity(file))
            later.insert(0, file)
        return later


def _identity(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_ino


async def line_batches(place: LogPlace, path: Path, tail: int | None, follow: bool) -> AsyncIterator[Iterable[bytes]]:
    """Lines of one log, first what is there (or its ``tail``), then, when following, what comes until the run ends."""
    while not os.path.exists(path):  # noqa: ASYNC240, a look at a local disk
        if not follow or place.has_ended(path):
            return
        await asyncio.sleep(_POLL_SECONDS)
    with LogReader(path) as reader:
        if tail is not None:
            yield reader.tail(tail)
        ended = False
        while not ended:
            ended = not follow or place.has_ended(path)
            yield reader.lines()
            await asyncio.sleep(0 if ended else _POLL_SECONDS)
