"""Work that follows changes: done a moment after them, so that a burst of changes is one pass."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

log = logging.getLogger(__name__)

DELAY_SECONDS = 0.2


class Passes:
    """Calls ``work`` soon after :meth:`wake`, in the background, while :meth:`running` is open."""

    def __init__(self, name: str, work: Callable[[], None]) -> None:
        self._name = name
        self._work = work
        self._awake = asyncio.Event()

    def wake(self) -> None:
        self._awake.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._run(), name=self._name)
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _run(self) -> None:
        while True:
            await self._awake.wait()
            await asyncio.sleep(DELAY_SECONDS)
            self._awake.clear()
            try:
                self._work()
            except Exception:
                log.exception("%s failed; it goes on with the next change", self._name)
