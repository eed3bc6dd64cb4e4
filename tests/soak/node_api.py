"""The soak's node as an API client: every pod of the deployment, and what a kubelet writes about them.

It watches all namespaces and writes to `pods/status`, which the faults (of one namespace, and of other verbs) spare, as
they spare a node in earnest; its deletes may be refused, and are repeated.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import aiohttp

Pod = dict[str, Any]
_WATCH = {"watch": "1", "allowWatchBookmarks": "true"}
_RETRY_SECONDS = 0.2


def stamp() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def running() -> Pod:
    return _status("Running", {"running": {"startedAt": stamp()}})


def ended(exit_code: int, reason: str = "") -> Pod:
    """phase, and the container's end as the kubelet tells it."""
    reason = reason or ("Completed" if exit_code == 0 else "Error")
    end = {"exitCode": exit_code, "reason": reason, "startedAt": stamp(), "finishedAt": stamp()}
    return _status("Failed" if exit_code else "Succeeded", {"terminated": end})


def evicted(started: bool) -> Pod:
    """As the kubelet ends a pod when its node runs out of something."""
    condition = {"type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet"}
    condition |= {"message": "The node was low on resource: memory.", "lastTransitionTime": stamp()}
    status = ended(137) if started else {"phase": "Failed"}
    return status | {"reason": "Evicted", "message": "The node was low on resource: memory.", "conditions": [condition]}


def _status(phase: str, state: Pod) -> Pod:
    return {"phase": phase, "containerStatuses": [{"name": "base", "image": "i", "state": state}]}


class NodeApi:
    """One API server."""

    def __init__(self, session: aiohttp.ClientSession, base: str) -> None:
        self._session, self._base = session, base

    async def pods(self) -> AsyncIterator[tuple[str, Pod]]:
        """(type of event, pod) for ever; after every break the list, as ADDED. Deletions in a break are not told."""
        while True:
            try:
                async with self._session.get(f"{self._base}/api/v1/pods") as answer:
                    listed = await answer.json()
                for pod in listed["items"]:
                    yield "ADDED", pod
                async for event in self._watch(listed["metadata"]["resourceVersion"]):
                    yield event
            except aiohttp.ClientError as error:
                print(f"watch again: {error}", flush=True)
                await asyncio.sleep(_RETRY_SECONDS)

    async def _watch(self, version: str) -> AsyncIterator[tuple[str, Pod]]:
        url = f"{self._base}/api/v1/pods"
        async with self._session.get(url, params=_WATCH | {"resourceVersion": version}) as answer:
            async for line in answer.content:
                event = json.loads(line)
                if event["type"] == "ERROR":
                    return
                if event["type"] != "BOOKMARK":
                    yield event["type"], event["object"]

    async def has_workload(self, pod: Pod) -> bool:
        """Whether the Secret is there that the pod mounts, with its workload: else the kubelet waits for it."""
        meta = pod["metadata"]
        name = meta["annotations"].get("airflow-workload-secret")
        url = f"{self._base}/api/v1/namespaces/{meta['namespace']}/secrets/{name}"
        async with self._session.get(url) as answer:
            secret = await answer.json()
        return meta["labels"]["airflow-launch"] in secret.get("data", {})

    async def write(self, pod: Pod, status: Pod) -> bool:
        """False if the pod is gone."""
        headers = {"Content-Type": "application/merge-patch+json"}
        body = json.dumps({"metadata": {"uid": pod["metadata"]["uid"]}, "status": status})
        return await self._insist("PATCH", f"{self._url(pod)}/status", data=body, headers=headers)

    async def delete(self, pod: Pod, grace: int | None = None) -> bool:
        """grace: None as the pod says, 0 at once, as the kubelet does when its containers have ended."""
        body: Pod = {"preconditions": {"uid": pod["metadata"]["uid"]}}
        if grace is not None:
            body["gracePeriodSeconds"] = grace
        return await self._insist("DELETE", self._url(pod), json=body)

    def _url(self, pod: Pod) -> str:
        return f"{self._base}/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"

    async def _insist(self, method: str, url: str, **request: Any) -> bool:
        while True:
            with suppress(aiohttp.ClientError):
                async with self._session.request(method, url, **request) as answer:
                    text = await answer.text()
                if answer.status in (404, 409):
                    return False
                if answer.status < 300:
                    return True
                if answer.status < 500 and answer.status != 429:
                    raise RuntimeError(f"{method} {url}: {answer.status} {text}")
            await asyncio.sleep(_RETRY_SECONDS)
