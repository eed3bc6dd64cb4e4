"""Notices changes of the Secrets and ConfigMaps that running pods have in volumes, and tokens that grow old
(Kubernetes: "Secrets", mounted Secrets are updated automatically).

One task for a node: each object is looked at once a round, however many pods hold it. Immutable ones are not watched.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from executor.localcluster.node.api import UNREACHABLE, ApiClient, ApiError
from executor.localcluster.node.sources import Reference, fetch_object, version_of

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Held:
    """What a pod's volumes hold. versions: of the objects that may change; until: when (`time.monotonic`) something
    in them is too old anyway."""

    versions: Mapping[Reference, str]
    until: float


@dataclass(slots=True)
class _Watched:
    namespace: str
    held: Held
    refresh: Callable[[], Awaitable[Held]] = field(repr=False)


class VolumeRefresher:
    """`watch` a pod's volumes until `forget`; its `refresh` is awaited when they are not as they should be."""

    def __init__(self, api: ApiClient, seconds: float) -> None:
        self._api, self._seconds = api, seconds
        self._pods: dict[str, _Watched] = {}

    def watch(self, uid: str, namespace: str, held: Held, refresh: Callable[[], Awaitable[Held]]) -> None:
        self._pods[uid] = _Watched(namespace, held, refresh)

    def forget(self, uid: str) -> None:
        self._pods.pop(uid, None)

    async def run(self) -> None:
        while True:
            await asyncio.sleep(self._seconds)
            now: dict[tuple[str, Reference], str] = {}
            for uid, pod in list(self._pods.items()):
                try:
                    await self._look(pod, now)
                except (ApiError, OSError, *UNREACHABLE) as error:
                    log.debug("volumes of pod %s are looked at again later: %r", uid, error)

    async def _look(self, pod: _Watched, now: dict[tuple[str, Reference], str]) -> None:
        if pod.held.until <= time.monotonic() or await self._changed(pod, now):
            pod.held = await pod.refresh()

    async def _changed(self, pod: _Watched, now: dict[tuple[str, Reference], str]) -> bool:
        """now: versions found in this round, by namespace and reference."""
        for reference, version in pod.held.versions.items():
            key = (pod.namespace, reference)
            if key not in now:
                now[key] = version_of(await fetch_object(self._api, *key))
            if now[key] != version:
                return True
        return False
