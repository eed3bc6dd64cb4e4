"""Keeps the status of one pod in the API as it is on this machine: always the newest, never an old one twice."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from executor.localcluster.node.api import UNREACHABLE, ApiClient, ApiError, Json

log = logging.getLogger(__name__)
FIRST_RETRY, LAST_RETRY = 0.2, 5.0


class StatusWriter:
    """`compute()` gives the status as it should be; `changed()` says that it may be different from before."""

    def __init__(self, api: ApiClient, metadata: Json, compute: Callable[[], Json]) -> None:
        self._api, self._compute = api, compute
        self._path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}/status"
        self._uid = metadata["uid"]
        self._written: Json | None = None
        self._dirty, self._clean = asyncio.Event(), asyncio.Event()
        self._gone = False

    def changed(self) -> None:
        if not self._gone:
            self._clean.clear()
            self._dirty.set()

    def rewrite(self) -> None:
        """Somebody else has changed what was written."""
        self._written = None
        self.changed()

    async def flush(self) -> None:
        """Until the newest status is in the API, or the pod is not."""
        self.changed()
        await self._clean.wait()

    def give_up(self) -> None:
        """The pod object is gone: there is nothing to write to."""
        self._gone = True
        self._dirty.set()
        self._clean.set()

    async def run(self) -> None:
        while not self._gone:
            await self._dirty.wait()
            self._dirty.clear()
            await self._write()
            if not self._dirty.is_set():
                self._clean.set()

    async def _write(self) -> None:
        pause = FIRST_RETRY
        while not self._gone:
            status = self._compute()
            if status == self._written:
                return
            try:
                # the uid guards against a new pod of the same name: the server answers 409 then
                await self._api.patch(self._path, {"metadata": {"uid": self._uid}, "status": status})
            except ApiError as error:
                if error.status == 404:
                    return self.give_up()
                log.warning("status of %s not written: %s", self._path, error)
            except UNREACHABLE as error:
                log.debug("status of %s not written: %r", self._path, error)
            else:
                self._written = status
                return
            await asyncio.sleep(pause)
            pause = min(pause * 2, LAST_RETRY)
