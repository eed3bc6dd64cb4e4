"""Plays the kubelet for load tests: every pod runs a moment after it appears and ends a moment later.

    python -m tests.speed.status_writer KUBECONFIG NAMESPACE

One process, one watch, two status patches a pod. Ends with its parent's stdin.
"""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime
from typing import Any

import aiohttp

START_SECONDS = 0.05
RUN_SECONDS = 1.0


def stamp() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def running() -> dict[str, Any]:
    state = {"running": {"startedAt": stamp()}}
    return {"phase": "Running", "containerStatuses": [{"name": "base", "image": "i", "state": state}]}


def succeeded() -> dict[str, Any]:
    state = {"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": stamp(), "finishedAt": stamp()}}
    return {"phase": "Succeeded", "containerStatuses": [{"name": "base", "image": "i", "state": state}]}


class StatusWriter:
    """Follows one namespace and writes what a kubelet would."""

    def __init__(self, session: aiohttp.ClientSession, base: str, namespace: str) -> None:
        self._session = session
        self._url = f"{base}/api/v1/namespaces/{namespace}/pods"
        self._jobs: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        async with self._session.get(self._url, params={"watch": "1", "resourceVersion": "0"}) as answer:
            async for line in answer.content:
                event = json.loads(line)
                pod = event.get("object", {})
                if event["type"] == "ADDED":
                    self._start(self._play(pod["metadata"]["name"]))
                elif pod.get("metadata", {}).get("deletionTimestamp") and event["type"] == "MODIFIED":
                    self._start(self._remove(pod["metadata"]["name"]))

    def _start(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._jobs.add(task)
        task.add_done_callback(self._jobs.discard)

    async def _play(self, name: str) -> None:
        await asyncio.sleep(START_SECONDS)
        await self._write(name, running())
        await asyncio.sleep(RUN_SECONDS)
        await self._write(name, succeeded())

    async def _write(self, name: str, status: dict[str, Any]) -> None:
        headers = {"Content-Type": "application/merge-patch+json"}
        body = json.dumps({"status": status})
        async with self._session.patch(f"{self._url}/{name}/status", data=body, headers=headers) as answer:
            await answer.read()

    async def _remove(self, name: str) -> None:
        async with self._session.delete(f"{self._url}/{name}", json={"gracePeriodSeconds": 0}) as answer:
            await answer.read()


async def main(kubeconfig: str, namespace: str) -> None:
    from tests.speed.client import connect

    async with connect(kubeconfig) as (session, base):
        writer = StatusWriter(session, base, namespace)
        watching = asyncio.create_task(writer.run())
        print("ready", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        watching.cancel()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:3]))
