"""The loop in a process of its own: a prototype, to measure what it would gain. No part of the executor.

The scheduler's side has two threads, one that pickles and writes what is submitted, one that reads what comes back;
the heartbeat only appends to a queue. The other side is the whole executor as it is, with a pipe for a scheduler.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Sequence
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any

from tests.benchmarks import subjects, wiretap
from tests.benchmarks.spec import Place, Run

POLL = 0.002  # seconds between two looks for what is to be sent back


class PipeSupervisor:
    """What `control.supervisor.Supervisor` is to the executor, at the other end of a pipe."""

    def __init__(self, run: Run, place: Place) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._child = context.Process(target=serve, args=(theirs, run, place), daemon=True)
        self._out: SimpleQueue[tuple[str, Any]] = SimpleQueue()
        self._in: deque[Any] = deque()
        self._ended = threading.Event()
        self.heard = wiretap.Tap()

    def start(self) -> None:
        """Returns when the process has imported Airflow, so that its start is not measured."""
        self._child.start()
        self._pipe.recv()
        for work in (self._send, self._receive):
            threading.Thread(target=work, daemon=True).start()

    def heartbeat(self) -> None:
        self._out.put(("heartbeat", None))

    def submit(self, workloads: Sequence[object]) -> None:
        self._out.put(("submit", workloads))

    def drain(self) -> list[Any]:
        return [self._in.popleft() for _ in range(len(self._in))]

    def totals(self) -> dict[str, int]:
        return {}

    def stop(self, timeout: float) -> bool:
        self._out.put(("stop", None))
        ended = self._ended.wait(timeout)
        self._child.join(timeout)
        return ended

    def _send(self) -> None:
        while True:
            message = self._out.get()
            self._pipe.send(message)
            if message[0] == "stop":
                return

    def _receive(self) -> None:
        while True:
            messages = self._pipe.recv()
            if isinstance(messages, wiretap.Tap):
                self.heard = messages
                self._ended.set()
                return
            self._in.extend(messages)


def in_a_process(run: Run, place: Place) -> Any:
    """An executor whose loop is elsewhere."""
    from executor.kubernetes_executor import KubernetesExecutor

    pipe = PipeSupervisor(run, place)

    class Remote(KubernetesExecutor):
        def start(self) -> None:
            self._supervisor = pipe  # type: ignore[assignment]
            pipe.start()

        def heard(self) -> wiretap.Tap:
            return pipe.heard

    executor = Remote()
    executor.job_id = 1
    return executor


def serve(pipe: Connection, run: Run, place: Place) -> None:
    """The process: the loop is a thread of it, its main thread passes messages on."""
    os.sched_setaffinity(0, range(os.cpu_count() or 1))  # it may use what the server leaves
    subjects.configure(run, place)
    tap = wiretap.Tap()
    wiretap.install(tap)
    executor = subjects.ours()
    executor.start()
    supervisor = executor._supervisor
    pipe.send("ready")
    while True:
        messages = supervisor.drain()
        if messages:
            pipe.send(messages)
        if not pipe.poll(POLL):
            continue
        what, value = pipe.recv()
        if what == "stop":
            executor.end()
            pipe.send(tap)
            return
        getattr(supervisor, what)(*(() if value is None else (value,)))
