"""A container's log in the task's log: followed while it runs, each line once, in bounded memory.

A broken stream is opened again and what was shown already is passed over. What a container task gives as its result
is kept out of it (`xcom.ResultReader`).
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
from executor.operators.xcom import ResultReader

log = logging.getLogger(__name__)

ALL_LINES: Final = 2**31 - 1  # `tailLines` of the API, where "all" cannot be said otherwise
LONGEST_LINE: Final = 64 * 1024
AT_ONCE: Final = 50  # lines between two chances for others on the loop


class LogSource(Protocol):
    """The two calls of the Kubernetes port that read logs."""

    def follow_log(self, namespace: str, name: str, *, container: str, tail_lines: int) -> AsyncGenerator[bytes]: ...


@dataclass(slots=True)
class ContainerLog:
    """One container's log on its way to `show`, line by line; `reader` keeps the result out of it."""

    source: LogSource
    namespace: str
    pod: str
    container: str
    show: Callable[[str], None]
    reader: ResultReader
    taken: int = 0  # bytes
    problem: str = ""
    back_off: BackOff = field(default_factory=BackOff)

    async def follow(self) -> None:
        """Until the container ends and everything was shown, or there is no log any more (`problem`)."""
        while True:
            try:
                await self._stream()
            except Refused as error:
                self.problem = str(error)
                return
            except ApiError as error:
                self.problem = str(error)
                await asyncio.sleep(self.back_off.after(error))
                continue
            self.problem = ""
            self._show(self.reader.end())
            return

    async def _stream(self) -> None:
        """Raises ApiError."""
        passing = self.taken
        log_of = self.source.follow_log(self.namespace, self.pod, container=self.container, tail_lines=ALL_LINES)
        async with aclosing(log_of) as chunks:
            async for chunk in chunks:
                fresh = chunk[passing:]
                passing = max(0, passing - len(chunk))
                await self._take(fresh)

    async def _take(self, chunk: bytes) -> None:
        self.taken += len(chunk)
        lines = self.reader.feed(chunk, LONGEST_LINE)
        for start in range(0, len(lines), AT_ONCE):
            self._show(lines[start : start + AT_ONCE])
            await asyncio.sleep(0)

    def _show(self, lines: list[bytes]) -> None:
        for line in lines:
            self.show(line.decode("utf-8", errors="backslashreplace").rstrip("\r"))
