"""One executor's connection to the cluster, with a witness of every create and delete, and the weather in between.

The cluster is shared, connections are not: each has its own watch, which may lose events or be silent for a while, and
dies with its executor, with or without the requests that are under way.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, TypeVar

from executor.errors import ApiError, Throttled, Unreachable
from executor.kube.port import PodRef, WatchEvent
from tests.fakes.kube import Call, status_error
from tests.unit.control.pods import Cluster

T = TypeVar("T")
CREATE_ANSWERS = ("ok", "lost", "refused connection", "429", "500", "500 but done", "conflict", "quota")


@dataclass
class Weather:
    """What the API server answers to the creates of pods to come, and how often other requests fail."""

    creates: deque[str] = field(default_factory=deque)
    others: int = 0  # so many of the next other requests
    _lost: str = ""

    def fail(self, call: Call) -> ApiError | None:
        """Before the request is carried out."""
        if (call.verb, call.resource) != ("create", "pods"):
            return self._fail_others()
        self._lost = self.creates.popleft() if self.creates else "ok"
        return _refusal(self._lost)

    def lose(self, call: Call) -> ApiError | None:
        """After it was carried out. Nothing comes in between: the fake cluster does not wait there."""
        if (call.verb, call.resource) != ("create", "pods"):
            return None
        how, self._lost = self._lost, ""
        if how == "lost":
            return Unreachable("connection reset")
        return status_error(500, "InternalError", "etcdserver: timed out") if how == "500 but done" else None

    def _fail_others(self) -> ApiError | None:
        if not self.others:
            return None
        self.others -= 1
        return Unreachable("connection reset") if self.others % 2 else status_error(503, "ServiceUnavailable", "busy")


def _refusal(how: str) -> ApiError | None:
    match how:
        case "refused connection":
            return Unreachable("connection refused")
        case "429":
            return Throttled("slow down", status=429, retry_after=2.0)
        case "500":
            return status_error(500, "InternalError", "no leader")
        case "conflict":
            return status_error(409, "Conflict", "the object has been modified", kind="resourcequotas", name="q")
        case "quota":
            return status_error(403, "Forbidden", 'pods "p" is forbidden: exceeded quota: pods', kind="pods", name="p")
    return None


class Connection:
    """A KubePort. witness: told of each change of a pod when it is sent."""

    def __init__(self, cluster: Cluster, witness: Callable[[str, Any], None]) -> None:
        self._cluster, self._witness = cluster, witness
        self.closed = False
        self.swallow = 0  # so many of the next watch events
        self.silent_until = 0.0
        self._under_way: set[asyncio.Future[Any]] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cluster, name)

    async def create_pod(self, namespace: str, manifest: Mapping[str, Any]) -> PodRef:
        await self._may_send("create", manifest)
        return await self._sent(self._cluster.create_pod(namespace, manifest))

    async def delete_pod(self, pod: PodRef, *, grace_seconds: int | None = None, version: str = "") -> bool:
        await self._may_send("delete", pod)
        found = await self._sent(self._cluster.delete_pod(pod, grace_seconds=grace_seconds, version=version))
        self._witness("deleted", pod)
        return found

    async def set_deadline(self, pod: PodRef, seconds: int) -> None:
        await self._may_send("stop", pod)
        await self._sent(self._cluster.set_deadline(pod, seconds))

    async def watch_pods(
        self, namespace: str | None, selector: str, resource_version: str
    ) -> AsyncGenerator[WatchEvent]:
        async with aclosing(self._cluster.watch_pods(namespace, selector, resource_version)) as events:
            async for event in events:
                await self._hear()
                if self.swallow:
                    self.swallow -= 1
                else:
                    yield event

    async def close(self) -> None:
        self.closed = True

    async def die(self, *, carried_out: bool) -> None:
        """As the process does: what was sent is carried out, or not; no answer comes, nothing more is sent."""
        self.closed = True
        if not carried_out:
            for request in self._under_way:
                request.cancel()
        await asyncio.sleep(0)

    async def _hear(self) -> None:
        silence = self.silent_until - asyncio.get_running_loop().time()
        if silence > 0:
            await asyncio.sleep(silence)

    async def _may_send(self, verb: str, what: Any) -> None:
        if self.closed:
            await asyncio.Event().wait()
        self._witness(verb, what)

    async def _sent(self, request: Awaitable[T]) -> T:
        sent = asyncio.ensure_future(request)
        self._under_way.add(sent)
        sent.add_done_callback(self._answered)
        return await asyncio.shield(sent)

    def _answered(self, sent: asyncio.Future[Any]) -> None:
        self._under_way.discard(sent)
        if not sent.cancelled():
            sent.exception()  # the executor may be gone by now: nobody else looks
