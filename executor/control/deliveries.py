"""Keeps each batch's Secret for as long as one of its pods may wait for it.

A Secret is needed by a pod that mounts it and has not started, and by a create whose answer was lost: its pod may be
there. Everything else (started, ended, posted anew with another Secret, settled) needs it no more. Pods are known by
the watch, so a pod that another scheduler has taken over counts as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from executor.control.composer import Draft
from executor.control.jobs import Jobs
from executor.control.tracker import Tracked, Tracker, awaits_secret
from executor.control.workload_secrets import WorkloadSecrets
from executor.errors import ApiError
from executor.identity import SECRET_ANNOTATION

LOOK_SECONDS = 2.0


@dataclass(slots=True)
class Recipient:
    """A launch whose pod mounts a batch's Secret: what is left of its draft, which holds its token."""

    tracked: Tracked
    namespace: str
    name: str  # of the pod
    created: bool  # the API server said so
    doubtful: bool  # it may have been created: its create is under way, or was not answered
    shown: bool = False  # the watch has shown it


@dataclass(slots=True)
class Delivery:
    """One batch's Secret. recipients: those that may need it; fewer and fewer."""

    namespace: str
    secret: str
    creating: asyncio.Task[str | None]
    recipients: list[Recipient] = field(default_factory=list)
    taken_over: bool = False  # another scheduler has a pod of it that the watch has not shown


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
        return Delivery(namespace, secret, self._jobs.start(self._create(namespace, secret, drafts)))

    async def end(self, delivery: Delivery, drafts: list[Draft]) -> None:
        """The creates of its pods were answered."""
        delivery.recipients = [_recipient(draft) for draft in drafts]
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
            elif not any(self._needs(one, delivery.secret) for one in delivery.recipients):
                await self._secrets.release(delivery.namespace, delivery.secret)

    async def close(self) -> None:
        """What is left is the next scheduler's to sweep."""
        await self._jobs.cancel()

    async def _create(self, namespace: str, secret: str, drafts: list[Draft]) -> str | None:
        """None if the Secret exists now, else the sentence to refuse its launches with."""
        data = {draft.tracked.launch.id: draft.workload for draft in drafts}

        def wanted() -> bool:
            return any(self._needs(_recipient(draft), secret) for draft in drafts)

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
        namespace, secret = delivery.namespace, delivery.secret
        try:
            while delivery.recipients:
                self._look(delivery)
                if self._secrets.is_lost(namespace, secret):
                    return self._replace(delivery)
                if delivery.recipients:
                    await asyncio.sleep(LOOK_SECONDS)
        finally:
            self._open.remove(delivery)
        if delivery.taken_over:
            return self._secrets.let_go(namespace, secret)  # the sweep sees when
        await self._secrets.release(namespace, secret)

    def _look(self, delivery: Delivery) -> None:
        """Leave out who needs it no more."""
        still = []
        for one in delivery.recipients:
            if self._needs(one, delivery.secret):
                still.append(one)
            elif one.tracked.ceded and not one.shown:
                delivery.taken_over = True
        delivery.recipients = still

    def _replace(self, delivery: Delivery) -> None:
        """Somebody took the Secret away: the pods that wait for it would wait for ever."""
        for tracked in self._waiting(delivery):
            tracked.workload_lost = True
            self._replaced(tracked)
        self._secrets.let_go(delivery.namespace, delivery.secret)

    def _needs(self, one: Recipient, secret: str) -> bool:
        tracked, pod = one.tracked, self._tracker.pods.get((one.namespace, one.name))
        if pod is not None and pod.metadata.annotations.get(SECRET_ANNOTATION) == secret:
            one.shown = True
            return awaits_secret(pod)
        if one.shown or self._tracker.get(tracked.launch.id) is not tracked:
            return False
        if tracked.pod is None:
            return one.doubtful
        return tracked.seen is None and tracked.pod.name == one.name and (one.doubtful or one.created)

    def _waiting(self, delivery: Delivery) -> Iterator[Tracked]:
        """Launches whose present pod mounts the Secret and has not started."""
        for one in delivery.recipients:
            tracked = one.tracked
            mine = tracked.pod is not None and tracked.pod.name == one.name
            if mine and self._tracker.get(tracked.launch.id) is tracked and self._needs(one, delivery.secret):
                yield tracked


def _recipient(draft: Draft) -> Recipient:
    doubtful = draft.ambiguous or not draft.answered
    return Recipient(draft.tracked, draft.namespace, draft.name, created=draft.ref is not None, doubtful=doubtful)
