"""`cleanup`: delete what the loop would delete now, by the loop's own parts, where no scheduler runs to do it.

Pods of this deployment whose row is missing, final or names another launch, kept pods whose time is over, Secrets that
no pod waits for. `control.strays`, `control.retention` and `control.janitor` decide; a dry run takes the same way with
hands that only note. What does not carry this deployment's label is never seen. A worker that has just reported is left
to end by itself, as there is no watch here to see that with.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import inf
from typing import TYPE_CHECKING, Any, Final, cast

from executor.control.chronicle import Chronicle
from executor.control.janitor import Janitor
from executor.control.last_look import LastLook
from executor.control.lease import Lease
from executor.control.outbox import Outbox
from executor.control.retention import ended_at
from executor.control.strays import Strays, launch_of
from executor.control.tails import Tails
from executor.control.tracker import Tracker
from executor.control.workload_secrets import WorkloadSecrets
from executor.errors import ApiError, Refused, Transient
from executor.identity import deployment_selector
from executor.kube.port import KubePort, PodRef
from executor.observe.diagnosis import is_alive
from executor.observe.pod_view import PodView

if TYPE_CHECKING:
    from executor.control.machine import MachinePlan

TRIES: Final = 4  # of one delete that got no answer, or "later"


@dataclass(frozen=True, slots=True)
class Removal:
    """A pod or Secret that was deleted, or in a dry run would be. error: why it could not be; "" if it could."""

    kind: str
    namespace: str
    name: str
    about: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Scope:
    """What is left alone besides. namespaces: only these, None for those that the executor uses; pending, ended: pods
    that are pending, or have ended, for less than this."""

    namespaces: frozenset[str] | None = None
    pending: timedelta = timedelta()
    ended: timedelta = timedelta()

    def spares(self, pod: PodView, now: datetime) -> bool:
        """Whether this pod is too young."""
        if not is_alive(pod):
            return now - ended_at(pod) < self.ended
        created = pod.metadata.creation_timestamp
        return pod.status.phase == "Pending" and created is not None and now - created < self.pending

    def includes(self, namespace: str) -> bool:
        """Whether anything is deleted in this namespace."""
        return self.namespaces is None or namespace in self.namespaces

    def listed(self, used: Sequence[str] | None) -> list[str | None]:
        """The namespaces to look at; used: those of the executor, None for all."""
        return [None] if used is None else list(dict.fromkeys([*used, *sorted(self.namespaces or ())]))


class Hands:
    """A KubePort that tells of everything it deletes, and with `dry` deletes nothing."""

    def __init__(self, kube: KubePort, scope: Scope, told: Callable[[Removal], None], *, dry: bool) -> None:
        self._kube, self._scope, self._told, self._dry = kube, scope, told, dry
        self._about: dict[str, str] = {}
        self._unanswered: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._kube, name)

    def know(self, pod: PodView) -> None:
        """Remember what to say about this pod."""
        self._about[pod.metadata.uid] = f"{pod.status.phase}, {launch_of(pod)}"

    async def delete_pod(self, pod: PodRef, *, grace_seconds: int | None = None, version: str = "") -> bool:
        removal = Removal("pod", pod.namespace, pod.name, self._about.get(pod.uid, ""))
        await self._take(removal, lambda: self._kube.delete_pod(pod, grace_seconds=grace_seconds, version=version))
        return True

    async def delete_secret(self, namespace: str, name: str) -> None:
        removal = Removal("secret", namespace, name, "no pod waits for it")
        await self._take(removal, lambda: self._kube.delete_secret(namespace, name))

    async def set_deadline(self, pod: PodRef, seconds: int) -> None:
        if not self._dry and self._scope.includes(pod.namespace):
            await self._kube.set_deadline(pod, seconds)

    async def read_log(self, namespace: str, name: str, **how: Any) -> str:
        return "" if self._dry else await self._kube.read_log(namespace, name, **how)

    async def _take(self, removal: Removal, action: Callable[[], Awaitable[object]]) -> None:
        """Raises ApiError; Refused after TRIES errors that might have passed, as nobody waits for ever here."""
        if not self._scope.includes(removal.namespace):
            return
        try:
            if not self._dry:
                await action()
        except Transient as error:
            place = f"{removal.kind} {removal.namespace}/{removal.name}"
            self._unanswered[place] += 1
            if self._unanswered[place] < TRIES and removal.kind == "pod":  # the janitor tries again, the sweep does not
                raise
            self._told(replace(removal, error=str(error)))
            raise Refused(str(error), status=error.status, reason=error.reason) from error
        except ApiError as error:
            self._told(replace(removal, error=str(error)))
            raise
        self._told(removal)


async def clean(
    plan: MachinePlan, kube: KubePort, scope: Scope, told: Callable[[Removal], None], *, dry: bool = False
) -> None:
    """One pass over the cluster. plan: the loop's own; told: hears of each removal. Raises ApiError, RowsDown."""
    hands = Hands(kube, scope, told, dry=dry)
    tracker, port = Tracker(), cast("KubePort", hands)
    namespaces = scope.listed(plan.namespaces)
    for namespace in namespaces:
        for pod in (await kube.list_pods(namespace, deployment_selector(plan.deployment))).pods:
            tracker.see(pod)
            hands.know(pod)
    chronicle = _chronicle(plan, dry=dry)
    tails = Tails(port, chronicle)
    lease = Lease(inf, time.monotonic)
    last_look = LastLook(port, plan.airflow.rows, lease, plan.now)
    janitor = Janitor(port, tails, chronicle, plan.keep, lease, last_look)
    strays = Strays(
        tracker=tracker,
        rows=plan.airflow.rows,
        janitor=janitor,
        secrets=WorkloadSecrets(port, plan.deployment, plan.now, timedelta(seconds=plan.rhythm.sweep)),
        age=plan.rhythm.stray,
        now=plan.now,
        log_path=plan.airflow.log_path,
    )
    try:
        async for stray in strays.find():
            if not stray.wrapping_up and not scope.spares(stray.pod, plan.now()):
                strays.collect(stray)
        await janitor.drain()
        janitor.expire(tracker.pods.values(), plan.now())
        await janitor.drain()
        await strays.sweep(namespaces)
        await chronicle.drain()
    finally:
        await janitor.close()
        await tails.close()
        await chronicle.close()


def _chronicle(plan: MachinePlan, *, dry: bool) -> Chronicle:
    """Where the end of a failed pod's log is saved, as the loop does it; a dry run writes nothing."""
    if dry:
        return Chronicle(Outbox(), None)
    return Chronicle(Outbox(), plan.log_folder, plan.log_folder_mode, plan.metrics, plan.upload)
