"""A KubePort that times what changes the cluster; everything else goes straight through."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from executor.errors import ApiError
from executor.kube.port import KubePort, PodRef
from executor.metrics import Metrics

T = TypeVar("T")


class MeteredKube:
    """Creates and deletes of pods, timed and counted by status under upstream's metric names."""

    def __init__(self, kube: KubePort, metrics: Metrics) -> None:
        self._kube = kube
        self._metrics = metrics

    def __getattr__(self, name: str) -> Any:
        return getattr(self._kube, name)

    async def create_pod(self, namespace: str, manifest: Mapping[str, Any]) -> PodRef:
        return await self._timed("pod_creation", lambda: self._kube.create_pod(namespace, manifest))

    async def delete_pod(self, pod: PodRef, *, grace_seconds: int | None = None, version: str = "") -> bool:
        return await self._timed(
            "pod_deletion", lambda: self._kube.delete_pod(pod, grace_seconds=grace_seconds, version=version)
        )

    async def _timed(self, name: str, call: Callable[[], Awaitable[T]]) -> T:
        started = time.perf_counter()
        status = "error"
        try:
            answer = await call()
            status = "200"
            return answer
        except ApiError as error:
            status = str(error.status) if error.status else "error"
            raise
        finally:
            self._metrics.timing(name, time.perf_counter() - started)
            self._metrics.count(f"{name}_status", {"status": status})
