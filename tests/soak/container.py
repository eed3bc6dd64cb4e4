"""The soak's containers: processes of a millisecond each, which append to the ledger when they begin and when they end.

The ledger is a file of lines `start|end <launch> <kind> <number> <try> <pod>`; `sh` writes each with one write(2) at
the file's end, so that lines never mix. A container that is killed leaves its start without an end.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_SCRIPT = 'echo "start $1" >>"$0"; sleep "$2"; echo "end $1" >>"$0"; exit "$3"'


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the ledger."""

    what: str
    launch: str
    kind: str
    number: int
    try_number: int
    pod: str

    def __str__(self) -> str:
        return f"{self.launch} {self.kind} {self.number} {self.try_number} {self.pod}"


def read_ledger(ledger: Path) -> Iterator[Entry]:
    for line in ledger.read_text().splitlines() if ledger.exists() else ():
        what, launch, kind, number, try_number, pod = line.split(" ")
        yield Entry(what, launch, kind, int(number), int(try_number), pod)


class Container:
    """One process, in a session of its own."""

    def __init__(self, ledger: Path, entry: str, seconds: float, exit_code: int = 0) -> None:
        words = ["sh", "-c", _SCRIPT, str(ledger), entry, f"{seconds:g}", str(exit_code)]
        self._pid = os.posix_spawn("/bin/sh", words, {"PATH": "/usr/bin:/bin"}, setsid=True)
        self._ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._watch = os.pidfd_open(self._pid)
        asyncio.get_running_loop().add_reader(self._watch, self._reap)

    async def wait(self) -> int:
        """Its exit code; 128 and the signal's number if it was killed."""
        return await asyncio.shield(self._ended)

    def kill(self) -> None:
        if not self._ended.done():
            with suppress(ProcessLookupError):
                os.killpg(self._pid, signal.SIGKILL)

    def _reap(self) -> None:
        asyncio.get_running_loop().remove_reader(self._watch)
        os.close(self._watch)
        code = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
        self._ended.set_result(code if code >= 0 else 128 - code)
