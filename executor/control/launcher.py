"""Takes launches off the work queue and posts their pods.

A batch is what is ready when a create slot frees: its workloads go into one Secret per namespace, posted together with
its pods. Each launch ends in one of four ways: posted; back in the queue (the API server pushed back, or did not
answer); refused (it will not succeed as it is: the judge tells the scheduler); dropped (nobody tracks it any more).
Nothing is posted while the scheduler's lease has lapsed; what was queued is checked against its row before going on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from executor.control.adjudicate import Verdict, defect, judge_answer
from executor.control.chronicle import Chronicle
from executor.control.composer import Composer, Draft
from executor.control.jobs import Jobs
from executor.control.lease import Lease
from executor.control.pace import Pace
from executor.control.tracker import Tracked, Tracker, ref_of
from executor.control.work_queue import UNPLACED, WorkQueue
from executor.control.workload_secrets import BATCH_BYTES, BATCH_LIMIT, WorkloadSecrets
from executor.errors import AlreadyExists, ApiError
from executor.kube.port import KubePort, PodRef
from executor.manifest import ManifestError
from executor.observe.decide import Progress
from executor.observe.twin import is_twin

log = logging.getLogger(__name__)

TERMINATING_WAIT = 30.0
TERMINATING_POLL = 0.25
NAMESPACE_GRACE = 5.0


@dataclass(frozen=True, slots=True)
class LaunchPolicy:
    """concurrency: creates under way at once; use_secrets: workload_delivery = secret."""

    concurrency: int = 64
    use_secrets: bool = True


class Launcher:
    """The one place that creates pods."""

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
        on_posted: Callable[[Tracked], None],
        remove: Callable[[PodRef], None],
        revalidate: Callable[[], Awaitable[None]],
    ) -> None:
        """on_posted: called when a launch was posted or refused; remove: deletes a pod that nobody wants any more;
        revalidate: re-reads the rows of everything queued."""
        self._kube, self._queue, self._tracker = kube, queue, tracker
        self._composer, self._secrets, self._chronicle = composer, secrets, chronicle
        self._lease, self._pace, self._policy = lease, pace, policy
        self._on_posted, self._remove, self._revalidate = on_posted, remove, revalidate
        self._slots = asyncio.Semaphore(policy.concurrency)
        self._wake = asyncio.Event()
        self._jobs = Jobs("a batch of launches")
        self._posting = 0
        self.posted = 0
        self._lapses = 0

    def wake(self) -> None:
        """Something was put into the queue, or a slot freed."""
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled: wait for work and a free slot, take a batch, post it."""
        while True:
            await self._sleep()
            await self._hold_without_lease()
            free = self._policy.concurrency - self._posting
            if free > 0:
                taken = self._queue.take(self._now(), BATCH_LIMIT if self._policy.use_secrets else free)
                await self._launch(taken)

    async def drain(self) -> None:
        """Wait for the creates that are under way."""
        await self._jobs.drain()

    async def close(self) -> None:
        """Give up what is still under way."""
        await self._jobs.cancel()
        self._composer.close()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    async def _sleep(self) -> None:
        """Until something can be taken and there is a slot for it."""
        self._wake.clear()
        full = self._posting >= self._policy.concurrency
        delay = None if full else self._queue.next_change(self._now())
        if delay == 0:
            await asyncio.sleep(0)
            return
        try:
            await asyncio.wait_for(self._wake.wait(), delay)
        except TimeoutError:
            return

    async def _hold_without_lease(self) -> None:
        await self._lease.until_held()
        while self._lease.lapses != self._lapses:
            lapses = self._lease.lapses
            await self._revalidate()
            self._lapses = lapses

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
                self._post_all(batches, secret)
                secret, batches, size = self._secrets.new_name(), {}, 0
        self._post_all(batches, secret)

    def _post_all(self, batches: dict[str, list[Draft]], secret: str) -> None:
        for namespace, drafts in batches.items():
            self._posting += len(drafts)
            self._jobs.start(self._post_batch(namespace, secret, drafts))

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
            self._refuse(tracked, str(error))
            return None
        except Exception as error:
            log.exception("%s: its pod could not be built", tracked.launch)
            self._queue.answered(lane)
            self._refuse(tracked, defect(error))
            return None
        tracked.namespace = draft.namespace
        if not self._queue.move(lane, draft.namespace, self._now()):
            self._queue.put(launch_id, tracked.launch.priority, lane=draft.namespace)
            return None
        return draft

    def _must_wait(self, tracked: Tracked, lane: str) -> bool:
        """An older pod of the same task instance is on its way out: wait for it, but not for ever."""
        if not self._tracker.terminating_older(tracked):
            return False
        now = self._now()
        if now - tracked.queued_at > TERMINATING_WAIT:
            return False
        self._queue.put(tracked.launch.id, tracked.launch.priority, lane=lane, not_before=now + TERMINATING_POLL)
        return True

    async def _post_batch(self, namespace: str, secret: str, drafts: list[Draft]) -> None:
        """The Secret and its pods go out together; then the pods are made its owners."""
        delivery = self._deliver(namespace, secret, drafts)
        posted = await asyncio.gather(*(self._post(draft) for draft in drafts))
        created = [ref for draft, ref in zip(drafts, posted, strict=True) if ref is not None and not draft.met_twin]
        problem = await delivery if delivery else None
        if problem is not None:
            self._secrets.drop_batch(namespace, secret)
            self._undo(drafts, posted, problem)
        elif delivery:
            unclear = any(draft.ambiguous for draft in drafts)
            await self._secrets.close_batch(namespace, secret, created, unclear=unclear)

    def _deliver(self, namespace: str, secret: str, drafts: list[Draft]) -> asyncio.Task[str | None] | None:
        if not self._policy.use_secrets:
            return None
        self._secrets.open_batch(namespace, secret)
        return self._jobs.start(self._create_secret(namespace, secret, drafts))

    async def _create_secret(self, namespace: str, secret: str, drafts: list[Draft]) -> str | None:
        """None if the Secret exists now, else the sentence to refuse its launches with."""
        data = {draft.tracked.launch.id: draft.workload for draft in drafts}

        def wanted() -> bool:
            return any(self._tracker.get(draft.tracked.launch.id) is draft.tracked for draft in drafts)

        try:
            await self._secrets.create(namespace, secret, data, wanted)
        except ApiError as error:
            return (
                f"The workload Secret could not be created in namespace {namespace}: {error}. Grant the scheduler's "
                "service account create, patch, list and delete on secrets there, or set [kubernetes_pod_executor] "
                "workload_delivery = args."
            )
        return None

    def _undo(self, drafts: list[Draft], posted: list[PodRef | None], problem: str) -> None:
        """The Secret was refused: the pods that wait for it must go, and their launches with them."""
        for draft, ref in zip(drafts, posted, strict=True):
            if ref is not None and self._tracker.get(draft.tracked.launch.id) is draft.tracked:
                self._refuse(draft.tracked, problem)

    async def _post(self, draft: Draft) -> PodRef | None:
        """One create, when its turn has come."""
        try:
            await self._pace.wait()
            async with self._slots:
                return await self._create(draft) if self._still_wanted(draft) else None
        finally:
            self._posting -= 1
            self.wake()

    def _still_wanted(self, draft: Draft) -> bool:
        """Since it was composed the launch may have been settled, or the scheduler frozen: then its row is read anew."""
        fresh = self._lease.held() and self._lease.lapses == self._lapses
        if fresh and self._tracker.get(draft.tracked.launch.id) is draft.tracked:
            return True
        self._queue.answered(draft.namespace)
        self._requeue(draft.tracked, draft.namespace, 0.0)
        return False

    async def _create(self, draft: Draft) -> PodRef | None:
        """The create, and what its answer means."""
        try:
            ref = await self._kube.create_pod(draft.namespace, draft.manifest)
        except AlreadyExists:
            return await self._meet_twin(draft)
        except ApiError as error:
            self._answer(draft, judge_answer(error, draft.built, draft.tracked.not_found))
            return None
        except Exception as error:
            log.exception("%s: its pod could not be posted", draft.tracked.launch)
            self._answer(draft, Verdict(refusal=defect(error), ambiguous=True))
            return None
        return self._posted(draft, ref)

    def _posted(self, draft: Draft, ref: PodRef) -> PodRef:
        tracked = draft.tracked
        self.posted += 1
        self._queue.succeeded(ref.namespace)
        if self._tracker.get(tracked.launch.id) is not tracked:  # settled while the create was under way
            self._remove(ref)
            return ref
        self._queue.discard(tracked.launch.id)
        tracked.pod, tracked.posted_at = ref, self._now()
        self._tracker.posted(tracked)
        for warning in draft.built.warnings:
            self._chronicle.say(tracked, "pod warning", warning, once=warning, level="warning")
        log.info("%s: posted pod %s/%s (attempt %d)", tracked.launch, ref.namespace, ref.name, tracked.attempt)
        self._on_posted(tracked)
        return ref

    async def _meet_twin(self, draft: Draft) -> PodRef | None:
        """409: our own create whose answer was lost, or something that only has the same name."""
        namespace, name = draft.namespace, draft.manifest["metadata"]["name"]
        try:
            pod = await self._kube.read_pod(namespace, name)
        except ApiError as error:
            self._answer(draft, judge_answer(error, draft.built, 0))
            return None
        if not is_twin(pod, draft.tracked.launch):
            draft.tracked.attempt += 1
            self._queue.answered(namespace)
            self._requeue(draft.tracked, namespace, 0.0)
            return None
        draft.met_twin = True
        if self._policy.use_secrets:
            await self._secrets.adopt(pod, draft.tracked.launch.id, draft.workload)
        return self._posted(draft, ref_of(pod))

    def _answer(self, draft: Draft, verdict: Verdict) -> None:
        """Back into the queue, or refused."""
        tracked, namespace = draft.tracked, draft.namespace
        draft.ambiguous = draft.ambiguous or verdict.ambiguous
        if verdict.refusal:
            self._queue.answered(namespace)
            self._refuse(tracked, verdict.refusal)
        elif verdict.missing_namespace:
            tracked.not_found += 1
            self._queue.answered(namespace)
            self._requeue(tracked, namespace, self._now() + NAMESPACE_GRACE)
        else:
            self._queue.pushed_back(namespace, self._now(), verdict.retry_after)
            self._requeue(tracked, namespace, 0.0)
            self._chronicle.say(tracked, "pod waiting", verdict.waiting, once=verdict.reason)

    def _requeue(self, tracked: Tracked, lane: str, not_before: float) -> None:
        if self._tracker.get(tracked.launch.id) is tracked:
            self._queue.put(tracked.launch.id, tracked.launch.priority, lane=lane or UNPLACED, not_before=not_before)
            self.wake()

    def _refuse(self, tracked: Tracked, sentence: str) -> None:
        self._queue.discard(tracked.launch.id)
        tracked.refusal, tracked.progress = sentence, Progress.REFUSED
        self._on_posted(tracked)
