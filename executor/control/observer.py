"""Keeps the pod cache true: one reflector per namespace, every change becomes a marked launch id.

ADDED, MODIFIED and a relist mean "here is the pod now"; DELETED means "apply its last object, then not present".
A pod that a relist does not show is asked for by GET before anybody acts on its absence: a bookmark that lags or a
role that was taken away looks like thousands of vanished pods. A watch that goes on and yet kept something to itself
is found out by `resync`: one LIST per namespace, compared with what is known.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from itertools import chain, repeat

from executor.control.janitor import Janitor
from executor.control.jobs import Jobs
from executor.control.tails import Tails
from executor.control.tracker import PodKey, Tracked, Tracker, pod_key, ref_of
from executor.errors import ApiError, Forbidden, NotFound, Refused
from executor.identity import TI_LABEL, task_selector
from executor.kube.port import KubePort, Listed, PodChanged, PodGone, PodRef
from executor.kube.reflector import ReflectorDown, reflect
from executor.metrics import Metrics
from executor.observe.decide import Progress
from executor.observe.pod_view import PodView

log = logging.getLogger(__name__)

CONFIRM_CONCURRENCY = 16
CONFIRM_RETRY_SECONDS = (1.0, 2.0, 5.0, 10.0, 30.0)
QUIET_SECONDS = 60.0  # one log line a minute about an API server that does not answer

Change = Listed | PodChanged | PodGone | ReflectorDown


class Observer:
    """Feeds the tracker from the watch."""

    def __init__(
        self,
        kube: KubePort,
        tracker: Tracker,
        janitor: Janitor,
        tails: Tails,
        *,
        namespaces: tuple[str, ...] | None,
        selector: str,
        mark: Callable[[str], None],
        on_complete: Callable[[], None],
        on_partial: Callable[[], None],
        metrics: Metrics,
    ) -> None:
        """namespaces: None watches the whole cluster; on_complete: every namespace was listed once;
        on_partial: all but those that may not be listed."""
        self._kube, self._tracker, self._janitor, self._tails = kube, tracker, janitor, tails
        self._selector, self._mark = selector, mark
        self._on_complete, self._on_partial = on_complete, on_partial
        self._forbidden: set[str | None] = set()
        self._metrics = metrics
        self._unlisted: set[str | None] = set(namespaces if namespaces is not None else (None,))
        self.namespaces: tuple[str | None, ...] = tuple(self._unlisted)
        self._confirming = asyncio.Semaphore(CONFIRM_CONCURRENCY)
        self._last_complaint: dict[str | None, float] = {}
        self._checks = Jobs("asking whether a pod is gone")
        self._in_doubt: set[str] = set()  # uids

    @property
    def complete(self) -> bool:
        """Every namespace was listed at least once."""
        return not self._unlisted

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            for namespace in self.namespaces:
                group.create_task(self._follow(namespace), name=f"watch {namespace or 'all namespaces'}")

    async def _follow(self, namespace: str | None) -> None:
        async with aclosing(reflect(self._kube, namespace, self._selector)) as stream:
            async for change in stream:
                self._apply(namespace, change)

    def _apply(self, namespace: str | None, change: Change) -> None:
        match change:
            case PodChanged(pod):
                self._seen(pod)
            case PodGone(pod):
                self._gone(pod)
            case Listed():
                self._relist(namespace, change)
            case ReflectorDown(error=error):
                self._complain(namespace, error)
                self._forbid(namespace, error)

    def _seen(self, pod: PodView) -> None:
        self._janitor.notice(pod)
        tracked = self._tracker.see(pod)
        if tracked is not None:
            self._tails.notice(pod)
        self._marked(tracked)

    def _marked(self, tracked: Tracked | None) -> None:
        if tracked is not None:
            self._mark(tracked.launch.id)

    def _gone(self, pod: PodView) -> None:
        self._janitor.forget(pod.metadata.uid)
        self._marked(self._tracker.lose(pod))

    def _relist(self, namespace: str | None, listed: Listed) -> None:
        self._metrics.count("lists")
        shown = {pod_key(pod) for pod in listed.pods}
        for pod in listed.pods:
            self._seen(pod)
        for key, pod in list(self._tracker.pods.items()):
            if key not in shown and namespace in (None, key[0]):
                self._check(ref_of(pod), pod)
        self._unlisted.discard(namespace)
        self._forbidden.discard(namespace)
        self._last_complaint.pop(namespace, None)
        if not self._unlisted:
            self._on_complete()

    async def resync(self) -> None:
        """List all pods beside the watch, and catch up on what it has not said."""
        for namespace in self.namespaces:
            if namespace in self._unlisted:
                continue  # its reflector has yet to begin
            before = dict(self._tracker.pods)
            try:
                listed = await self._kube.list_pods(namespace, self._selector)
            except ApiError as error:
                self._complain(namespace, error)
            else:
                self._metrics.count("lists")
                self._compare(listed, before)

    def _compare(self, listed: Listed, before: Mapping[PodKey, PodView]) -> None:
        """`before`: what was known when the list was asked for; a pod of which the watch has spoken since is newer."""
        shown = {pod_key(pod): pod for pod in listed.pods}
        for key, pod in shown.items():
            known = before.get(key)
            if self._tracker.pods.get(key) is not known:
                continue
            if known is None:
                self._check(ref_of(pod), None)  # perhaps it came and went while the list was on its way
            elif known.metadata.resource_version != pod.metadata.resource_version:
                self._seen(pod)
        for key, pod in before.items():
            if key not in shown and listed.namespace in (None, key[0]) and self._tracker.pods.get(key) is pod:
                self._check(ref_of(pod), pod)

    def _forbid(self, namespace: str | None, error: ApiError) -> None:
        """A namespace that may not be listed does not hold up what is known of the others."""
        if isinstance(error, Forbidden):
            self._forbidden.add(namespace)
            if self._unlisted <= self._forbidden and len(self._unlisted) < len(self.namespaces):
                self._on_partial()

    def check_unseen(self, tracked: Tracked) -> None:
        """Posted some time ago and never shown by the watch: ask."""
        if tracked.pod is not None:
            self._check(tracked.pod, None)

    def search(self, tracked: Tracked, name: str, then: Callable[[str], None]) -> None:
        """A pod of this name may run the tracked launch's task. Ask for it, then `then(launch id)`."""
        key = f"{tracked.launch.id} {name}"
        if key not in self._in_doubt:
            self._in_doubt.add(key)
            self._checks.start(self._find(key, tracked, name, then))

    async def _find(self, key: str, tracked: Tracked, name: str, then: Callable[[str], None]) -> None:
        """One GET; or, for an adopted launch of which no pod is known, a list of its task's pods in every namespace."""
        known, ti_id = tracked.pod.namespace if tracked.pod else tracked.namespace, tracked.launch.ti_id
        try:
            for namespace in self.namespaces if known is None else (known,):
                for delay in chain(CONFIRM_RETRY_SECONDS, repeat(CONFIRM_RETRY_SECONDS[-1])):
                    if await self._found(ti_id, namespace, name if known is not None else None):
                        break
                    await asyncio.sleep(delay)
        finally:
            self._in_doubt.discard(key)
        tracked.searched = name
        then(tracked.launch.id)

    async def _found(self, ti_id: str, namespace: str | None, name: str | None) -> bool:
        """Whether this was answered. name: None for all pods of the task."""
        try:
            async with self._confirming:
                pods = await self._ask(ti_id, namespace, name)
        except Refused:  # there is none, or it is no name of a pod
            return True
        except ApiError as error:
            self._complain(namespace, error)
            return False
        for pod in pods:
            if pod.metadata.labels.get(TI_LABEL) == ti_id and self._silent(ref_of(pod), None):
                self._seen(pod)
        return True

    async def _ask(self, ti_id: str, namespace: str | None, name: str | None) -> Sequence[PodView]:
        if namespace is not None and name is not None:
            return [await self._kube.read_pod(namespace, name)]
        return (await self._kube.list_pods(namespace, f"{self._selector},{task_selector(ti_id)}")).pods

    async def close(self) -> None:
        """Nobody is interested in the answers any more."""
        await self._checks.cancel()

    def _check(self, ref: PodRef, pod: PodView | None) -> None:
        if ref.uid not in self._in_doubt:
            self._in_doubt.add(ref.uid)
            self._checks.start(self._confirm(ref, pod))

    async def _confirm(self, ref: PodRef, last: PodView | None) -> None:
        """Is it really gone? Asked until it is answered, or until the watch itself says something about the pod."""
        try:
            for delay in chain(CONFIRM_RETRY_SECONDS, repeat(CONFIRM_RETRY_SECONDS[-1])):
                if await self._answered(ref, last):
                    return
                await asyncio.sleep(delay)
        finally:
            self._in_doubt.discard(ref.uid)

    async def _answered(self, ref: PodRef, last: PodView | None) -> bool:
        """One GET; what the watch said meanwhile is newer and counts instead."""
        try:
            async with self._confirming:
                found = await self._kube.read_pod(ref.namespace, ref.name) if self._silent(ref, last) else None
        except NotFound:
            found = None
        except ApiError as error:
            self._complain(ref.namespace, error)
            return False
        if self._silent(ref, last):
            if found is not None and found.metadata.uid == ref.uid:
                self._seen(found)
            else:
                self._really_gone(ref, last)
        return True

    def _silent(self, ref: PodRef, last: PodView | None) -> bool:
        """The watch has said nothing new about this pod."""
        return self._tracker.pods.get((ref.namespace, ref.name)) is last

    def _really_gone(self, ref: PodRef, last: PodView | None) -> None:
        if last is not None:
            self._gone(last)
            return
        for tracked in self._tracker:
            if tracked.pod == ref and tracked.progress is Progress.UNSEEN:
                tracked.progress = Progress.SEEN
                self._marked(tracked)

    def _complain(self, namespace: str | None, error: ApiError) -> None:
        now = asyncio.get_running_loop().time()
        last = self._last_complaint.get(namespace)
        if last is None or now - last >= QUIET_SECONDS:
            self._last_complaint[namespace] = now
            log.warning("Pods in %s cannot be watched: %s", namespace or "all namespaces", error)
