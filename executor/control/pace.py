"""An optional limit on creates per second (`create_qps`)."""

from __future__ import annotations

import asyncio
from math import inf


class Pace:
    """Spreads callers evenly: at most `per_second` a second, 0 = no limit."""

    def __init__(self, per_second: float) -> None:
        self._gap = 1.0 / per_second if per_second > 0 else 0.0
        self._next = 0.0

    def within(self, seconds: float) -> float:
        """How many may pass in so many seconds."""
        return seconds / self._gap if self._gap else inf

    async def wait(self) -> None:
        if not self._gap:
            return
        now = asyncio.get_running_loop().time()
        turn = max(now, self._next)
        self._next = turn + self._gap
        if turn > now:
            await asyncio.sleep(turn - now)
