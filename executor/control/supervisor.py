"""The loop's thread and how its parts fit together.

      submit ──▶ inbox ──▶ WorkQueue ──▶ Launcher (Composer ─▶ manifest) ──▶ kube ──▶ cluster
                             ▲  again                                                  │ watch
                             │                                                         ▼
      drain ◀── Outbox ◀── Judge ◀── launch ids ◀── Tracker ◀──────────────────── Observer
                             │  decide(facts, pod, row)
                             ├──▶ Janitor ──▶ kube: save the log's tail, delete
                             └──▶ rows wanted ──▶ TaskRows (thread of its own)
      Reconciler, Adopter: what no event tells.

The scheduler's thread calls the methods of Supervisor; none of them waits for the loop except `stop`. Everything else
runs on the loop's thread and nowhere else, so nothing in here needs a lock.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from itertools import count
from typing import Any

from executor.control.lease import Lease
from executor.control.machine import Machine, MachinePlan
from executor.control.outbox import Outbox
from executor.errors import ApiError
from executor.kube.port import KubePort
from executor.model import Adopted, Message

log = logging.getLogger(__name__)

RESTART_SECONDS = 5.0
CONNECTS_PER_COMPLAINT = 12
DRAIN_SECONDS = 3.0


class Supervisor:
    """Runs the machine on a thread of its own and passes messages."""

    def __init__(self, plan: MachinePlan) -> None:
        self._plan = plan
        self._lease = Lease(plan.lease, time.monotonic)
        self._outbox = Outbox()
        self._inbox: deque[Callable[[Machine], None]] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake: asyncio.Event | None = None
        self._machine: Machine | None = None
        self._main: asyncio.Task[None] | None = None
        self._stopping = False
        self._thread = threading.Thread(target=self._run_thread, name="airflow-pod-loop", daemon=True)

    # -- called by the scheduler's thread -------------------------------------------------------------------------

    def start(self) -> None:
        self._thread.start()

    def heartbeat(self) -> None:
        """The scheduler is alive: the loop may act."""
        self._lease.renew()

    def submit(self, workloads: Sequence[object]) -> None:
        """Workloads to launch, as Airflow gave them."""
        self._post(lambda machine: machine.submit(workloads))

    def adopt(self, adopted: Sequence[Adopted]) -> None:
        self._post(lambda machine: machine.adopt(adopted))

    def abandon(self, launch_id: str, why: str) -> None:
        """The scheduler settled this launch itself (revoked, failed it): its pod must go."""
        self._post(lambda machine: machine.abandon(launch_id, why))

    def drain(self) -> list[Message]:
        """What happened since the last call."""
        return self._outbox.drain()

    def totals(self) -> dict[str, int]:
        """Counts for people; may be a moment old."""
        return self._machine.totals() if self._machine else {}

    def stop(self, timeout: float) -> bool:
        """End the loop; pods go on. False if it did not end in time."""
        told, self._stopping = self._stopping, True
        if not self._thread.is_alive():
            return True
        if not told:  # a second cancel would interrupt the tidying up
            self._call(self._cancel)
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _post(self, message: Callable[[Machine], None]) -> None:
        self._inbox.append(message)
        self._call(self._ring)

    def _call(self, function: Callable[[], None]) -> None:
        loop = self._loop
        if loop is None:
            return
        try:
            loop.call_soon_threadsafe(function)
        except RuntimeError:  # the loop has just ended
            log.debug("The loop is closed; the message stays in the inbox")

    # -- the loop's thread ----------------------------------------------------------------------------------------

    def _ring(self) -> None:
        if self._wake is not None:
            self._wake.set()

    def _cancel(self) -> None:
        if self._main is not None:
            self._main.cancel()

    def _run_thread(self) -> None:
        try:
            asyncio.run(self._run())
        except asyncio.CancelledError:
            log.debug("The loop was told to end")
        except Exception:
            log.exception("The loop broke and cannot go on: no task is launched until the scheduler restarts")

    async def _run(self) -> None:
        """Keep the machine running: what breaks it is logged, and it goes on with what it knew."""
        self._main = asyncio.current_task()
        self._loop, self._wake = asyncio.get_running_loop(), asyncio.Event()
        if self._stopping:  # told to end before there was a loop to tell
            return
        machine = Machine(self._plan, await self._connect(), self._outbox, self._lease)
        self._machine = machine
        self._wake.set()
        try:
            await asyncio.gather(*(self._forever(name, part) for name, part in self._parts(machine)))
        finally:
            self._loop = None
            await machine.close(DRAIN_SECONDS)

    async def _connect(self) -> KubePort:
        """Credentials may appear later than the scheduler: try again, complain once a minute."""
        for attempt in count():
            try:
                return await self._open()
            except ApiError as error:
                if attempt % CONNECTS_PER_COMPLAINT == 0:
                    log.warning("No connection to Kubernetes, tasks stay queued: %s", error)
            await asyncio.sleep(RESTART_SECONDS)
        raise AssertionError("unreachable")

    async def _open(self) -> KubePort:
        """One connection; told to end in the middle of it, it is closed again and not left behind."""
        opening = asyncio.ensure_future(self._plan.connect())
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            with suppress(ApiError, TimeoutError):
                kube = await asyncio.wait_for(opening, DRAIN_SECONDS)
                await kube.close()
            raise

    def _parts(self, machine: Machine) -> list[tuple[str, Callable[[], Coroutine[Any, Any, None]]]]:
        return [("inbox", lambda: self._read_inbox(machine)), *machine.parts()]

    async def _forever(self, name: str, part: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """A part of the machine never ends: a defect in it is logged, and it is started again."""
        while True:
            try:
                await part()
            except Exception:
                log.exception("The %s of the executor's loop broke; it is started again", name)
            await asyncio.sleep(RESTART_SECONDS)

    async def _read_inbox(self, machine: Machine) -> None:
        assert self._wake is not None
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._inbox:
                self._inbox.popleft()(machine)
