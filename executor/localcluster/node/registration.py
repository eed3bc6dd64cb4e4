"""Keeps the node known: its Node object, and the Lease that says it is alive (Kubernetes: "Nodes", heartbeats).

Level-triggered: each round looks at the object and writes it where it is missing or not Ready, else once a minute.
"""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import UTC, datetime

from executor.localcluster.node.api import UNREACHABLE, ApiClient, ApiError, Json
from executor.localcluster.node.node_object import NodeSize, new_node, node_status, ready_condition
from executor.localcluster.node.recorder import now_seconds

log = logging.getLogger(__name__)
STATUS_SECONDS = 60.0
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
LEASE_SECONDS = 40  # what the Lease says it is good for, as the kubelet's


class Registration:
    """`run` until cancelled. seconds: between renewals of the Lease."""

    def __init__(self, api: ApiClient, size: NodeSize, seconds: float) -> None:
        self._api, self._size, self._seconds = api, size, seconds
        self._path = f"/api/v1/nodes/{size.name}"
        self._written = float("-inf")

    async def run(self) -> None:
        retry = 0.2
        while True:
            try:
                await self._register()
                await self._renew()
                retry = 0.2
                await asyncio.sleep(self._seconds)
            except (ApiError, *UNREACHABLE) as error:
                log.debug("node %s not registered: %r", self._size.name, error)
                await asyncio.sleep(min(retry, self._seconds))
                retry *= 2

    async def _register(self) -> None:
        node = await self._current()
        ready = ready_condition(node)
        if ready.get("status") == "True" and time.monotonic() < self._written + STATUS_SECONDS:
            return
        now = now_seconds()
        since = ready["lastTransitionTime"] if ready.get("status") == "True" else now
        await self._api.patch(f"{self._path}/status", {"status": node_status(self._size, now, since)})
        self._written = time.monotonic()

    async def _current(self) -> Json:
        try:
            return await self._api.get(self._path)
        except ApiError as error:
            if error.status != 404:
                raise
        self._written = float("-inf")
        return await self._api.post("/api/v1/nodes", new_node(self._size.name))

    async def _renew(self) -> None:
        name = self._size.name
        renewed = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        spec = {"holderIdentity": name, "leaseDurationSeconds": LEASE_SECONDS, "renewTime": renewed}
        try:
            await self._api.patch(f"{LEASES}/{name}", {"spec": spec})
        except ApiError as error:
            if error.status != 404:
                raise
            lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": name}, "spec": spec}
            await self._api.post(LEASES, lease)
