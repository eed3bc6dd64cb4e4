"""Work that nobody awaits: held until it ends, so that it is not lost, and ended when the loop ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

log = logging.getLogger(__name__)

CANCELS = 3
CANCEL_SECONDS = 0.1
T = TypeVar("T")


class Jobs:
    """Tasks of one part of the loop; a defect in one of them is logged and harms no other."""

    def __init__(self, what: str) -> None:
        """what: names them in the log."""
        self._what = what
        self._tasks: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def drain(self) -> None:
        """Wait for all of them, those that they start included."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def cancel(self) -> None:
        """End them, wherever they are; one that swallows the cancellation is told again, and then left behind."""
        for _ in range(CANCELS):
            for task in self._tasks:
                task.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=CANCEL_SECONDS)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("A job of the executor's loop broke: %s", self._what, exc_info=task.exception())
