"""How many logs one process follows at once, and whose turn it is.

A followed log keeps a connection of its own, whose TLS costs 70 KB, for as long as its container runs. Beyond the limit
the logs take turns, each long enough that all turns together are a request every two seconds at most; a container that
has ended is read out of turn.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

AT_ONCE: Final = 100
ENDED_AT_ONCE: Final = 20
AFTER_END: Final = 5.0  # seconds in which a log ends after its container; else its connection may be dead
TURN: Final = 200.0  # seconds that a log is followed for at least while others wait


class Turns:
    """Places of one event loop."""

    def __init__(self, at_once: int = AT_ONCE, turn: float = TURN) -> None:
        self.at_once, self.turn = at_once, turn
        self.taken = 0
        self.done = 0  # logs read out of turn
        self.out_of_turn = asyncio.Semaphore(ENDED_AT_ONCE)
        self._held: deque[Place] = deque()
        self._waiting: deque[Place] = deque()

    def take(self, place: Place) -> bool:
        """Whether there was a place; otherwise it is handed over when its turn comes."""
        if self.taken < self.at_once:
            self.taken += 1
            return True
        self._waiting.append(place)
        self._press()
        return False

    def hold(self, place: Place) -> None:
        """The log is followed from now on."""
        self._held.append(place)
        self._press()

    def give_back(self, place: Place) -> None:
        """Its place is the next one's."""
        if place in self._held:
            self._held.remove(place)
        self.taken -= 1
        while self._waiting and self.taken < self.at_once:
            if self._waiting.popleft().called():
                self.taken += 1

    def forget(self, place: Place) -> None:
        """It does not wait any more."""
        if place in self._waiting:
            self._waiting.remove(place)

    def _press(self) -> None:
        """Those that have been at it longest go when their time is over, one for each that waits."""
        for place, _ in zip(self._held, self._waiting, strict=False):
            place.until(self.turn)


@dataclass(slots=True, eq=False)
class Place:
    """One log's."""

    turns: Turns
    ended: bool = False  # its container has
    _told: asyncio.Future[None] | None = None  # of that
    _call: asyncio.Future[bool] | None = None  # True: a place is its own; False: its container has ended
    _limit: asyncio.Timeout | None = None
    _since: float = 0.0

    def end(self) -> None:
        """Its container has ended: read what is left, out of turn."""
        self.ended = True
        if self._told is not None and not self._told.done():
            self._told.set_result(None)
        if self._call is not None and not self._call.done():
            self.turns.forget(self)
            self._call.set_result(False)
        self._leave(asyncio.get_running_loop().time() + AFTER_END)

    async def wait_end(self, seconds: float) -> bool:
        """Whether its container has ended; waits so long for the news."""
        if not self.ended:
            self._told = asyncio.get_running_loop().create_future()
            await asyncio.wait([self._told], timeout=seconds)
        return self.ended

    @asynccontextmanager
    async def held(self, waits: Callable[[], None]) -> AsyncIterator[None]:
        """The right to follow the log. `waits` is told if that takes time. Raises TimeoutError for another's turn."""
        if self.ended or not await self._turn(waits):
            async with self.turns.out_of_turn:
                yield
            self.turns.done += 1
            return
        try:
            async with asyncio.timeout(None) as self._limit:
                self._since = asyncio.get_running_loop().time()
                self.turns.hold(self)
                yield
        finally:
            self._limit = None
            self.turns.give_back(self)

    async def _turn(self, waits: Callable[[], None]) -> bool:
        if self.turns.take(self):
            return True
        waits()
        self._call = asyncio.get_running_loop().create_future()
        try:
            return await self._call
        except asyncio.CancelledError:
            self.turns.forget(self)
            if self._call.done() and not self._call.cancelled() and self._call.result():
                self.turns.give_back(self)
            raise
        finally:
            self._call = None

    def called(self) -> bool:
        """Its turn has come; False if it is not waiting any more."""
        if self._call is None or self._call.done():
            return False
        self._call.set_result(True)
        return True

    def until(self, turn: float) -> None:
        """Leave when it has had its turn."""
        self._leave(max(self._since + turn, asyncio.get_running_loop().time()))

    def _leave(self, when: float) -> None:
        limit = self._limit
        if limit is None or limit.expired():
            return
        before = limit.when()
        if before is None or when < before:
            limit.reschedule(when)
