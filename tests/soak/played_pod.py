"""One pod as its node plays it: a container, and what the pod's step does to it and to its row."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.soak.container import Container
from tests.soak.kinds import BY_NAME, Step
from tests.soak.node_api import NodeApi, Pod, ended, evicted, running
from tests.soak.worker_rows import WorkerRows

SHORTEST_WORK, LONGEST_WORK = 0.3, 3.0  # seconds
LINGER_SECONDS = 1.0
LOCK_SECONDS = 6.0
FOREVER_SECONDS = 600.0
MOUNT_SECONDS = 0.3  # between two looks for the pod's Secret
STUCK_SECONDS = 1.0
SHORTEST_START, LONGEST_START = 0.1, 1.5  # seconds from a container's start to its worker's asking to be let in


def work_seconds(number: int) -> float:
    """How long this task's workers work."""
    return SHORTEST_WORK + (LONGEST_WORK - SHORTEST_WORK) * (number * 7 % 10) / 9


def start_seconds(number: int) -> float:
    """How long they take to start; half of them longer than a create's first back-off."""
    return SHORTEST_START + (LONGEST_START - SHORTEST_START) * (number * 3 % 10) / 9


@dataclass(frozen=True, slots=True)
class World:
    """What all pods share. start: keeps a task running that nobody waits for; taken: steps that lie behind, by task."""

    api: NodeApi
    rows: WorkerRows
    ledger: Path
    start: Callable[[Coroutine[Any, Any, None]], None]
    taken: Counter[tuple[str, str]] = field(default_factory=Counter)


