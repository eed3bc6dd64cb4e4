"""An event loop whose clock jumps to the next timer when nothing else is left to do.

Sleeps and timeouts take no real time, and their order is the real one. Work on threads (`run_in_executor`) is waited
for in real time before the clock jumps: a thread costs no virtual time unless it takes LOOKS times PATIENCE, even on a
slow machine; one that hangs does not stop the clock. A loop that has neither a timer nor a thread to wait for is stuck
for ever, and says so.
"""

from __future__ import annotations

import asyncio
import selectors
from asyncio import Future
from collections.abc import Callable
from typing import Any

PATIENCE = 0.02  # real seconds of one look
LOOKS = 25  # a process that stands still for a while loses one of them, and not all
LAST_HOPE = 1.0  # the same, when there is no timer to jump to
TICK = 1e-9  # a clock moves between two looks; a rest of 1e-13 s would else be waited for again and again


class Stuck(AssertionError):
    """Nothing will ever happen on this loop any more."""


class _JumpingSelector(selectors.DefaultSelector):  # type: ignore[valid-type, misc]
    """Asks the system without waiting; instead of waiting it moves the loop's clock."""

    loop: VirtualTimeLoop

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if ready := self._wait_for_threads():
            return ready
        if timeout is not None:
            self.loop.now += timeout
            return []
        ready = super().select(LAST_HOPE)
        if not ready:
            raise Stuck("no timer, and no thread or socket that says anything: what is awaited never comes")
        return ready

    def _wait_for_threads(self) -> Any:
        while self.loop.looks_at_threads:
            ready = super().select(PATIENCE)
            if ready or not self.loop.a_young_thread():
                return ready
        return []


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """`now`: its clock, in seconds; like a real one it does not begin at 0."""

    def __init__(self) -> None:
        selector = _JumpingSelector()
        selector.loop = self
        self.now = 1000.0
        self.looks_at_threads: dict[Future[Any], int] = {}
        super().__init__(selector)

    def time(self) -> float:
        self.now += TICK
        return self.now

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Future[Any]:
        future = super().run_in_executor(executor, func, *args)
        self.looks_at_threads[future] = 0
        future.add_done_callback(self.looks_at_threads.pop)
        return future

    def a_young_thread(self) -> bool:
        """Whether there is one that may just be slow; each was looked at once more."""
        for future in self.looks_at_threads:
            self.looks_at_threads[future] += 1
        return min(self.looks_at_threads.values(), default=LOOKS) < LOOKS
