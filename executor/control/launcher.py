"""Takes launches off the work queue and has their pods posted.

A batch is what is ready when a create slot frees; its pods are built here and go to the Poster by namespace. Nothing is
taken while the scheduler's lease has lapsed; what was queued is checked against its row before going on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from executor.control.adjudicate import defect
from executor.control.chronicle import Chronicle
from executor.control.composer import Composer, Draft
from executor.control.janitor import Janitor
from executor.control.lease import Lease
from executor.control.pace import Pace
from executor.control.poster import LaunchPolicy, Poster
from executor.control.tracker import Tracked, Tracker
from executor.control.work_queue import WorkQueue
from executor.control.workload_secrets import BATCH_BYTES, BATCH_LIMIT, WorkloadSecrets
from executor.kube.port import KubePort
from executor.manifest import ManifestError
from executor.metrics import Metrics
from executor.observe.pod_view import PodView

log = logging.getLogger(__name__)

TERMINATING_WAIT = 30.0
TERMINATING_POLL = 0.25
BATCH_SECONDS = 30.0  # of a limited pace: a Secret whose pods come minutes later looks like one that was left behind


class Launcher:
    """Decides what is posted next."""

    def __init__(
        self,
        *,
        kube: KubePort,
        queue: WorkQueue,
        tracker: Tracker,
        composer: Composer,
        secrets: WorkloadSecrets,
        chronicle: Chronicle,
        lease: Lease,
        pace: Pace,
        policy: LaunchPolicy,
        metrics: Metrics,
        on_posted: Callable[[Tracked], None],
        janitor: Janitor,
        revalidate: Callable[[], Awaitable[None]],
    ) -> None:
        """on_posted: called when a launch was posted or refused; revalidate: re-reads the rows of everything queued."""
        self._queue, self._tracker, self._composer, self._secrets = queue, tracker, composer, secrets
        self._lease, self._policy, self._janitor, self._revalidate = lease, policy, janitor, revalidate
        self._batch = max(1, int(min(BATCH_LIMIT, pace.within(BATCH_SECONDS))))
        self._wake = asyncio.Event()
        self._poster = Poster(
            kube=kube,
            queue=queue,
            tracker=tracker,
            secrets=secrets,
            chronicle=chronicle,
            lease=lease,
            pace=pace,
            policy=policy,
            metrics=metrics,
            janitor=janitor,
            on_posted=on_posted,
            wake=self.wake,
        )

    @property
    def posted(self) -> int:
        """How many pods were posted so far."""
        return self._poster.posted

    def wake(self) -> None:
        """Something was put into the queue, or a slot freed."""
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled: wait for work and a free slot, take a batch, post it."""
        while True:
            await self._sleep()
            await self._hold_without_lease()
            free = self._policy.concurrency - self._poster.under_way
            if free > 0:
                taken = self._queue.take(self._now(), self._batch if self._policy.use_secrets else free)
                await self._launch(taken)

    async def drain(self) -> None:
        """Wait for the creates that are under way."""
        await self._poster.drain()

    async def close(self) -> None:
        """Give up what is still under way."""
        await self._poster.close()
        self._composer.close()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    async def _sleep(self) -> None:
        """Until something can be taken and there is a slot for it."""
        self._wake.clear()
        full = self._poster.under_way >= self._policy.concurrency
        delay = None if full else self._queue.next_change(self._now())
        if delay == 0:
            await asyncio.sleep(0)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(delay):  # wait_for of Python 3.11 can swallow a cancellation
                await self._wake.wait()

    async def _hold_without_lease(self) -> None:
        await self._lease.until_held()
        while self._lease.lapses != self._poster.lapses:
            lapses = self._lease.lapses
            await self._revalidate()
            self._poster.lapses = lapses

    async def _launch(self, taken: list[tuple[str, str]]) -> None:
        """Group what was taken by namespace; a batch's bytes are bounded."""
        secret = self._secrets.new_name()
        batches: dict[str, list[Draft]] = {}
        size = 0
        for launch_id, lane in taken:
            draft = await self._draft(launch_id, lane, secret)
            if draft is None:
                continue
            batches.setdefault(draft.namespace, []).append(draft)
            size += len(draft.workload)
            if size > BATCH_BYTES:
                self._poster.post_all(batches, secret)
                secret, batches, size = self._secrets.new_name(), {}, 0
        self._poster.post_all(batches, secret)

    async def _draft(self, launch_id: str, lane: str, secret: str) -> Draft | None:
        """Compose the pod; None if it cannot be posted now (it was refused, put back, or nobody wants it)."""
        tracked = self._tracker.get(launch_id)
        if tracked is None or self._must_wait(tracked, lane):
            if tracked is None:
                self._queue.discard(launch_id)
            self._queue.answered(lane)
            return None
        try:
            draft = await self._composer.compose(tracked, secret if self._policy.use_secrets else None)
        except ManifestError as error:
            self._queue.answered(lane)
            self._poster.refuse(tracked, str(error))
            return None
        except Exception as error:
            log.exception("%s: its pod could not be built", tracked.launch)
            self._queue.answered(lane)
            self._poster.refuse(tracked, defect(error))
            return None
        tracked.namespace = draft.namespace
        if not self._queue.move(lane, draft.namespace, self._now()):
            self._queue.put(launch_id, tracked.launch.priority, lane=draft.namespace)
            return None
        return draft

    def _must_wait(self, tracked: Tracked, lane: str) -> bool:
        """A pod of an earlier launch or try of this task is on its way out: wait for it, but not for ever."""
        if not any(map(self._is_leaving, self._tracker.living_at(tracked.launch))):
            return False
        now = self._now()
        if now - tracked.queued_at > TERMINATING_WAIT:
            return False
        self._queue.put(tracked.launch.id, tracked.launch.priority, lane=lane, not_before=now + TERMINATING_POLL)
        return True

    def _is_leaving(self, pod: PodView) -> bool:
        return pod.metadata.deletion_timestamp is not None or self._janitor.deletes(pod.metadata.uid)


__all__ = ["LaunchPolicy", "Launcher"]