class PlayedPod:
    """From the moment its node sees it."""

    def __init__(self, world: World, pod: Pod) -> None:
        self._api, self._rows, self._world, self._pod = world.api, world.rows, world, pod
        meta, notes = pod["metadata"], pod["metadata"]["annotations"]
        self.name, self.launch = meta["name"], meta["labels"]["airflow-launch"]
        self._ti, self._task = notes["task_instance_id"], (notes["task_id"], notes["map_index"])
        self._entry = f"{self.launch} {notes['task_id']} {notes['map_index']} {notes['try_number']} {self.name}"
        number = int(notes["map_index"])
        self._seconds, self._start_seconds = work_seconds(number), start_seconds(number)
        self._container: Container | None = None
        self._leaving = self._over = False

    @property
    def alive(self) -> bool:
        """Its worker runs or may still start, and nobody deletes it."""
        return not (self._leaving or self._over)

    async def play(self) -> None:
        step = self._next_step()
        if step in _BEFORE:
            self._world.taken[self._task] += 1
            await _BEFORE[step](self)
        else:
            await self._start()
            await self._ask()

    async def _start(self) -> None:
        """Up to where the worker could ask to be let in."""
        while not self._leaving and not await self._api.has_workload(self._pod):  # noqa: ASYNC110 - others write it
            await asyncio.sleep(MOUNT_SECONDS)
        if not self._leaving:
            await self._api.write(self._pod, running())
            await asyncio.sleep(self._start_seconds)

    async def _ask(self) -> None:
        if await self._is_let_in():
            step = self._next_step()
            self._world.taken[self._task] += 1
            await _AT_WORK.get(step, PlayedPod._succeeds)(self)
        elif not self._leaving:
            await self._end(ended(1))  # as the worker does that is told 409

    def _next_step(self) -> Step:
        """Taken by a pod only when it comes to it: one that is deleted before its worker was let in takes none."""
        steps = BY_NAME[self._task[0]].steps
        return steps[min(self._world.taken[self._task], len(steps) - 1)]

    async def _is_let_in(self) -> bool:
        """What `/run` says; it is asked again while the row is stuck."""
        while not self._leaving:
            if await self._rows.let_in(self._ti, self.name):
                return True
            if not await self._rows.is_stuck(self._ti):
                break
            await asyncio.sleep(STUCK_SECONDS / 10)
        return False

    async def leave(self) -> None:
        """Somebody deletes it: its container is killed, then the kubelet lets go of it."""
        if self._leaving:
            return
        self._leaving = True
        if self._container is not None:
            self._container.kill()
            await self._api.write(self._pod, ended(await self._container.wait()))
        await self._api.delete(self._pod, grace=0)

    # -- before a worker was let in ----------------------------------------------------------------------------------

    async def _evicted_early(self) -> None:
        await self._end(evicted(started=False))

    async def _deleted(self) -> None:
        await self._api.delete(self._pod)

    async def _lost_by_its_node(self) -> None:
        await self._end(ended(137, "ContainerStatusUnknown"))

    async def _cleared_early(self) -> None:
        await self._rows.clear_waiting(self._ti)

    async def _marked_early(self) -> None:
        await self._rows.mark(self._ti)

    async def _stuck(self) -> None:
        while not self._leaving:  # whoever adopts it begins to wait anew
            await self._rows.queue_long_ago(self._ti, self.launch)
            await asyncio.sleep(STUCK_SECONDS)

    async def _asks_late(self) -> None:
        await self._start()
        while not self._leaving and not await self._rows.is_queued_anew(self._ti, self.launch):
            await self._rows.queue_long_ago(self._ti, self.launch)
            await asyncio.sleep(STUCK_SECONDS / 20)
        await asyncio.sleep(self._seconds / 5)  # before, while and after the next launch's worker asks
        await self._ask()

    # -- at work -----------------------------------------------------------------------------------------------------

    async def _succeeds(self) -> None:
        if await self._works():
            await self._rows.report(self._ti, "success")
            await self._end(ended(0))

    async def _fails(self) -> None:
        if await self._works():
            await self._rows.report_failure(self._ti)
            await self._end(ended(0))

    async def _defers(self) -> None:
        if await self._works():
            await self._rows.defer(self._ti)
            await self._linger()

    async def _reschedules(self) -> None:
        if await self._works():
            await self._rows.report(self._ti, "up_for_reschedule")
            await self._linger()

    async def _cleared(self) -> None:
        self._begin(FOREVER_SECONDS)
        await self._rows.clear_running(self._ti)
        await self._linger()

    async def _marked(self) -> None:
        self._begin(FOREVER_SECONDS)
        await self._rows.mark(self._ti)
        await self._linger()

    async def _says_nothing(self) -> None:
        if await self._works():
            await self._end(ended(0))

    async def _falls_silent(self) -> None:
        self._begin(FOREVER_SECONDS)
        await self._rows.fall_silent(self._ti)

    async def _deleted_at_work(self) -> None:
        self._begin(FOREVER_SECONDS)
        await asyncio.sleep(self._seconds)
        await self._deleted()

    async def _evicted(self) -> None:
        await self._killed_at_work()
        await self._end(evicted(started=True))

    async def _out_of_memory(self) -> None:
        await self._killed_at_work()
        await self._end(ended(137, "OOMKilled"))

    async def _dies_while_locked(self) -> None:
        await self._killed_at_work()
        locked = asyncio.Event()
        self._world.start(self._rows.lock(self._ti, LOCK_SECONDS, locked))
        await locked.wait()
        await self._end(ended(137, "OOMKilled"))

    # -- parts of them -----------------------------------------------------------------------------------------------

    async def _killed_at_work(self) -> None:
        container = self._begin(FOREVER_SECONDS)
        await asyncio.sleep(self._seconds)
        container.kill()

    async def _works(self) -> bool:
        """To the end; False if it was killed on the way, so that nothing is reported."""
        await self._begin(self._seconds).wait()
        return not self._leaving

    async def _linger(self) -> None:
        """The worker has reported, or is not wanted any more, and needs a moment to end."""
        await asyncio.sleep(LINGER_SECONDS)
        if self._container is not None:
            self._container.kill()
        await self._end(ended(0))

    def _begin(self, seconds: float) -> Container:
        self._container = Container(self._world.ledger, self._entry, seconds)
        return self._container

    async def _end(self, status: Pod) -> None:
        self._over = True
        if not self._leaving:
            await self._api.write(self._pod, status)


_Play = Callable[[PlayedPod], Awaitable[None]]
_BEFORE: dict[Step, _Play] = {
    Step.EVICT_EARLY: PlayedPod._evicted_early,
    Step.DELETE_EARLY: PlayedPod._deleted,
    Step.FAIL_TO_START: PlayedPod._lost_by_its_node,
    Step.CLEAR_EARLY: PlayedPod._cleared_early,
    Step.MARK_EARLY: PlayedPod._marked_early,
    Step.GET_STUCK: PlayedPod._stuck,
    Step.ASK_LATE: PlayedPod._asks_late,
}
_AT_WORK: dict[Step, _Play] = {
    Step.SUCCEED: PlayedPod._succeeds,
    Step.FAIL: PlayedPod._fails,
    Step.DEFER: PlayedPod._defers,
    Step.RESCHEDULE: PlayedPod._reschedules,
    Step.RUN_OUT_OF_MEMORY: PlayedPod._out_of_memory,
    Step.DIE_WHILE_LOCKED: PlayedPod._dies_while_locked,
    Step.SAY_NOTHING: PlayedPod._says_nothing,
    Step.FALL_SILENT: PlayedPod._falls_silent,
    Step.EVICT: PlayedPod._evicted,
    Step.DELETE: PlayedPod._deleted_at_work,
    Step.CLEAR: PlayedPod._cleared,
    Step.MARK: PlayedPod._marked,
}
