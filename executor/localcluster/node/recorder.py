"""Writes Event objects as the kubelet and the scheduler do: in the background, in order, never in anybody's way.

Events are best effort: an unreachable server or a full queue loses them. A repeated event raises `count` of the first.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from secrets import token_hex

from executor.localcluster.node.api import UNREACHABLE, ApiClient, ApiError, Json

log = logging.getLogger(__name__)
QUEUED, REMEMBERED = 5000, 1000


def now_seconds() -> str:
    """metav1.Time: RFC 3339 in UTC, whole seconds."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


class EventRecorder:
    """`record` puts an event in the queue, `run` (a task) sends what is there."""

    def __init__(self, api: ApiClient, component: str, host: str = "") -> None:
        self._api, self._component, self._host = api, component, host
        self._queue: asyncio.Queue[Json] = asyncio.Queue(QUEUED)
        self._sent: OrderedDict[tuple[str, ...], tuple[str, int]] = OrderedDict()

    def record(self, pod: Json, reason: str, message: str, kind: str = "Normal", container: str = "") -> None:
        """kind: Normal or Warning; container: name of the container it is about (init containers included)."""
        try:
            self._queue.put_nowait(self._event(pod, reason, message, kind, container))
        except asyncio.QueueFull:
            log.debug("event %s dropped: %d are waiting", reason, QUEUED)

    async def run(self) -> None:
        while True:
            event = await self._queue.get()
            try:
                await self._send(event)
            except (ApiError, *UNREACHABLE) as error:
                log.debug("event %s not written: %r", event["reason"], error)

    async def _send(self, event: Json) -> None:
        path = f"/api/v1/namespaces/{event['metadata']['namespace']}/events"
        about = event["involvedObject"]
        key = (about["uid"], about.get("fieldPath", ""), event["reason"], event["message"])
        name, count = self._sent.get(key, (event["metadata"]["name"], 0))
        if count:
            await self._api.patch(f"{path}/{name}", {"count": count + 1, "lastTimestamp": event["lastTimestamp"]})
        else:
            await self._api.post(path, event)
        self._sent[key] = (name, count + 1)
        while len(self._sent) > REMEMBERED:
            self._sent.popitem(last=False)

    def _event(self, pod: Json, reason: str, message: str, kind: str, container: str) -> Json:
        metadata, now = pod["metadata"], now_seconds()
        involved = {
            "kind": "Pod",
            "apiVersion": "v1",
            "namespace": metadata["namespace"],
            "name": metadata["name"],
            "uid": metadata["uid"],
            "resourceVersion": metadata.get("resourceVersion", ""),
        }
        if container:
            initial = any(c["name"] == container for c in pod["spec"].get("initContainers") or ())
            involved["fieldPath"] = f"spec.{'initContainers' if initial else 'containers'}{{{container}}}"
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{metadata['name'][:230]}.{token_hex(8)}", "namespace": metadata["namespace"]},
            "involvedObject": involved,
            "reason": reason,
            "message": message[:1024],
            "type": kind,
            "source": {"component": self._component, **({"host": self._host} if self._host else {})},
            "reportingComponent": self._component,
            "reportingInstance": self._host,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
