"""A node agent and the scheduler of the local cluster as a process of their own, so that each side can crash alone.

``python -m tests.airflow.chaos_node KUBECONFIG STATE``: STATE is the folder the API server reads logs of pods from.
"""

from __future__ import annotations

import asyncio
import base64
import sys
from pathlib import Path

import yaml

from executor.localcluster.node.agent import NodeAgent
from executor.localcluster.node.scheduling import Scheduler
from executor.localcluster.options import machine_node


def main(kubeconfig: Path, state: Path) -> None:
    """Until killed; every container of the node dies with it."""
    document = yaml.safe_load(kubeconfig.read_text())
    server, user = document["clusters"][0]["cluster"], document["users"][0]["user"]
    authority = state / "node-ca.crt"
    authority.write_bytes(base64.b64decode(server["certificate-authority-data"]))
    asyncio.run(_run(server["server"], user["token"], str(authority), state))


async def _run(address: str, token: str, authority: str, state: Path) -> None:
    size = machine_node()
    agent = NodeAgent(address, token, authority, size.name, size.cpu, size.memory, state, {})
    async with asyncio.TaskGroup() as group:
        group.create_task(agent.run())
        group.create_task(Scheduler(address, token, authority).run())


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
