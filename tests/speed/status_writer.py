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
        self._played: set[str] = set()
        self._removed: set[str] = set()

    async def run(self) -> None:
        """Until cancelled; a server that closes a slow watch is asked again from there."""
        version = "0"
        while True:
            params = {"watch": "1", "allowWatchBookmarks": "true", "resourceVersion": version}
            async with self._session.get(self._url, params=params) as answer:
                async for line in answer.content:
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        version = "0"
                        break
                    version = event["object"]["metadata"]["resourceVersion"]
                    self._follow(event["type"], event["object"])

    def _follow(self, kind: str, pod: dict[str, Any]) -> None:
        uid, name = pod["metadata"].get("uid", ""), pod["metadata"].get("name", "")
        if kind == "ADDED" and uid not in self._played:
            self._played.add(uid)
            self._start(self._play(name))
        elif kind == "MODIFIED" and pod["metadata"].get("deletionGracePeriodSeconds") and uid not in self._removed:
            self._removed.add(uid)
            self._start(self._remove(name))

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
