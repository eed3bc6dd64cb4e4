"""Nodes inside the test's own process, with short times, so that a test can make them fail."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from executor.localcluster.node.agent import NodeAgent
from executor.localcluster.node.faults import faults_file
from executor.localcluster.node.scheduling import Scheduler
from executor.localcluster.node.timing import LifecycleTimes, Timings
from executor.localcluster.node.waiting import cancel_all
from tests.cluster.conftest import Server

TIMINGS = Timings(first_backoff=0.4, longest_backoff=1.6, pull_failure=0.2, lease=0.2, refresh=0.3, faults=0.05)
TIMES = LifecycleTimes(tick=0.2, silence=1.0, out_of_service=0.5, quarantine=0.5)
IMAGES = {"registry.example/heals:1": {"error": "unexpected status: 503 Service Unavailable", "failures": 2}}


def tolerating(seconds: int) -> dict[str, Any]:
    """Part of a pod's spec: how long it stays on a node that is silent, or taken for dead."""
    keys = [f"node.kubernetes.io/{trouble}" for trouble in ("not-ready", "unreachable", "out-of-service")]
    toleration = {"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": seconds}
    return {"tolerations": [{"key": key, **toleration} for key in keys]}


class Machines:
    """The nodes of a cluster whose server runs none."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.agents: dict[str, NodeAgent] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def start(self, name: str = "local", memory: str = "4Gi") -> NodeAgent:
        """A node agent that runs; one of that name that was stopped is a new life of the same node."""
        server = self.server
        agent = NodeAgent(server.url, server.token, server.ca_file, name, "8", memory, server.state, IMAGES, TIMINGS)
        self.agents[name] = agent
        self._tasks[name] = asyncio.create_task(agent.run())
        return agent

    async def stop(self, name: str = "local") -> None:
        await self.agents[name].stop()
        await cancel_all(self._tasks.pop(name))

    def mishap(self, name: str = "local", **faults: object) -> None:
        """Write the node's control file, or remove it."""
        path = faults_file(self.server.state, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if faults:
            path.write_text(json.dumps(faults))
        else:
            path.unlink(missing_ok=True)

    @asynccontextmanager
    async def scheduled(self) -> AsyncIterator[None]:
        """With a scheduler, and at the end without any node."""
        scheduler = Scheduler(self.server.url, self.server.token, self.server.ca_file, TIMES)
        task = asyncio.create_task(scheduler.run())
        try:
            yield
        finally:
            await cancel_all(task)
            for name in list(self._tasks):
                await self.stop(name)
                self.mishap(name)


def pod_folder(server: Server, pod: dict[str, Any]) -> Path:
    return server.state / "pods" / str(pod["metadata"]["uid"])
