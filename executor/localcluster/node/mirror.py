"""A local copy of a list of objects, kept by list and watch (Kubernetes: "Efficient detection of changes").

Level-triggered: whoever uses it is told "this object is now so" or "is gone", and may miss intermediate states.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from executor.localcluster.node.api import UNREACHABLE, ApiClient, ApiError, Json

log = logging.getLogger(__name__)

Changed = Callable[[Json, bool], None]
FIRST_RETRY, LAST_RETRY = 0.2, 5.0


class Mirror:
    """Follows `path`; calls `changed(object, gone)` in the event loop for every difference."""

    def __init__(self, api: ApiClient, path: str, params: Mapping[str, str], changed: Changed) -> None:
        self._api, self._path, self._params, self._changed = api, path, dict(params), changed
        self._known: dict[str, Json] = {}
        self.synced = asyncio.Event()

    async def run(self) -> None:
        """List and watch for ever; an unreachable server is tried again with growing pauses."""
        pause = FIRST_RETRY
        while True:
            try:
                version = await self._list()
                pause = FIRST_RETRY
                await self._watch_until_stale(version)
            except (ApiError, *UNREACHABLE) as error:
                log.debug("watching %s: %r; trying again in %.1f s", self._path, error, pause)
                await asyncio.sleep(pause)
                pause = min(pause * 2, LAST_RETRY)

    async def _list(self) -> str:
        answer = await self._api.get(self._path, self._params)
        found = {item["metadata"]["uid"]: item for item in answer.get("items") or ()}
        for uid in [uid for uid in self._known if uid not in found]:
            self._forget(self._known[uid])
        for item in found.values():
            self._remember(item)
        self.synced.set()
        return str(answer["metadata"]["resourceVersion"])

    async def _watch_until_stale(self, version: str) -> None:
        """Watch on from `version`, over as many requests as it takes, until the server has forgotten it (410)."""
        following: str | None = version
        while following is not None:
            try:
                following = await self._watch_once(following)
            except ApiError as error:
                if error.status != 410:
                    raise
                return

    async def _watch_once(self, version: str) -> str | None:
        """One watch request; returns the version to go on from, None when there is none (an ERROR event)."""
        async with self._api.watch(self._path, {**self._params, "resourceVersion": version}) as events:
            async for event in events:
                if event["type"] == "ERROR":
                    return None
                version = event["object"]["metadata"]["resourceVersion"]
                self._apply(event["type"], event["object"])
        return version

    def _apply(self, kind: str, item: Json) -> None:
        if kind == "DELETED":
            self._forget(item)
        elif kind in ("ADDED", "MODIFIED"):
            self._remember(item)

    def _remember(self, item: Json) -> None:
        metadata = item["metadata"]
        before = self._known.get(metadata["uid"])
        if before is None or before["metadata"]["resourceVersion"] != metadata["resourceVersion"]:
            self._known[metadata["uid"]] = item
            self._changed(item, False)

    def _forget(self, item: Json) -> None:
        self._known.pop(item["metadata"]["uid"], None)
        self._changed(item, True)
