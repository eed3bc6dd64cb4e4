"""How many pods one process runs at once: `[kubernetes_pod_executor] max_active_pods`. First come, first served."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager


class Slots:
    """limit: 0 for none. A pod that exists already takes a slot even where there is none."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.taken = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @asynccontextmanager
    async def one(self, *, exists: bool, waits: Callable[[str], None]) -> AsyncIterator[None]:
        """A slot, for as long as the pod lives. `waits` is told if it has to be waited for."""
        if not exists and self._full():
            waits(
                f"Waiting without a pod: {self.taken} pods of container tasks run for this triggerer, and "
                f"[kubernetes_pod_executor] max_active_pods = {self.limit}"
            )
            await self._turn()
        else:
            self.taken += 1
        try:
            yield
        finally:
            self._give_back()

    def _full(self) -> bool:
        return bool(self.limit) and (self.taken >= self.limit or bool(self._waiting))

    async def _turn(self) -> None:
        """Wait; the slot is handed over taken."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._give_back()
            raise

    def _give_back(self) -> None:
        self.taken -= 1
        while self._waiting and (not self.limit or self.taken < self.limit):
            turn = self._waiting.popleft()
            if not turn.done():
                self.taken += 1
                turn.set_result(None)
