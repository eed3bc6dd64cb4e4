"""Posts batches of pods with their Secret, and acts on the API server's answers.

A batch's workloads go into one Secret, posted together with its pods. Each launch ends in one of four ways: posted;
back in the queue (the API server pushed back, or did not answer); refused (it will not succeed as it is: the judge
tells the scheduler); dropped (nobody tracks it any more). Excluded: what is posted when, and what a pod is made of.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from executor.control.adjudicate import Verdict, defect, judge_answer
from executor.control.chronicle import Chronicle
from executor.control.composer import Draft
from executor.control.deliveries import Deliveries
from executor.control.janitor import Janitor
from executor.control.jobs import Jobs
from executor.control.launch_log import LaunchLog
from executor.control.lease import Lease
from executor.control.pace import Pace
from executor.control.quiet import Quiet
from executor.control.tracker import Tracked, Tracker, ref_of
from executor.control.work_queue import UNPLACED, WorkQueue
from executor.control.workload_secrets import WorkloadSecrets
from executor.errors import AlreadyExists, ApiError
from executor.identity import DEPLOYMENT_LABEL
from executor.kube.port import KubePort, PodRef
from executor.metrics import Metrics
from executor.observe.decide import Progress
from executor.observe.pod_view import PodView
from executor.observe.twin import is_own, is_twin

log = logging.getLogger(__name__)

NAMESPACE_GRACE = 5.0


@dataclass(frozen=True, slots=True)
class LaunchPolicy:
    """concurrency: creates under way at once; use_secrets: workload_delivery = secret."""

    concurrency: int = 64
    use_secrets: bool = True
    publish_retries: int = -1  # further tries after an answer that asks to come back; -1 without end


class Poster:
    """The one place that creates pods."""

    def __init__(
        self,
        *,
        kube: KubePort,
        queue: WorkQueue,
        tracker: Tracker,
        secrets: WorkloadSecrets,
        chronicle: Chronicle,
        lease: Lease,
        pace: Pace,
        policy: LaunchPolicy,
        metrics: Metrics,
        janitor: Janitor,
        on_posted: Callable[[Tracked], None],
        wake: Callable[[], None],
    ) -> None:
        """on_posted: called when a launch was posted or refused; wake: called when a slot is free again."""
        self._kube, self._queue, self._tracker = kube, queue, tracker
        self._secrets, self._chronicle, self._janitor = secrets, chronicle, janitor
        self._lease, self._pace, self._policy, self._metrics = lease, pace, policy, metrics
        self._on_posted, self._wake = on_posted, wake
        self._slots = asyncio.Semaphore(policy.concurrency)
        self._jobs = Jobs("a batch of launches")
        self._deliveries = Deliveries(secrets, tracker, refuse=self.refuse, replaced=on_posted)
        self._quiet, self._log = Quiet(), LaunchLog()
        self.under_way = 0  # launches of batches that are not answered yet
        self.posted = 0
        self.lapses = 0  # of the lease, after which the rows of everything queued were read anew

    def post_all(self, batches: Mapping[str, list[Draft]], secret: str) -> None:
        """Post these drafts, by namespace, each namespace with a Secret of this name."""
        for namespace, drafts in batches.items():
            self.under_way += len(drafts)
            self._jobs.start(self._post_batch(namespace, secret, drafts))

    async def drain(self) -> None:
        """Wait for the creates that are under way; the Secrets that are left are Kubernetes' from now on."""
        await self._jobs.drain()
        await self._deliveries.hand_over()

    async def close(self) -> None:
        """Give up what is still under way."""
        await self._jobs.cancel()
        await self._deliveries.close()
        self._log.flush()

    async def _post_batch(self, namespace: str, secret: str, drafts: list[Draft]) -> None:
        """The Secret and its pods go out together; it stays until the last of them has started."""
        delivery = self._deliveries.begin(namespace, secret, drafts) if self._policy.use_secrets else None
        await asyncio.gather(*(self._post(draft) for draft in drafts))
        if delivery is not None:
            await self._deliveries.end(delivery, drafts)

    async def _post(self, draft: Draft) -> None:
        """One create, when its turn has come."""
        try:
            await self._pace.wait()
            async with self._slots:
                if self._still_wanted(draft):
                    await self._create(draft)
        finally:
            draft.answered = True
            self.under_way -= 1
            self._wake()

    def _still_wanted(self, draft: Draft) -> bool:
        """Since it was composed the launch may have been settled, or the scheduler frozen: then rows are read anew."""
        fresh = self._lease.held() and self._lease.lapses == self.lapses
        if fresh and self._tracker.get(draft.tracked.launch.id) is draft.tracked:
            return True
        self._queue.answered(draft.namespace)
        self._requeue(draft.tracked, draft.namespace, 0.0)
        return False

    async def _create(self, draft: Draft) -> None:
        """The create, and what its answer means."""
        tracked = draft.tracked
        if tracked.unanswered != tracked.attempt:
            tracked.found = None  # an older pod of this name
        elif tracked.found is not None:
            await self._follow(draft, tracked.found)
            return
        try:
            ref = await self._kube.create_pod(draft.namespace, draft.manifest)
        except AlreadyExists:
            await self._meet_twin(draft)
        except ApiError as error:
            self._answer(draft, judge_answer(error, draft.built, tracked.not_found))
        except Exception as error:
            log.exception("%s: its pod could not be posted", tracked.launch)
            self._answer(draft, Verdict(refusal=defect(error), ambiguous=True))
        else:
            self._posted(draft, ref)

    def _posted(self, draft: Draft, ref: PodRef) -> None:
        tracked = draft.tracked
        self.posted += 1
        self._queue.succeeded(ref.namespace)
        if self._tracker.get(tracked.launch.id) is not tracked:  # settled while the create was under way
            if not tracked.ceded:
                self._janitor.remove(tracked.launch, ref)
            return
        self._queue.discard(tracked.launch.id)
        tracked.pod, tracked.posted_at = ref, _now()
        if not draft.met_twin:
            draft.ref = ref
        self._metrics.timing("queued_to_posted", tracked.posted_at - tracked.queued_at)
        self._tracker.posted(tracked)
        for warning in draft.built.warnings:
            self._chronicle.say(tracked, "pod warning", warning, once=warning, level="warning")
        self._log.posted(tracked, ref)
        self._on_posted(tracked)

    async def _meet_twin(self, draft: Draft) -> None:
        """409: our own create whose answer was lost, or something that only has the same name."""
        namespace, name = draft.namespace, draft.manifest["metadata"]["name"]
        try:
            pod = await self._kube.read_pod(namespace, name)
        except ApiError as error:
            self._answer(draft, judge_answer(error, draft.built, 0))
            return
        deployment, tracked = draft.manifest["metadata"]["labels"][DEPLOYMENT_LABEL], draft.tracked
        mine = is_own if tracked.unanswered == tracked.attempt else is_twin
        if not mine(pod, tracked.launch, deployment):
            tracked.attempt += 1
            self._queue.answered(namespace)
            self._requeue(tracked, namespace, 0.0)
            return
        await self._follow(draft, pod)

    async def _follow(self, draft: Draft, pod: PodView) -> None:
        """It was created already, by an earlier request, and may have lived its life meanwhile: its end counts."""
        draft.met_twin = True
        ref = ref_of(pod)
        if self._policy.use_secrets and not await self._secrets.exists(pod):
            draft.tracked.workload_lost = True  # another pod takes its place, unless it has started
        self._posted(draft, ref)

    def _answer(self, draft: Draft, verdict: Verdict) -> None:
        """Back into the queue, or refused."""
        tracked, namespace = draft.tracked, draft.namespace
        draft.ambiguous = draft.ambiguous or verdict.ambiguous
        if verdict.ambiguous:
            tracked.unanswered = tracked.attempt
        if verdict.refusal:
            self._queue.answered(namespace)
            self.refuse(tracked, verdict.refusal)
        elif verdict.missing_namespace:
            tracked.not_found += 1
            self._queue.answered(namespace)
            self._requeue(tracked, namespace, _now() + NAMESPACE_GRACE)
        elif 0 <= self._policy.publish_retries <= tracked.pushed_back:
            self._queue.pushed_back(namespace, _now(), verdict.retry_after)
            self.refuse(tracked, f"{verdict.waiting} (task_publish_max_retries = {self._policy.publish_retries})")
        else:
            self._come_back(tracked, namespace, verdict)

    def _come_back(self, tracked: Tracked, namespace: str, verdict: Verdict) -> None:
        tracked.pushed_back += 1
        self._queue.pushed_back(namespace, _now(), verdict.retry_after, verdict.longest_hold)
        self._requeue(tracked, namespace, 0.0)
        sentence = f"{verdict.waiting.rstrip('.')}. Its task stays queued meanwhile."
        self._chronicle.say(tracked, "pod waiting", sentence, once=verdict.reason, common=True)
        if self._quiet.due():
            log.warning("Pods in namespace %s cannot be posted for now: %s", namespace, verdict.waiting)

    def _requeue(self, tracked: Tracked, lane: str, not_before: float) -> None:
        if self._tracker.get(tracked.launch.id) is tracked:
            self._queue.put(tracked.launch.id, tracked.launch.priority, lane=lane or UNPLACED, not_before=not_before)
            self._wake()

    def refuse(self, tracked: Tracked, sentence: str) -> None:
        """It will not succeed as it is: the judge tells the scheduler."""
        self._queue.discard(tracked.launch.id)
        tracked.refusal, tracked.progress = sentence, Progress.REFUSED
        self._on_posted(tracked)


def _now() -> float:
    return asyncio.get_running_loop().time()
