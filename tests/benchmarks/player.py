"""Plays the kubelet, as `tests.speed.status_writer` does, and notes when each pod ended.

    python -m tests.benchmarks.player KUBECONFIG NAMESPACE FILE

The file gets a line `dag task seconds` for each end, by the machine's monotonic clock. Ends with its stdin.
"""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import aiohttp

from tests.speed.client import connect
from tests.speed.status_writer import StatusWriter


class NotingWriter(StatusWriter):
    """Knows whose pod it plays."""

    def __init__(self, session: aiohttp.ClientSession, base: str, namespace: str, file: IO[str]) -> None:
        super().__init__(session, base, namespace)
        self._file = file
        self._whose: dict[str, str] = {}

    def _follow(self, kind: str, pod: dict[str, Any]) -> None:
        notes = pod["metadata"].get("annotations") or {}
        if kind == "ADDED" and "task_id" in notes:
            self._whose[pod["metadata"]["name"]] = f"{notes['dag_id']} {notes['task_id']}"
        super()._follow(kind, pod)

    async def _write(self, name: str, status: dict[str, Any]) -> None:
        if status["phase"] == "Succeeded" and name in self._whose:
            self._file.write(f"{self._whose.pop(name)} {time.monotonic()}\n")
        await super()._write(name, complete(status))


def complete(status: dict[str, Any]) -> dict[str, Any]:
    """With what the official client's models insist on (upstream's executor reads pods by them)."""
    needed = {"imageID": "i", "ready": False, "restartCount": 0}
    return {**status, "containerStatuses": [needed | container for container in status["containerStatuses"]]}


def main(kubeconfig: str, namespace: str, file: str) -> None:
    with Path(file).open("a", buffering=1) as noted:
        asyncio.run(play(kubeconfig, namespace, noted))


async def play(kubeconfig: str, namespace: str, noted: IO[str]) -> None:
    """Until stdin ends."""
    async with connect(kubeconfig) as (session, base):
        watching = asyncio.create_task(_forever(NotingWriter(session, base, namespace, noted)))
        print("ready", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching


async def _forever(writer: StatusWriter) -> None:
    """A real API server cuts a slow or old watch now and then."""
    while True:
        with suppress(aiohttp.ClientError):
            await writer.run()
        await asyncio.sleep(0.1)


if __name__ == "__main__":
    main(*sys.argv[1:4])
