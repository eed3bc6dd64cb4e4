"""The port on a real API server, by the official asyncio client.

Plain dicts go out, typed views come back; no model object is ever built. Excluded: retries (control's), reconnecting
a watch (`reflector`), what an error means (`classify`).
"""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, TypeVar

import aiohttp
import msgspec

from executor.errors import Gone, NotFound
from executor.kube import classify, decode, requests
from executor.kube.log_tail import LogTail
from executor.kube.port import Listed, PodEvent, PodRef, SecretRef, WatchEvent
from executor.kube.requests import Request
from executor.kube.settings import KubeSettings
from executor.kube.transport import Transport
from executor.kube.watch_lines import WatchLines
from executor.observe.pod_view import PodList, PodView

T = TypeVar("T")

_WHILE_IT_RUNS = aiohttp.ClientTimeout(sock_connect=10.0)  # a container may say nothing for long


class KubeApi:
    """Implements `port.KubePort`. Make it with `await KubeApi.open(settings)`, in the loop that will use it."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._settings = transport.settings
        self._delete_options = transport.settings.delete_options()

    @classmethod
    async def open(cls, settings: KubeSettings) -> KubeApi:
        """Read the credentials; nothing is sent yet. Raises Unreachable when there are none to read."""
        return cls(await Transport.open(settings))

    @property
    def host(self) -> str:
        """host:port of the API server."""
        return self._transport.host

    async def create_pod(self, namespace: str, manifest: Mapping[str, Any]) -> PodRef:
        made = await self._ask(requests.create_pod(namespace, manifest), decode.metadata)
        return PodRef(made.namespace or namespace, made.name, made.uid)

    async def read_pod(self, namespace: str, name: str) -> PodView:
        return await self._ask(requests.read_pod(namespace, name), decode.pod)

    async def delete_pod(self, pod: PodRef, *, grace_seconds: int | None = None, version: str = "") -> bool:
        try:
            await self._transport.send(requests.delete_pod(pod, self._delete_options, grace_seconds, version))
        except NotFound:
            return False
        return True

    async def set_deadline(self, pod: PodRef, seconds: int) -> None:
        await self._transport.send(requests.set_deadline(pod, seconds))

    async def list_pods(self, namespace: str | None, selector: str) -> Listed:
        try:
            return await self._list_pods(namespace, selector, self._settings.list_page_size)
        except Gone:
            # The continue token grew older than the server's history while we read: one piece cannot expire.
            return await self._list_pods(namespace, selector, 0)

    async def watch_pods(
        self, namespace: str | None, selector: str, resource_version: str
    ) -> AsyncGenerator[WatchEvent]:
        # At random, so that streams opened together do not end together.
        seconds = max(1, round(self._settings.watch_seconds * random.uniform(0.67, 1.0)))
        request = requests.watch_pods(namespace, selector, resource_version, seconds)
        lines = WatchLines(self._transport.where(request))
        timeout = aiohttp.ClientTimeout(sock_connect=10.0, sock_read=self._settings.watch_idle_seconds)
        async with self._transport.stream(request, timeout) as chunks:
            async for chunk in chunks:
                for event in lines.feed(chunk):
                    yield event

    async def read_log(
        self, namespace: str, name: str, *, container: str, tail_lines: int | None, limit_bytes: int
    ) -> str:
        tail = LogTail(limit_bytes)
        async with aclosing(self.log_so_far(namespace, name, container, tail_lines)) as chunks:
            async for chunk in chunks:
                tail.add(chunk)
        return tail.text()

    def log_so_far(self, namespace: str, name: str, container: str, tail_lines: int | None) -> AsyncGenerator[bytes]:
        """The log as it is now, in chunks, from its beginning or its last `tail_lines` lines on. Raises ApiError."""
        return self._chunks(requests.read_log(namespace, name, container, tail_lines))

    def follow_log(self, namespace: str, name: str, *, container: str, tail_lines: int) -> AsyncGenerator[bytes]:
        return self._chunks(requests.read_log(namespace, name, container, tail_lines, follow=True), _WHILE_IT_RUNS)

    def follow_stamped_log(self, namespace: str, name: str, container: str, since: str) -> AsyncGenerator[bytes]:
        """The log in chunks, each line with its time before it, from the second `since` (RFC 3339; "": all) until the
        container ends. No time limit. Raises ApiError."""
        return self._chunks(requests.follow_stamped_log(namespace, name, container, since), _WHILE_IT_RUNS)

    async def _chunks(
        self, request: requests.Request, timeout: aiohttp.ClientTimeout | None = None
    ) -> AsyncGenerator[bytes]:
        async with self._transport.stream(request, timeout) as chunks:
            async for chunk in chunks:
                yield chunk

    async def list_pod_events(self, pod: PodRef) -> Sequence[PodEvent]:
        return await self._ask(requests.list_pod_events(pod), decode.pod_events)

    async def create_secret(
        self, namespace: str, name: str, *, labels: Mapping[str, str], data: Mapping[str, bytes]
    ) -> None:
        await self._transport.send(requests.create_secret(namespace, name, labels, data))

    async def own_secret(self, namespace: str, name: str, owners: Sequence[PodRef]) -> None:
        await self._transport.send(requests.own_secret(namespace, name, owners))

    async def delete_secret(self, namespace: str, name: str) -> None:
        try:
            await self._transport.send(requests.delete_secret(namespace, name))
        except NotFound:
            return

    async def list_secrets(self, namespace: str | None, selector: str) -> Sequence[SecretRef]:
        found: list[SecretRef] = []
        continue_ = ""
        while True:
            request = requests.list_secrets(namespace, selector, self._settings.list_page_size, continue_)
            page = await self._ask(request, decode.secret_list)
            found.extend(decode.secret_ref(secret) for secret in page.items or ())
            continue_ = page.metadata.continue_
            if not continue_:
                return found

    async def may(self, verb: str, resource: str, namespace: str | None) -> bool:
        """Whether these credentials may do this (SelfSubjectAccessReview). Raises NotFound where it is not served."""
        return await self._ask(requests.review_access(verb, resource, namespace), decode.allowed)

    async def close(self) -> None:
        await self._transport.close()

    async def _list_pods(self, namespace: str | None, selector: str, limit: int) -> Listed:
        pods: list[PodView] = []
        continue_ = ""
        while True:
            page: PodList = await self._ask(requests.list_pods(namespace, selector, limit, continue_), decode.pod_list)
            pods.extend(page.items)
            continue_ = page.metadata.continue_
            if not continue_:
                return Listed(namespace, tuple(pods), page.metadata.resource_version)

    async def _ask(self, request: Request, read: Callable[[bytes], T]) -> T:
        body = await self._transport.send(request)
        try:
            return read(body)
        except msgspec.MsgspecError as error:
            where = self._transport.where(request)
            raise classify.not_understood(where, f"the answer is not what this API gives ({error})") from None
