"""Deletes pods that are no longer needed, once, after what is worth keeping of their log was kept.

Policies: `delete_worker_pods = False` keeps finished pods, `delete_worker_pods_on_failure = False` keeps failed ones.
A pod whose worker may still run is deleted whatever they say. A kept pod's leftover containers (a sidecar that never
ends) are stopped by a deadline. Deletes wait while the scheduler's lease has lapsed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from executor.control.chronicle import Chronicle
from executor.control.jobs import Jobs
from executor.control.lease import Lease
from executor.control.tracker import is_alive, ref_of
from executor.errors import ApiError, Transient
from executor.kube.port import KubePort, PodRef
from executor.model import Launch
from executor.observe.diagnosis import BASE, base_started
from executor.observe.pod_view import PodView

log = logging.getLogger(__name__)

TAIL_LINES = 2_000
TAIL_BYTES = 64 * 1024
CONCURRENCY = 32
PATIENCE = 10.0
RETRY_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


@dataclass(frozen=True, slots=True)
class KeepPolicy:
    """Which finished pods stay."""

    delete: bool = True
    delete_on_failure: bool = True

    def keeps(self, *, failed: bool) -> bool:
        return not self.delete or (failed and not self.delete_on_failure)


class Janitor:
    """Bounded concurrency; a delete is tried until it is answered."""

    def __init__(self, kube: KubePort, chronicle: Chronicle, policy: KeepPolicy, lease: Lease) -> None:
        self._kube = kube
        self._chronicle = chronicle
        self._policy = policy
        self._lease = lease
        self._slots = asyncio.Semaphore(CONCURRENCY)
        self._jobs = Jobs("deleting a pod")
        self._busy: set[str] = set()  # uids: a pod is dealt with once
        self._deleting: set[str] = set()
        self._patient: dict[str, asyncio.Future[PodView | None]] = {}

    @property
    def pending(self) -> int:
        return len(self._jobs)

    def retire(self, launch: Launch, pod: PodView, *, clean: bool, failed: bool, patient: bool = False) -> None:
        """The launch is settled: delete or keep its pod. clean: its log needs no saving.

        patient: its worker has reported and is about to end by itself, which it gets PATIENCE for.
        """
        if pod.metadata.uid not in self._busy:
            self._busy.add(pod.metadata.uid)
            if is_alive(pod) and not patient:
                self._deleting.add(pod.metadata.uid)
            self._jobs.start(self._retire(launch, pod, clean=clean, failed=failed, patient=patient))

    def remove(self, pod: PodRef) -> None:
        """Delete this pod, whatever the policies say: its worker must not run."""
        if pod.uid not in self._busy:
            self._busy.add(pod.uid)
            self._jobs.start(self._delete(pod))

    def deals_with(self, uid: str) -> bool:
        """The pod is being deleted, or is kept."""
        return uid in self._busy

    def deletes(self, uid: str) -> bool:
        """The pod is being deleted, or about to be."""
        return uid in self._deleting

    def notice(self, pod: PodView) -> None:
        """Here is the pod now: perhaps the one whose end is waited for."""
        waiting = self._patient.get(pod.metadata.uid)
        if waiting is not None and not waiting.done() and not is_alive(pod):
            waiting.set_result(pod)

    def forget(self, uid: str) -> None:
        """The watch saw the pod go."""
        self._busy.discard(uid)
        self._deleting.discard(uid)
        waiting = self._patient.get(uid)
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    async def drain(self) -> None:
        """Wait for what is under way."""
        await self._jobs.drain()

    async def close(self) -> None:
        """Give up what is still under way."""
        await self._jobs.cancel()

    async def _retire(self, launch: Launch, pod: PodView, *, clean: bool, failed: bool, patient: bool) -> None:
        ref = ref_of(pod)
        last = await self._its_end(pod) if patient else pod
        if last is not None:
            await self._clear_away(launch, ref, last, clean=clean, failed=failed)

    async def _its_end(self, pod: PodView) -> PodView | None:
        """The pod when its worker has ended, or as it was if that takes too long; None if it has gone."""
        uid = pod.metadata.uid
        self._patient[uid] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._patient[uid]
        except TimeoutError:
            return pod
        finally:
            del self._patient[uid]

    async def _clear_away(self, launch: Launch, ref: PodRef, pod: PodView, *, clean: bool, failed: bool) -> None:
        if is_alive(pod) or not self._policy.keeps(failed=failed):
            if not clean and base_started(pod):
                await self._save_tail(launch, ref)
            await self._delete(ref)
        elif _has_leftovers(pod):
            await self._insist(lambda: self._kube.set_deadline(ref, 1), f"stop the leftovers of pod {ref.name}")

    async def _save_tail(self, launch: Launch, pod: PodRef) -> None:
        try:
            async with self._slots:
                tail = await self._kube.read_log(
                    pod.namespace, pod.name, container=BASE, tail_lines=TAIL_LINES, limit_bytes=TAIL_BYTES
                )
        except ApiError as error:
            log.info("%s: the log of pod %s/%s could not be saved: %s", launch, pod.namespace, pod.name, error)
        else:
            self._chronicle.write_tail(launch, pod.name, tail)

    async def _delete(self, pod: PodRef) -> None:
        self._deleting.add(pod.uid)
        done = await self._insist(lambda: self._kube.delete_pod(pod), f"delete pod {pod.namespace}/{pod.name}")
        if not done:
            self._deleting.discard(pod.uid)
            self._busy.discard(pod.uid)  # reconciliation comes back to it

    async def _insist(self, action: Callable[[], Awaitable[object]], what: str) -> bool:
        """Do it until it is answered: transient errors are tried again, a refusal is logged. False if refused."""
        attempt = 0
        while True:
            await self._lease.until_held()
            try:
                async with self._slots:
                    await action()
                return True
            except Transient:
                await asyncio.sleep(RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)])
                attempt += 1
            except ApiError as error:
                log.warning("Could not %s: %s", what, error)
                return False


def _has_leftovers(pod: PodView) -> bool:
    return any(s.name != BASE and s.state.running is not None for s in pod.status.container_statuses)
