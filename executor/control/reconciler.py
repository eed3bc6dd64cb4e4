"""The slow heartbeats of the loop: what no event tells.

Every `reconcile_interval` all tracked rows are read (nobody tells the executor that a task was cleared, marked or
deleted), all pods are listed beside the watch (an event that got lost must not matter for longer), pods that it never
showed are asked for, and pods that nobody tracks are collected once their row is missing, final or another launch's and
they are older than two leases; kept pods go when their time is over. Every quarter of `task_queued_timeout` the rows of
waiting launches are kept fresh, because the scheduler fails a task that is queued for too long. Every two minutes
workload Secrets that no pod waits for are swept, and those that somebody took away are missed.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from executor.control.callbacks import StaleCallbacks
from executor.control.janitor import Janitor
from executor.control.judge import ROWS_DOWN_DELAY, Judge
from executor.control.lease import Lease
from executor.control.observer import Observer
from executor.control.ports import RowsDown, RowsPort
from executor.control.quiet import Quiet
from executor.control.strays import Strays, chunks
from executor.control.tracker import Tracker
from executor.control.workload_secrets import WorkloadSecrets
from executor.model import Kind, Launch
from executor.observe.decide import Progress

log = logging.getLogger(__name__)

UNSEEN_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Seconds. freshen: 0 leaves waiting rows to the scheduler's own timer; sweep: between two sweeps of Secrets that
    nobody needs, and the age up to which they are left alone: their pods may yet come."""

    reconcile: float = 30.0
    freshen: float = 150.0
    lease: float = 15.0
    sweep: float = 120.0

    @property
    def stray(self) -> timedelta:
        """The age up to which a pod that nobody tracks is left alone: two leases of any scheduler."""
        return timedelta(seconds=4 * self.lease)


class Reconciler:
    """Compares what is tracked with the database and with the cluster."""

    def __init__(
        self,
        *,
        tracker: Tracker,
        rows: RowsPort,
        judge: Judge,
        observer: Observer,
        janitor: Janitor,
        secrets: WorkloadSecrets,
        lease: Lease,
        callbacks: StaleCallbacks,
        rhythm: Rhythm,
        now: Callable[[], datetime],
        log_path: Callable[[Launch], str | None],
    ) -> None:
        """now: the calendar, aware of its time zone; log_path: where a task's log lies, None if that is not known."""
        self._callbacks = callbacks
        self._tracker, self._rows, self._judge = tracker, rows, judge
        self._observer, self._janitor = observer, janitor
        self._lease, self._rhythm, self._now = lease, rhythm, now
        self._strays = Strays(
            tracker=tracker,
            rows=rows,
            janitor=janitor,
            secrets=secrets,
            age=rhythm.stray,
            now=now,
            log_path=log_path,
        )
        self._quiet = Quiet()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._every(self._rhythm.reconcile, self.reconcile))
            group.create_task(self._every(self._rhythm.reconcile, self._observer.resync))
            group.create_task(self._every(self._rhythm.reconcile, self._check_callbacks))
            group.create_task(self._every(self._rhythm.sweep, self._sweep))
            if self._rhythm.freshen:
                group.create_task(self._every(self._rhythm.freshen, self.freshen))

    async def _every(self, seconds: float, act: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(seconds)
            if not self._lease.held():
                continue
            try:
                await act()
            except RowsDown as error:
                log.warning("The database does not answer, nothing is reconciled: %s", error)
            except Exception:
                log.exception("A pass of the reconciler broke; the next one comes in %.0f s", seconds)

    async def _check_callbacks(self) -> None:
        """Not before all pods were listed: a callback whose pod cannot be seen is not without one."""
        if self._observer.complete:
            await self._callbacks.check()

    async def _sweep(self) -> None:
        await self._strays.sweep(self._observer.namespaces)

    async def reconcile(self) -> None:
        """One pass over everything that is tracked, then over the pods that are not."""
        for chunk in chunks(list(self._tracker)):
            await self._judge.read_and_look(chunk)
        now = asyncio.get_running_loop().time()
        for tracked in self._tracker:
            if tracked.progress is Progress.UNSEEN and now - tracked.posted_at > UNSEEN_SECONDS:
                self._observer.check_unseen(tracked)
        async for stray in self._strays.find():
            self._strays.collect(stray)
        self._janitor.expire(self._tracker.pods.values(), self._now())

    async def revalidate(self) -> None:
        """After the scheduler was frozen: re-read the rows of everything that waits to be posted."""
        waiting = deque(chunks([t for t in self._tracker if t.progress is Progress.WAITING]))
        while waiting:
            try:
                await self._judge.read_and_look(waiting[0])
            except RowsDown as error:
                if self._quiet.due():
                    log.warning("The database does not answer after a freeze, nothing is posted until then: %s", error)
                await asyncio.sleep(ROWS_DOWN_DELAY)
            else:
                waiting.popleft()

    async def freshen(self) -> None:
        """Waiting is no reason to be failed by the scheduler's stuck-in-queued timer."""
        waiting = [t.launch for t in self._tracker if t.waiting and t.launch.kind is Kind.TASK]
        for chunk in chunks(waiting):
            await self._rows.keep_fresh(chunk)
