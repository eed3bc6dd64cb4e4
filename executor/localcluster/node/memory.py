"""Memory limits without cgroups: the resident memory of a container's process tree, sampled.

Every container is a PID namespace, so all its processes are descendants of its first one. Resident set sizes are cheap
to read but count shared pages once per process; only where their sum allows the limit to be passed is the proportional
size (PSS) read, which is what is compared with the limit.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

PAGE = os.sysconf("SC_PAGE_SIZE")
INTERVAL = 0.15


@dataclass(slots=True)
class _Watched:
    limit: int
    exceeded: asyncio.Event
    rss_then: int = 0
    pss_then: int = 0


def process_tree(pid: int) -> Iterator[int]:
    """`pid` and its descendants. Processes that end meanwhile are left out."""
    yield pid
    for child in children_of(pid):
        yield from process_tree(child)


def children_of(pid: int) -> list[int]:
    """Child processes; none if `pid` has ended."""
    children: list[int] = []
    with suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children") as file:
                children += map(int, file.read().split())
    return children


def _rss(pid: int) -> int:
    with suppress(OSError), open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * PAGE
    return 0


def _pss(pid: int) -> int:
    with suppress(OSError), open(f"/proc/{pid}/smaps_rollup") as file:
        return next((int(line.split()[1]) * 1024 for line in file if line.startswith("Pss:")), 0)
    return 0


def tree_memory(pid: int) -> int:
    """Bytes that `pid` and its descendants hold, shared pages counted once."""
    return sum(map(_pss, process_tree(pid)))


class MemoryWatch:
    """One task for all limited containers of a node."""

    def __init__(self) -> None:
        self._watched: dict[int, _Watched] = {}
        self._any = asyncio.Event()

    def add(self, pid: int, limit: int) -> asyncio.Event:
        """Watch the tree below `pid`; the event is set once it holds more than `limit` bytes."""
        watched = _Watched(limit, asyncio.Event())
        self._watched[pid] = watched
        self._any.set()
        return watched.exceeded

    def remove(self, pid: int) -> None:
        self._watched.pop(pid, None)
        if not self._watched:
            self._any.clear()

    async def run(self) -> None:
        while True:
            await self._any.wait()
            for pid, watched in list(self._watched.items()):
                self._sample(pid, watched)
            await asyncio.sleep(INTERVAL)

    def _sample(self, pid: int, watched: _Watched) -> None:
        tree = list(process_tree(pid))
        rss = sum(map(_rss, tree))
        if rss <= watched.limit or watched.pss_then + max(0, rss - watched.rss_then) <= watched.limit:
            return
        watched.rss_then, watched.pss_then = rss, sum(map(_pss, tree))
        if watched.pss_then > watched.limit:
            watched.exceeded.set()
