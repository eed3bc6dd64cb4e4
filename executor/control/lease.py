"""The right to act: only while the scheduler's own heartbeat is young.

A scheduler that was frozen (SIGSTOP, a VM paused) and comes back must not post or delete on stale knowledge: another
scheduler may have adopted its work. Monotonic time goes on while a process is stopped, which is what shows it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

POLL_SECONDS = 0.5


class Lease:
    """Held while the last heartbeat is younger than `life` seconds."""

    def __init__(self, life: float, clock: Callable[[], float]) -> None:
        self._life = life
        self._clock = clock
        self._beat = clock()
        self.lapses = 0

    def renew(self) -> None:
        """Called by the scheduler's heartbeat; counts a lapse that has just ended."""
        if not self.held():
            self.lapses += 1
        self._beat = self._clock()

    def held(self) -> bool:
        return self._clock() - self._beat < self._life

    async def until_held(self) -> None:
        """Returns at once while it is held. Polls: the heartbeat comes from another thread and wakes nobody."""
        while not self.held():  # noqa: ASYNC110
            await asyncio.sleep(POLL_SECONDS)
