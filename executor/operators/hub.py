"""One watch per cluster and namespace for all the pods that this process follows, and one connection per cluster.

A follower hears "here is the pod now" and "it is gone"; lost watches are the reflector's matter. A watch ends a minute
after its last follower left. Everything here belongs to one event loop.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

from executor.kube.client import KubeApi
from executor.kube.port import Listed, PodGone
from executor.kube.reflector import Reflected, ReflectorDown, reflect
from executor.observe.pod_view import PodView, shared
from executor.operators.cluster import ClusterChoice
from executor.operators.connection import Connection
from executor.operators.slots import Slots
from executor.operators.turns import Turns

log = logging.getLogger(__name__)

LINGER = 60.0  # seconds that a watch without followers stays, for the next task


@dataclass(slots=True)
class Follower:
    """One pod as it is now. `pod` is None while it was never seen; `present` is False once it is gone."""

    name: str
    pod: PodView | None = None
    present: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, pod: PodView, *, present: bool) -> None:
        self.pod, self.present = pod, present
        self.changed.set()


class NamespaceWatch:
    """The pods of one namespace that carry the selector's label."""

    def __init__(self, api: KubeApi, namespace: str, selector: str, beside: Beside | None = None) -> None:
        self.api, self.namespace, self._selector = api, namespace, selector
        self.pods: dict[str, PodView] = {}
        self.down: ReflectorDown | None = None
        self._followers: dict[str, list[Follower]] = {}
        self._listed = asyncio.Event()
        self._closing: asyncio.TimerHandle | None = None
        # Without the context of the task that happens to come first: what is logged here is nobody's task log.
        doing = [self._run(), *([beside(self)] if beside is not None else [])]
        self._tasks = [asyncio.create_task(one, context=contextvars.Context()) for one in doing]

    async def listed(self) -> None:
        """Wait for the first complete list."""
        await self._listed.wait()

    @asynccontextmanager
    async def follow(self, name: str) -> AsyncIterator[Follower]:
        """Hear of the pod of this name, beginning with what is known."""
        follower = Follower(name)
        if name in self.pods:
            follower.take(self.pods[name], present=True)
        self._followers.setdefault(name, []).append(follower)
        try:
            yield follower
        finally:
            left = self._followers[name]
            left.remove(follower)
            if not left:
                del self._followers[name]

    def followed(self, name: str) -> bool:
        """Whether somebody in this process follows it."""
        return name in self._followers

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self) -> None:
        async with aclosing(reflect(self.api, self.namespace, self._selector)) as events:
            async for event in events:
                try:
                    self._take(event)
                except Exception:
                    log.exception("A change of a pod in %s could not be taken", self.namespace)

    def _take(self, event: Reflected) -> None:
        if isinstance(event, ReflectorDown):
            self.down = event
            log.warning("Pods of %s cannot be seen, again in %.0f s: %s", self.namespace, event.retry_in, event.error)
            self._wake()
            return
        self.down = None
        if isinstance(event, Listed):
            self._take_list(event)
        elif isinstance(event, PodGone):
            self._forget(event.pod)
        else:
            self._note(event.pod)

    def _take_list(self, listed: Listed) -> None:
        now = {pod.metadata.name: pod for pod in listed.pods}
        for name in [name for name in self.pods if name not in now]:
            self._forget(self.pods[name])
        for pod in now.values():
            self._note(pod)
        self._listed.set()
        self._wake()

    def _note(self, pod: PodView) -> None:
        name = pod.metadata.name
        self.pods[name] = shared(pod)
        for follower in self._followers.get(name, ()):
            follower.take(pod, present=True)

    def _forget(self, pod: PodView) -> None:
        self.pods.pop(pod.metadata.name, None)
        for follower in self._followers.get(pod.metadata.name, ()):
            follower.take(pod, present=False)

    def _wake(self) -> None:
        for followers in self._followers.values():
            for follower in followers:
                follower.changed.set()


Beside = Callable[[NamespaceWatch], Coroutine[Any, Any, None]]


@dataclass(slots=True)
class _Kept:
    """A watch or a connection, how many use it, and when it is to be closed."""

    thing: Any
    users: int = 0
    closing: asyncio.TimerHandle | None = None


class Hub:
    """The connections and watches of one event loop. Take it with `Hub.here()`."""

    _of_loop: ClassVar[WeakKeyDictionary[asyncio.AbstractEventLoop, Hub]] = WeakKeyDictionary()

    def __init__(self) -> None:
        self._watches: dict[tuple[Any, ...], _Kept] = {}
        self._apis: dict[tuple[Any, ...], KubeApi] = {}
        self._opening = asyncio.Lock()
        self.background: set[asyncio.Task[Any]] = set()
        self.slots: Slots | None = None
        self.turns = Turns()

    @classmethod
    def here(cls) -> Hub:
        """The running loop's."""
        return cls._of_loop.setdefault(asyncio.get_running_loop(), cls())

    async def api(self, choice: ClusterChoice) -> KubeApi:
        """The connection to this cluster. Raises Unreachable where there are no credentials."""
        async with self._opening:
            if choice.key not in self._apis:
                self._apis[choice.key] = await _open(choice)
            return self._apis[choice.key]

    @asynccontextmanager
    async def watch(
        self, choice: ClusterChoice, namespace: str, selector: str, beside: Beside | None = None
    ) -> AsyncIterator[NamespaceWatch]:
        """The watch on the pods of `namespace` there that match; shared by all that ask for it.

        beside: what runs for as long as the watch does.
        """
        api = await self.api(choice)
        key = (choice.key, namespace, selector)
        kept = self._watches.get(key)
        if kept is None:
            kept = self._watches[key] = _Kept(NamespaceWatch(api, namespace, selector, beside))
        if kept.closing is not None:
            kept.closing.cancel()
        kept.users += 1
        try:
            yield kept.thing
        finally:
            kept.users -= 1
            if not kept.users:
                kept.closing = asyncio.get_running_loop().call_later(LINGER, self._drop, key)

    def later(self, doing: Callable[[], Any]) -> None:
        """Have something done that outlives the task that asks for it, outside its log."""
        task = asyncio.create_task(doing(), context=contextvars.copy_context())
        self.background.add(task)
        task.add_done_callback(self._over)

    async def close(self) -> None:
        """For a loop that ends: finish what was put off, close everything."""
        await asyncio.gather(*self.background, return_exceptions=True)
        for kept in self._watches.values():
            if kept.closing is not None:
                kept.closing.cancel()
            await kept.thing.close()
        for api in self._apis.values():
            await api.close()

    def _over(self, task: asyncio.Task[Any]) -> None:
        self.background.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("What was to be done after a task's end went wrong: %s", error, exc_info=error)

    def _drop(self, key: tuple[Any, ...]) -> None:
        kept = self._watches[key]
        if not kept.users:
            del self._watches[key]
            self.later(kept.thing.close)


async def _open(choice: ClusterChoice) -> KubeApi:
    if choice.kubeconfig is None:
        return await Connection.open(choice.settings)
    with _written(choice.kubeconfig) as path:
        return await Connection.open(replace(choice.settings, config_file=path))


@contextmanager
def _written(kubeconfig: str) -> Iterator[str]:
    """A private file for as long as it is read: the official client takes kubeconfigs from nowhere else."""
    descriptor, path = tempfile.mkstemp(prefix="kubeconfig-")
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(kubeconfig)
        yield path
    finally:
        os.unlink(path)
