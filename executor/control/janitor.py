"""Deletes pods that are no longer needed, once, after what is worth keeping of their log was kept.

`retention` says which ended pods stay, and until when. A pod whose worker may still run is deleted whatever it says.
A kept pod's leftover containers (a sidecar that never ends) are stopped by a deadline. Deletes wait while the
scheduler's lease has lapsed. A pod that has not ended is looked at once more before it goes (`last_look`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from datetime import datetime
from typing import TypeVar

from executor.control.chronicle import Chronicle
from executor.control.jobs import Jobs
from executor.control.last_look import LastLook, Parting
from executor.control.lease import Lease
from executor.control.ports import RowsDown
from executor.control.retention import KeepPolicy, expired
from executor.control.tails import Tails
from executor.control.tracker import ref_of
from executor.errors import ApiError, Transient
from executor.kube.port import KubePort, PodRef
from executor.model import Launch
from executor.observe.diagnosis import BASE, base_started, is_alive, speaker
from executor.observe.pod_view import PodView

log = logging.getLogger(__name__)

T = TypeVar("T")

CONCURRENCY = 32
PATIENCE = 10.0
LOOK_AGAIN_SECONDS = 1.0
RETRY_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


class Janitor:
    """Bounded concurrency; a delete is tried until it is answered."""

    def __init__(
        self,
        kube: KubePort,
        tails: Tails,
        chronicle: Chronicle,
        policy: KeepPolicy,
        lease: Lease,
        last_look: LastLook,
        follows: Callable[[PodView], bool] = lambda pod: False,
    ) -> None:
        """follows: whether a launch that is not settled follows this pod."""
        self._kube = kube
        self._last_look, self._follows = last_look, follows
        self._tails = tails
        self._chronicle = chronicle
        self._policy = policy
        self._lease = lease
        self._slots = asyncio.Semaphore(CONCURRENCY)
        self._jobs = Jobs("deleting a pod")
        self._busy: set[str] = set()  # uids: a pod is dealt with once
        self._deleting: set[str] = set()
        self._kept: set[str] = set()
        self._patient: dict[str, asyncio.Future[PodView | None]] = {}
        self._ending = asyncio.Event()

    @property
    def pending(self) -> int:
        return len(self._jobs)

    def retire(
        self,
        launch: Launch,
        pod: PodView,
        *,
        clean: bool,
        patient: bool = False,
        gone: bool = False,
        doomed: bool = False,
        shut_out: bool = False,
    ) -> None:
        """The launch is settled: delete or keep its pod. clean: its log needs no saving.

        patient: its worker has reported and is about to end by itself, which it gets PATIENCE for; gone: the pod is
        deleted already, and only what was kept of its log is left to deal with; doomed: its worker is to end although
        its row says that it runs the task for this launch; shut_out: nobody will let its worker in any more.
        """
        if not gone and pod.metadata.uid in self._busy:
            return
        self._chronicle.hold(launch)
        if gone:
            self._jobs.start(self._bury(launch, pod, clean=clean))
            return
        self._busy.add(pod.metadata.uid)
        if is_alive(pod) and not patient:
            self._deleting.add(pod.metadata.uid)
        look = not shut_out
        self._jobs.start(self._retire(launch, pod, clean=clean, patient=patient, doomed=doomed, look=look))

    def collect(self, launch: Launch, pod: PodView, *, clean: bool) -> None:
        """The same for a pod that nobody tracks: nothing more will be said about its launch."""
        self.retire(launch, pod, clean=clean)
        self._chronicle.end(launch)

    def remove(self, launch: Launch, pod: PodRef, *, doomed: bool = False) -> None:
        """Delete this pod, whatever the policies say: its worker is not to run for this launch."""
        if pod.uid not in self._busy:
            self._busy.add(pod.uid)
            self._deleting.add(pod.uid)
            self._jobs.start(self._part(launch, pod, doomed=doomed))

    def expire(self, pods: Iterable[PodView], now: datetime) -> None:
        """Of all these pods, delete those that were kept for long enough."""
        kept = [p for p in pods if p.metadata.uid in self._kept and p.metadata.deletion_timestamp is None]
        for pod in expired(kept, self._policy, now):
            self._kept.discard(pod.metadata.uid)
            self._jobs.start(self._delete(ref_of(pod)))

    def deals_with(self, uid: str) -> bool:
        """The pod is being deleted, or is kept."""
        return uid in self._busy

    def keeps(self, pod: PodView) -> bool:
        """This pod stays for a while when it has ended."""
        return self._policy.keeps(pod)

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
        for uids in (self._busy, self._deleting, self._kept):
            uids.discard(uid)
        waiting = self._patient.get(uid)
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    async def drain(self) -> None:
        """Wait for what is under way. Pods that are about to end by themselves, or that may be let in, are left to the
        next scheduler."""
        self._ending.set()
        for waiting in self._patient.values():
            if not waiting.done():
                waiting.set_result(None)
        await self._jobs.drain()

    async def close(self) -> None:
        """Give up what is still under way."""
        await self._jobs.cancel()

    async def _retire(
        self, launch: Launch, pod: PodView, *, clean: bool, patient: bool, doomed: bool, look: bool
    ) -> None:
        try:
            last = await self._ended(launch, pod, clean=clean, patient=patient)
            if last is not None and is_alive(last) and look:
                await self._part(launch, ref_of(last), doomed=doomed)
            elif last is not None:
                await self._clear_away(last)
        finally:
            self._tails.drop(pod.metadata.uid)

    async def _ended(self, launch: Launch, pod: PodView, *, clean: bool, patient: bool) -> PodView | None:
        """The pod as it is now, its log saved; None if it has gone."""
        try:
            last = await self._its_end(pod) if patient else pod
            container = speaker(last) if last is not None else ""
            if container and not clean:
                await self._tails.save(launch, ref_of(pod), container)
            return last
        finally:
            self._chronicle.release(launch)

    async def _bury(self, launch: Launch, pod: PodView, *, clean: bool) -> None:
        try:
            if not clean and base_started(pod):
                await self._tails.salvage(launch, ref_of(pod))
        finally:
            self._chronicle.release(launch)
            self._tails.drop(pod.metadata.uid)

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

    async def _clear_away(self, pod: PodView) -> None:
        ref = ref_of(pod)
        if is_alive(pod) or not self._policy.keeps(pod):
            await self._delete(ref)
            return
        self._kept.add(ref.uid)
        if _has_leftovers(pod):
            await self._insist(lambda: self._kube.set_deadline(ref, 1), f"stop the leftovers of pod {ref.name}")

    async def _part(self, launch: Launch, pod: PodRef, *, doomed: bool) -> None:
        """Delete a pod whose worker may run or start, unless it runs the task of a later launch."""
        what = f"delete pod {pod.namespace}/{pod.name}"
        while True:
            look = await self._insist(lambda: self._last_look.delete(launch, pod, doomed=doomed), what)
            parting, seen = look or (None, None)
            if parting is not Parting.WAIT or self._ending.is_set():
                break
            self._deleting.discard(pod.uid)  # nobody is to wait for its end
            await self._pause(LOOK_AGAIN_SECONDS)
        if parting is Parting.DELETE:
            return
        self._let_be(pod)
        if seen is not None and not is_alive(seen) and not self._follows(seen):  # it may have been adopted again
            self._busy.add(pod.uid)
            await self._clear_away(seen)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ending.wait()

    async def _delete(self, pod: PodRef) -> None:
        self._deleting.add(pod.uid)
        done = await self._insist(lambda: self._kube.delete_pod(pod), f"delete pod {pod.namespace}/{pod.name}")
        if done is None:
            self._let_be(pod)

    def _let_be(self, pod: PodRef) -> None:
        """It was not deleted. Whoever follows it comes back to it, or reconciliation, if it is there."""
        self._deleting.discard(pod.uid)
        self._busy.discard(pod.uid)

    async def _insist(self, action: Callable[[], Awaitable[T]], what: str) -> T | None:
        """Do it until it is answered: transient errors are tried again, a refusal is logged. None if refused."""
        attempt = 0
        while True:
            try:
                async with self._slots:
                    await self._lease.until_held()
                    return await action()
            except (Transient, RowsDown):
                await asyncio.sleep(RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)])
                attempt += 1
            except ApiError as error:
                log.warning("Could not %s: %s", what, error)
                return None


def _has_leftovers(pod: PodView) -> bool:
    return any(s.name != BASE and s.state.running is not None for s in pod.status.container_statuses)
