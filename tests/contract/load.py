"""Load on an API server: pods made at a rate while watches follow, changed, and deleted together.

    python -m tests.contract.load KUBECONFIG [--pods 5000] [--rate 300] [--watches 20] [--rounds 1] [--pid SERVER]

Prints a JSON object for each round: seconds and pods per second, the slowest answer in ms, how late the slowest watch
was, and with ``--pid`` the server's memory in MiB and its seconds of CPU.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.contract.api import Access, Api, eventually, pod
from tests.contract.conftest import in_new_namespace

_AT_ONCE = 16
_TICKS = 100
"""Of a second, in ``/proc/PID/stat``."""


@dataclass(slots=True)
class Count:
    """Events that one watch has seen."""

    added: int = 0
    modified: int = 0
    deleted: int = 0

    def see(self, line: bytes) -> None:
        kind = line[9:12]
        self.added += kind == b"ADD"
        self.modified += kind == b"MOD"
        self.deleted += kind == b"DEL"


@dataclass(frozen=True, slots=True)
class Round:
    """What one round took; ``late`` is the time from the last answer until the last watch had seen it."""

    pods: int
    seconds: float
    per_second: float
    slowest_ms: float
    late_ms: float
    memory_mib: float
    cpu_seconds: float


@asynccontextmanager
async def watched(api: Api, count: int) -> AsyncIterator[list[Count]]:
    """So many watches of the namespace's pods, each counted as it comes."""
    version = await api.version()
    counts = [Count() for _ in range(count)]
    tasks = [asyncio.create_task(_follow(api, version, one)) for one in counts]
    try:
        yield counts
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _follow(api: Api, version: str, count: Count) -> None:
    query = {"watch": "true", "resourceVersion": version, "allowWatchBookmarks": "true"}
    async with api.session.get(f"{api.access.url}{api.path('pods')}", params=query, timeout=None) as answer:
        rest = b""
        async for chunk in answer.content.iter_any():
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                count.see(line)


async def make(api: Api, pods: int, rate: float) -> tuple[float, float]:
    """Create pods at a rate (per second); gives the seconds it took and the slowest answer in ms."""
    slots, slowest, begin = asyncio.Semaphore(_AT_ONCE), 0.0, time.monotonic()

    async def one(number: int) -> None:
        nonlocal slowest
        await asyncio.sleep(max(0.0, begin + number / rate - time.monotonic()))
        async with slots:
            start = time.monotonic()
            await api.created("pods", pod(f"p-{number:05}"))
            slowest = max(slowest, time.monotonic() - start)

    async with asyncio.TaskGroup() as group:
        for number in range(pods):
            group.create_task(one(number))
    return time.monotonic() - begin, slowest * 1000


async def play(api: Api, pods: int, rate: float, watches: int, pid: int | None) -> Round:
    """One round; every watch must see every pod come and go, once."""
    async with watched(api, watches) as counts:
        seconds, slowest = await make(api, pods, rate)
        late = await _until(counts, Count(added=pods))
        found = Round(pods, seconds, pods / seconds, slowest, late, memory(pid), cpu(pid))
        deleted = await api.delete(api.path("pods"))
        assert deleted.code == 200, deleted.text
        await _until(counts, Count(added=pods, deleted=pods))
    return found


async def _until(counts: Sequence[Count], wanted: Count) -> float:
    """Milliseconds until all watches have seen that, and no more."""
    start = time.monotonic()

    async def seen() -> bool:
        return all((one.added, one.deleted) >= (wanted.added, wanted.deleted) for one in counts)

    await eventually(seen, 60)
    assert {(one.added, one.deleted) for one in counts} == {(wanted.added, wanted.deleted)}
    return (time.monotonic() - start) * 1000


def memory(pid: int | None) -> float:
    """Resident memory of a process in MiB; 0 without one."""
    if pid is None:
        return 0.0
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:"))


def cpu(pid: int | None) -> float:
    """Seconds of CPU that a process has used; 0 without one."""
    if pid is None:
        return 0.0
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


async def main(arguments: argparse.Namespace) -> None:
    kubeconfig = Path(arguments.kubeconfig)
    Access.from_kubeconfig(kubeconfig)
    async with in_new_namespace(kubeconfig) as api:
        for _ in range(arguments.rounds):
            found = await play(api, arguments.pods, arguments.rate, arguments.watches, arguments.pid)
            print(json.dumps({name: round(value, 1) for name, value in asdict(found).items()}), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kubeconfig")
    parser.add_argument("--pods", type=int, default=5000)
    parser.add_argument("--rate", type=float, default=300)
    parser.add_argument("--watches", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--pid", type=int)
    asyncio.run(main(parser.parse_args()))
