"""The scheduler's loop, with everything but the executor replaced by CPU and sleep.

As in `jobs/scheduler_job_runner.py`: workloads are queued, then `heartbeat()`, then the event buffer is taken, then
there is other work. A task counts as queued from the heartbeat that follows its queueing (the commit lies between),
and as reported when the executor has it neither queued nor running any more.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.benchmarks.spec import LOADS, NOTHING_TO_DO, Load, Run


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Seconds. wall: by the clock; cpu: of its own; waited: it could have run, and something else had the core (the
    client has one of its own where there are two, which it shares with the executor's loop and with the kernel)."""

    wall: float
    cpu: float
    waited: float

    @property
    def held(self) -> float:
        """For how long the executor held the scheduler: at work, or waiting for a lock or the interpreter."""
        return max(self.wall - self.waited, 0.0)


class RunQueue:
    """How long this thread has waited for a core, in seconds; 0 where the kernel does not say (proc(5), schedstat)."""

    def __init__(self) -> None:
        try:
            self._file: int | None = os.open("/proc/thread-self/schedstat", os.O_RDONLY)
        except OSError:
            self._file = None

    def waited(self) -> float:
        return int(os.pread(self._file, 64, 0).split()[1]) / 1e9 if self._file is not None else 0.0


@dataclass(slots=True)
class Drive:
    """What the scheduler saw. Times: monotonic seconds, by task number. Made on the thread that drives."""

    queued: dict[int, float] = field(default_factory=dict)
    reported: dict[int, float] = field(default_factory=dict)
    heartbeats: list[Heartbeat] = field(default_factory=list)
    queueing: float = 0.0
    burnt: float = 0.0  # CPU of the other work
    began: float = 0.0
    run_queue: RunQueue = field(default_factory=RunQueue)


def drive(executor: Any, run: Run, workloads: list[Any], patience: float) -> Drive:
    """Until every task is reported, or the patience (seconds) has an end."""
    seen, load = Drive(began=time.monotonic()), LOADS[run.load]
    numbers: dict[Any, int] = {}
    while len(seen.reported) < run.tasks and time.monotonic() - seen.began < patience:
        due = len(workloads) if not run.rate else int((time.monotonic() - seen.began) * run.rate) + 1
        _queue(executor, workloads[len(numbers) : due], numbers, seen)
        beat(executor, seen)
        executor.get_event_buffer()
        _note_reported(executor, numbers, seen)
        rest(load, seen, idle=executor.slots_occupied == 0)
    return seen


def turn(executor: Any, load: Load, seen: Drive, until: Callable[[], bool], patience: float) -> float:
    """The same loop with nothing to queue, until something holds; the seconds that took."""
    began = time.monotonic()
    while not until() and time.monotonic() - began < patience:
        beat(executor, seen)
        executor.get_event_buffer()
        rest(load, seen, idle=False)
    return time.monotonic() - began


def _queue(executor: Any, workloads: list[Any], numbers: dict[Any, int], seen: Drive) -> None:
    before = time.perf_counter()
    for workload in workloads:
        executor.queue_workload(workload, session=None)
    seen.queueing += time.perf_counter() - before
    now = time.monotonic()
    for workload in workloads:
        numbers[workload.key] = len(numbers)
        seen.queued[numbers[workload.key]] = now


def beat(executor: Any, seen: Drive) -> None:
    """One heartbeat, timed."""
    waited, cpu, wall = seen.run_queue.waited(), time.thread_time(), time.perf_counter()
    executor.heartbeat()
    wall, cpu = time.perf_counter() - wall, time.thread_time() - cpu
    seen.heartbeats.append(Heartbeat(wall, cpu, seen.run_queue.waited() - waited))


def _note_reported(executor: Any, numbers: dict[Any, int], seen: Drive) -> None:
    if executor.slots_occupied == len(numbers) - len(seen.reported):
        return
    now = time.monotonic()
    for key, number in numbers.items():
        if number not in seen.reported and key not in executor.running and key not in executor.queued_tasks:
            seen.reported[number] = now


def rest(load: Load, seen: Drive, *, idle: bool) -> None:
    """The other work of a loop: pure Python, then sleep."""
    before = time.thread_time()
    while time.thread_time() - before < load.cpu:
        sum(range(500))
    seen.burnt += time.thread_time() - before
    if idle or load.sleep:
        time.sleep(NOTHING_TO_DO if idle else load.sleep)
