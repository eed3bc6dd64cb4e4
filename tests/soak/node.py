"""The soak's node: plays every pod of the deployment as its task's kind says.

    python -m tests.soak.node KUBECONFIG DATABASE LEDGER

A lean stand-in for the local cluster's own node agent, which sets up file systems and sandboxes and takes a hundred
times as long for a pod. It ends with its parent. Two pods of one launch that live at the same time are told in its
output, whether or not the second one's worker would be let in.
"""

from __future__ import annotations

import asyncio
import sys
import traceback
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]

from tests.soak.node_api import NodeApi, Pod
from tests.soak.played_pod import PlayedPod, World
from tests.soak.worker_rows import WorkerRows

TWINS = "two live pods"


class Node:
    """All pods there are."""

    def __init__(self, api: NodeApi, rows: WorkerRows, ledger: Path) -> None:
        self._api, self._world = api, World(api, rows, ledger, self._start)
        self._pods: dict[str, PlayedPod] = {}
        self._jobs: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Until cancelled."""
        async for kind, pod in self._api.pods():
            uid = pod["metadata"]["uid"]
            if kind == "DELETED":
                self._pods.pop(uid, None)
                continue
            if uid not in self._pods:
                self._arrive(uid, pod)
            if "deletionTimestamp" in pod["metadata"]:
                self._start(self._pods[uid].leave())

    def _arrive(self, uid: str, pod: Pod) -> None:
        played = PlayedPod(self._world, pod)
        twins = [one.name for one in self._pods.values() if one.launch == played.launch and one.alive]
        if twins:
            print(f"{TWINS}: {played.name} of launch {played.launch} beside {', '.join(twins)}", flush=True)
        self._pods[uid] = played
        self._start(played.play())

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        job = asyncio.create_task(work)
        self._jobs.add(job)
        job.add_done_callback(self._ended)

    def _ended(self, job: asyncio.Task[None]) -> None:
        self._jobs.discard(job)
        if not job.cancelled() and (error := job.exception()) is not None:
            traceback.print_exception(error)


async def main(kubeconfig: str, database: str, ledger: str) -> None:
    from tests.speed.client import connect

    async with connect(kubeconfig) as (session, base), asyncpg.create_pool(database, max_size=10) as pool:
        print("ready", flush=True)
        await Node(NodeApi(session, base), WorkerRows(pool), Path(ledger)).run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))
