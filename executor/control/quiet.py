"""Trouble that lasts is worth a line a minute, not one for each attempt."""

from __future__ import annotations

import asyncio

QUIET_SECONDS = 60.0


class Quiet:
    """`due` is true the first time, and then once every QUIET_SECONDS of the loop's time."""

    def __init__(self) -> None:
        self._said_at: float | None = None

    def due(self) -> bool:
        now = asyncio.get_running_loop().time()
        if self._said_at is not None and now - self._said_at < QUIET_SECONDS:
            return False
        self._said_at = now
        return True
