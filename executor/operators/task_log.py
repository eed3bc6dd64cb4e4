"""A container's log in the task's log: followed while it runs, each line once, in bounded memory.

A broken stream is opened again where it was left off (`stamps`), and so is one that gave way to others (`turns`). What
a container task gives as its result is kept out of it (`xcom.ResultReader`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final, Protocol

from executor.errors import ApiError, Refused
from executor.kube.reflector import BackOff
from executor.operators.stamps import StampedLog
from executor.operators.turns import Place
from executor.operators.xcom import ResultReader

log = logging.getLogger(__name__)

LONGEST_LINE: Final = 64 * 1024
AT_ONCE: Final = 50  # lines between two chances for others on the loop
END_SEEN: Final = 10.0  # seconds from the end of a log to the news that its container has ended
LONGEST_WAIT: Final = 300.0


class LogSource(Protocol):
    """The call that follows logs."""

    def follow_stamped_log(self, namespace: str, name: str, container: str, since: str) -> AsyncGenerator[bytes]: ...


@dataclass(slots=True)
class ContainerLog:
    """One container's log on its way to `show`, line by line; `reader` keeps the result out of it."""

    source: LogSource
    namespace: str
    pod: str
    container: str
    show: Callable[[str], None]
    reader: ResultReader
    place: Place
    waits: Callable[[], None]
    taken: int = 0  # bytes
    problem: str = ""
    back_off: BackOff = field(default_factory=BackOff)
    patience: float = END_SEEN
    _stamped: StampedLog = field(default_factory=StampedLog)
    _unshown: list[bytes] = field(default_factory=list)

    async def follow(self) -> None:
        """Until the container ends and everything was shown, or there is no log any more (`problem`)."""
        while True:
            try:
                async with self.place.held(self.waits):
                    await self._stream()
                self.problem = ""
            except TimeoutError:
                continue  # it is another's turn
            except Refused as error:
                self.problem = str(error)
                return
            except ApiError as error:
                self.problem = str(error)
                await asyncio.sleep(self.back_off.after(error))
                continue
            if await self._has_ended():
                await self._show(self.reader.end())
                return

    async def _stream(self) -> None:
        """Raises ApiError."""
        await self._show([])
        self._stamped.reopened()
        log_of = self.source.follow_stamped_log(self.namespace, self.pod, self.container, self._stamped.since)
        async with aclosing(log_of) as chunks:
            async for chunk in chunks:
                fresh = self._stamped.feed(chunk)
                self.taken += len(fresh)
                await self._show(self.reader.feed(fresh, LONGEST_LINE))

    async def _has_ended(self) -> bool:
        """A log may also end because the node's agent was started anew: then its container goes on."""
        if await self.place.wait_end(self.patience):
            return True
        self.patience = min(2 * self.patience, LONGEST_WAIT)
        return False

    async def _show(self, lines: list[bytes]) -> None:
        """What is interrupted here is shown when it goes on."""
        self._unshown.extend(lines)
        while self._unshown:
            now, self._unshown = self._unshown[:AT_ONCE], self._unshown[AT_ONCE:]
            for line in now:
                self.show(line.decode("utf-8", errors="backslashreplace").rstrip("\r"))
            await asyncio.sleep(0)
