"""The slow heartbeats of the loop: what no event tells.

Every `reconcile_interval` all tracked rows are read (nobody tells the executor that a task was cleared, marked or
deleted), all pods are listed beside the watch (an event that got lost must not matter for longer), pods that it never
showed are asked for, and pods that nobody tracks are collected once their row is missing, final or another launch's and
they are older than two leases; kept pods go when their time is over. Every quarter of `task_queued_timeout` the rows of
waiting launches are kept fresh, because the scheduler fails a task that is queued for too long. Every ten minutes
Secrets without owners are swept.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

from executor.control.callbacks import StaleCallbacks
from executor.control.janitor import Janitor
from executor.control.judge import ROWS_DOWN_DELAY, ROWS_PER_READ, Judge
from executor.control.lease import Lease
from executor.control.observer import Observer
from executor.control.ports import RowsDown, RowsPort
from executor.control.quiet import Quiet
from executor.control.retention import pod_failed
from executor.control.tracker import Tracked, Tracker, is_alive
from executor.control.workload_secrets import WorkloadSecrets
from executor.identity import KIND_LABEL, LAUNCH_LABEL, SECRET_ANNOTATION, TI_LABEL
from executor.model import Kind, Launch, Row
from executor.observe.decide import Progress
from executor.observe.ownership import owns_launch
from executor.observe.pod_view import PodView

log = logging.getLogger(__name__)

UNSEEN_SECONDS = 20.0
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Seconds. freshen: 0 leaves waiting rows to the scheduler's own timer; sweep: between two sweeps of Secrets that
    nobody owns, and the age up to which they are left alone."""

    reconcile: float = 30.0
    freshen: float = 150.0
    lease: float = 15.0
    sweep: float = 600.0


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
        self._observer, self._janitor, self._secrets = observer, janitor, secrets
        self._lease, self._rhythm, self._now, self._log_path = lease, rhythm, now, log_path
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
        living = [pod.metadata for pod in self._tracker.pods.values() if is_alive(pod)]
        needed = {(meta.namespace, meta.annotations.get(SECRET_ANNOTATION, "")) for meta in living}
        await self._secrets.sweep(self._observer.namespaces, needed)

    async def reconcile(self) -> None:
        """One pass over everything that is tracked, then over the pods that are not."""
        for chunk in _chunks(list(self._tracker)):
            await self._judge.read_and_look(chunk)
        now = asyncio.get_running_loop().time()
        for tracked in self._tracker:
            if tracked.progress is Progress.UNSEEN and now - tracked.posted_at > UNSEEN_SECONDS:
                self._observer.check_unseen(tracked)
        await self._collect()
        self._janitor.expire(self._tracker.pods.values(), self._now())

    async def revalidate(self) -> None:
        """After the scheduler was frozen: re-read the rows of everything that waits to be posted."""
        waiting = deque(_chunks([t for t in self._tracker if t.progress is Progress.WAITING]))
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
        for chunk in _chunks(waiting):
            await self._rows.keep_fresh(chunk)

    async def _collect(self) -> None:
        """Pods of this deployment that nobody tracks, and whose row no longer names their launch."""
        strays = [pod for pod in self._tracker.pods.values() if self._is_stray(pod)]
        for chunk in _chunks(strays):
            launches = [launch_of(pod) for pod in chunk]
            rows = await self._rows.read(launches)
            for pod, launch in zip(chunk, launches, strict=True):
                self._collect_one(pod, launch, rows.get(launch.id))

    def _is_stray(self, pod: PodView) -> bool:
        """Launched by an executor of this deployment, old enough, and neither tracked here nor dealt with already."""
        created, labels = pod.metadata.creation_timestamp, pod.metadata.labels
        if created is None or LAUNCH_LABEL not in labels or TI_LABEL not in labels:
            return False
        if pod.metadata.deletion_timestamp is not None or self._janitor.deals_with(pod.metadata.uid):
            return False
        old = self._now() - created > timedelta(seconds=4 * self._rhythm.lease)
        tracked = self._tracker.get(labels[LAUNCH_LABEL])
        mine = tracked is not None and (tracked.pod is None or tracked.pod.uid == pod.metadata.uid)
        return old and not mine

    def _collect_one(self, pod: PodView, launch: Launch, row: Row | None) -> None:
        if owns_launch(launch, row):
            return  # another scheduler's, or about to be adopted
        if not pod_failed(pod) or self._janitor.keeps(pod):  # whoever kept it has saved its log
            self._janitor.retire(launch, pod, clean=True)
        else:
            self._janitor.collect(replace(launch, log_path=self._log_path(launch)), pod, clean=False)


def launch_of(pod: PodView) -> Launch:
    """As much of the launch as its pod tells."""
    notes = pod.metadata.annotations
    callback = pod.metadata.labels.get(KIND_LABEL) == "callback"
    launch_id = pod.metadata.labels.get(LAUNCH_LABEL, "")
    return Launch(
        id=launch_id,
        kind=Kind.CALLBACK if callback else Kind.TASK,
        key=launch_id,
        ti_id=notes.get("task_instance_id", pod.metadata.labels.get(TI_LABEL, "")),
        dag_id=notes.get("dag_id", ""),
        task_id=notes.get("task_id", ""),
        run_id=notes.get("run_id", ""),
        try_number=_number(notes.get("try_number", ""), 0),
        map_index=_number(notes.get("map_index", ""), -1),
    )


def _number(text: str, otherwise: int) -> int:
    return int(text) if text.isdecimal() else otherwise


def _chunks(items: Sequence[_T]) -> Iterator[Sequence[_T]]:
    for start in range(0, len(items), ROWS_PER_READ):
        yield items[start : start + ROWS_PER_READ]


__all__ = ["Reconciler", "Rhythm", "Tracked", "launch_of"]
