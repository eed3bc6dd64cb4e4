"""One run in a process of its own: `python -m tests.benchmarks.run RUN PLACE` (both JSON) prints its record as JSON."""

from __future__ import annotations

import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import psutil  # type: ignore[import-untyped]

from tests.benchmarks import subjects, wiretap, workloads
from tests.benchmarks.drive import Drive, Heartbeat, drive
from tests.benchmarks.spec import Place, Quantiles, Record, Run, quantiles

PATIENCE = 150.0
SETTLING = 1.0  # seconds for the first list of pods


def main(run: Run, place: Place) -> Record:
    """Raises nothing that a run could cause: what is lost is counted."""
    if place.core is not None:
        os.sched_setaffinity(0, {place.core})
    subjects.configure(run, place)
    tap = wiretap.Tap()
    if not run.traced:
        wiretap.install(tap)
    if run.large:
        from tests.benchmarks.large import follow_many

        return follow_many(run, place, tap)
    tasks = [workloads.make(place.tag, number) for number in range(run.tasks)]
    executor = started(run, place)
    meter = Meter(place)
    tap.calls.clear()
    seen = drive(executor, run, tasks, PATIENCE)
    meter.stop(seen.burnt)
    time.sleep(SETTLING)  # deletes may come a little later, and count
    executor.end()
    if hasattr(executor, "heard"):
        tap = executor.heard()
    return record(run, place, tap, seen, meter, executor)


def started(run: Run, place: Place) -> Any:
    """The executor, with its first list behind it."""
    sys.setswitchinterval(run.switch_interval)
    executor = subjects.make(run, place)
    executor.start()
    executor.heartbeat()
    time.sleep(SETTLING)
    executor.heartbeat()
    return executor


class Meter:
    """CPU and memory of this process, its children and the server's processes, from now until `stop`."""

    def __init__(self, place: Place) -> None:
        self._me = psutil.Process()
        self._servers = [psutil.Process(pid) for pid in place.pids]
        self._server, self._mine = self._server_cpu(), self._client_cpu()
        self.client_cpu = self.helpers_mb = self.peak_mb = 0.0
        self.server_cpu: float | None = None
        self.helpers = 0

    def stop(self, burnt: float) -> None:
        """burnt: CPU seconds that were no work of the executor."""
        self.client_cpu = self._client_cpu() - self._mine - burnt
        self.server_cpu = self._server_cpu() - self._server if self._servers else None
        children = self._me.children(recursive=True)
        self.helpers = len(children)
        self.helpers_mb = sum(child.memory_info().rss for child in children) / 1e6
        self.peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3

    def _client_cpu(self) -> float:
        return sum(map(_cpu, (self._me, *self._me.children(recursive=True))))

    def _server_cpu(self) -> float:
        return sum(map(_cpu, self._servers))


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def record(
    run: Run, place: Place, tap: wiretap.Tap, seen: Drive, meter: Meter, executor: Any, **extra: float
) -> Record:
    """Everything that is known at the end."""
    last = max(seen.reported.values(), default=time.monotonic())
    seconds = last - min(seen.queued.values(), default=seen.began)
    stopwatch = getattr(executor, "stopwatch", None)
    heartbeats = seen.heartbeats or [Heartbeat(0.0, 0.0, 0.0)]
    return Record(
        run=run,
        tasks_per_second=len(seen.reported) / seconds,
        lost=run.tasks - int(extra.get("running", extra.get("followed", len(seen.reported)))),
        seconds=seconds,
        to_post=_between(seen.queued, tap.posted),
        to_created=_between(seen.queued, tap.created),
        to_ready=quantiles(stopwatch.seconds()) if stopwatch is not None else None,
        to_reported=_between(ends(place), seen.reported),
        longest_heartbeat_ms=max(one.held for one in heartbeats) * 1000,
        longest_on_the_clock_ms=max(one.wall for one in heartbeats) * 1000,
        its_cpu_ms=max(one.cpu for one in heartbeats) * 1000,
        all_heartbeats_s=sum(one.wall for one in heartbeats),
        heartbeats=len(heartbeats),
        queueing_ms=seen.queueing * 1000,
        client_cpu_s=meter.client_cpu,
        server_cpu_s=meter.server_cpu,
        peak_mb=meter.peak_mb,
        helpers=meter.helpers,
        helpers_mb=meter.helpers_mb,
        calls=dict(tap.calls),
        extra=extra,
    )


def _between(before: dict[int, float], after: dict[int, float]) -> Quantiles | None:
    return quantiles([after[number] - at for number, at in before.items() if number in after])


def ends(place: Place) -> dict[int, float]:
    """When each of this run's pods ended, by task number: the player notes `dag task seconds`."""
    path = Path(place.ended)
    lines = (line.split() for line in path.read_text().splitlines()) if path.exists() else ()
    return {int(task.removeprefix("task_")): float(at) for dag, task, at in lines if dag == place.tag}


if __name__ == "__main__":
    print(
        msgspec.json.encode(
            main(msgspec.json.decode(sys.argv[1], type=Run), msgspec.json.decode(sys.argv[2], type=Place))
        ).decode()
    )
