"""Keeps each batch's Secret for as long as one of its pods may wait for it.

A Secret is needed by a pod that mounts it and has not started, and by a create whose answer was lost: its pod may be
there. Everything else (started, ended, posted anew with another Secret, settled) needs it no more. Pods are known by
the watch, so a pod that another scheduler has taken over counts as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from executor.control.composer import Draft
from executor.control.jobs import Jobs
from executor.control.tracker import Tracked, Tracker, awaits_secret
from executor.control.workload_secrets import WorkloadSecrets
from executor.errors import ApiError
from executor.identity import SECRET_ANNOTATION

LOOK_SECONDS = 2.0


@dataclass(slots=True)
class Delivery:
    """One batch's Secret. drafts: those that may need it; fewer and fewer."""

    namespace: str
    secret: str
    drafts: list[Draft]
    creating: asyncio.Task[str | None]


class Deliveries:
    """Secrets that pods of this scheduler wait for."""

    def __init__(
        self,
        secrets: WorkloadSecrets,
        tracker: Tracker,
        *,
        refuse: Callable[[Tracked, str], None],
        replaced: Callable[[Tracked], None],
    ) -> None:
        """refuse: the launch will not succeed, and why; replaced: its pod gives way to another."""
        self._secrets, self._tracker = secrets, tracker
        self._refuse, self._replaced = refuse, replaced
        self._jobs = Jobs("a workload Secret")
        self._open: list[Delivery] = []

    def begin(self, namespace: str, secret: str, drafts: list[Draft]) -> Delivery:
        """Create the Secret, while its pods are posted."""
        self._secrets.hold(namespace, secret)
        return Delivery(namespace, secret, drafts, self._jobs.start(self._create(namespace, secret, drafts)))

    async def end(self, delivery: Delivery) -> None:
        """The creates of its pods were answered."""
        problem = await delivery.creating
        if problem is not None:  # the pods that wait for it must go, and their launches with them
            for tracked in self._waiting(delivery):
                self._refuse(tracked, problem)
            self._secrets.let_go(delivery.namespace, delivery.secret)
            return
        self._secrets.created(delivery.namespace, delivery.secret)
        self._open.append(delivery)
        self._jobs.start(self._keep(delivery))

    async def hand_over(self) -> None:
        """This scheduler ends: Kubernetes deletes each Secret with the last of the pods that wait for it now."""
        for delivery in list(self._open):
            owners = [tracked.pod for tracked in self._waiting(delivery) if tracked.pod is not None]
            if owners:
                await self._secrets.hand_over(delivery.namespace, delivery.secret, owners)
            elif not any(self._needs(draft, delivery.secret) for draft in delivery.drafts):
                await self._secrets.release(delivery.namespace, delivery.secret)

    async def close(self) -> None:
        """What is left is the next scheduler's to sweep."""
        await self._jobs.cancel()

    async def _create(self, namespace: str, secret: str, drafts: list[Draft]) -> str | None:
        """None if the Secret exists now, else the sentence to refuse its launches with."""
        data = {draft.tracked.launch.id: draft.workload for draft in drafts}

        def wanted() -> bool:
            return any(self._needs(draft, secret) for draft in drafts)

        try:
            await self._secrets.create(namespace, secret, data, wanted)
        except ApiError as error:
            return (
                f"The workload Secret could not be created in namespace {namespace}: {error}. Grant the scheduler's "
                "service account create, patch, list and delete on secrets there, or set [kubernetes_pod_executor] "
                "workload_delivery = args."
            )
        return None

    async def _keep(self, delivery: Delivery) -> None:
        """Until nobody needs it: then it holds tokens for nobody."""
        namespace, secret, all_drafts = delivery.namespace, delivery.secret, delivery.drafts
        try:
            while delivery.drafts:
                delivery.drafts = [draft for draft in delivery.drafts if self._needs(draft, secret)]
                if self._secrets.is_lost(namespace, secret):
                    return self._replace(delivery)
                if delivery.drafts:
                    await asyncio.sleep(LOOK_SECONDS)
        finally:
            self._open.remove(delivery)
        if any(draft.tracked.ceded and not draft.shown for draft in all_drafts):
            return self._secrets.let_go(namespace, secret)  # another scheduler has its pod: the sweep sees when
        await self._secrets.release(namespace, secret)

    def _replace(self, delivery: Delivery) -> None:
        """Somebody took the Secret away: the pods that wait for it would wait for ever."""
        for tracked in self._waiting(delivery):
            tracked.workload_lost = True
            self._replaced(tracked)
        self._secrets.let_go(delivery.namespace, delivery.secret)

    def _needs(self, draft: Draft, secret: str) -> bool:
        tracked, pod = draft.tracked, self._tracker.pods.get((draft.namespace, draft.name))
        if pod is not None and pod.metadata.annotations.get(SECRET_ANNOTATION) == secret:
            draft.shown = True
            return awaits_secret(pod)
        if draft.shown or self._tracker.get(tracked.launch.id) is not tracked:
            return False
        if tracked.pod is None:
            return draft.ambiguous or not draft.answered
        unseen = tracked.seen is None and tracked.pod.name == draft.name
        return unseen and (draft.ambiguous or draft.ref is not None)

    def _waiting(self, delivery: Delivery) -> Iterator[Tracked]:
        """Launches whose present pod mounts the Secret and has not started."""
        for draft in delivery.drafts:
            tracked = draft.tracked
            mine = tracked.pod is not None and tracked.pod.name == draft.name
            if mine and self._tracker.get(tracked.launch.id) is tracked and self._needs(draft, delivery.secret):
                yield tracked
