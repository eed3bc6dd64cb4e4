"""Child processes with their output in a file, in a process group of their own, that never outlive their parent.

A child gets SIGTERM when the *thread* that started it ends (prctl(2), PR_SET_PDEATHSIG), so start children from the
main thread. Stopping goes to the whole process group: SIGTERM, then SIGKILL after a grace.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TypeVar

#: Seconds between asking a process to stop and ending it.
STOP_GRACE = 8.0

T = TypeVar("T")
_PORTS = range(18_000, 32_000)
_LAUNCHER = Path(__file__).with_name("die_with_parent.py")


class NotReadyError(RuntimeError):
    """Something that was started did not become ready; the message holds the end of its log."""


def free_ports(count: int) -> list[int]:
    """Return `count` different TCP ports that nobody listens on at 127.0.0.1 right now.

    From below the range that Linux hands out to outgoing connections (net.ipv4.ip_local_port_range), so that none of
    them is taken by one before it is listened on.
    """
    candidates = random.sample(_PORTS, k=len(_PORTS))
    free = (port for port in candidates if _is_free(port))
    return list(islice(free, count))


def _is_free(port: int) -> bool:
    with socket.socket() as probe, suppress(OSError):
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
        return True
    return False


def wait_until(what: str, probe: Callable[[], T | None], timeout: float, pause: float = 0.2) -> T:
    """Return the first true value of `probe`, asked every `pause` seconds.

    Raises:
        TimeoutError: `what` did not happen within `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    while not (value := probe()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {timeout:g} s")
        time.sleep(pause)
    return value


def stop_all(children: Iterable[Child]) -> None:
    """Stop several children side by side."""
    asked = list(children)
    for child in asked:
        child.ask_to_stop()
    for child in asked:
        child.stop()


class Child:
    """One child process, and all its children."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        env: Mapping[str, str],
        log: Path,
        grace: float = STOP_GRACE,
        stop_signal: int = signal.SIGTERM,
    ) -> None:
        """Start `command`. `grace`: seconds between asking it to stop (`stop_signal`) and ending it."""
        self.name = name
        self.log = log
        self._grace = grace
        self._stop_signal = stop_signal
        launcher = [sys.executable, "-I", "-S", str(_LAUNCHER), str(os.getpid())]
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [*launcher, *command],
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=log.parent,
            )

    @property
    def pid(self) -> int:
        """Its process id, which is the id of its process group too."""
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """None while it runs, else its exit code (-n: ended by signal n)."""
        return self._process.poll()

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal to the process itself, not to its children: what a crash of the component looks like."""
        self._process.send_signal(number)
        if number == signal.SIGKILL:
            self._process.wait()

    def stop(self) -> None:
        """Ask the whole group to stop, and end what is left of it after its grace."""
        self.ask_to_stop()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(self._grace)
        self._signal_group(signal.SIGKILL)
        self._process.wait()

    def ask_to_stop(self) -> None:
        """Ask the whole group to stop; returns at once."""
        self._signal_group(self._stop_signal)

    def require_running(self) -> None:
        """Raise `NotReadyError` with the end of its log if it has ended."""
        if self.returncode is not None:
            raise NotReadyError(f"{self.name} ended with {self.returncode}. The end of {self.log}:\n{self.tail()}")

    def tail(self, lines: int = 30) -> str:
        """Return the last lines of its output."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def _signal_group(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)
