"""Thousands of pods that run for long: what they weigh, how fast their changes are taken in, how long a restart takes.

Runs against the server that only answers, because thousands of pods on the local cluster take minutes to make.
"""

from __future__ import annotations

import gc
import json
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import psutil  # type: ignore[import-untyped]
from airflow.models.taskinstancekey import TaskInstanceKey

from executor.model import Adopted
from tests.benchmarks import run as one_run
from tests.benchmarks import subjects, workloads
from tests.benchmarks.drive import Drive, beat, rest, turn
from tests.benchmarks.spec import LOADS, Place, Record, Run
from tests.benchmarks.wiretap import Tap
from tests.speed.client import read

EVENTS = 20_000
BATCH = 500  # what a scheduler queues at most in one turn, by and large
PATIENCE = 200.0
SETTLING = 3.0  # seconds, for what has to do with the launch and not with following


def follow_many(run: Run, place: Place, tap: Tap) -> Record:
    """Scenario "churn": launch them all, then change their status; "restart": take over what churn left."""
    seen, restart = Drive(began=time.monotonic()), run.scenario == "restart"
    executor = subjects.make(run, place) if restart else one_run.started(run, place)
    meter, rss = one_run.Meter(place), psutil.Process().memory_info().rss
    before = _trace() if run.traced else 0
    tap.calls.clear()
    extra = (_take_over if restart else _launch)(executor, run, place, seen)
    turn(executor, LOADS[run.load], seen, lambda: False, SETTLING)
    if run.traced:
        gc.collect()
        extra["kb_per_pod"] = (tracemalloc.get_traced_memory()[0] - before) / run.tasks / 1000
        tracemalloc.stop()
    else:
        extra["rss_kb_per_pod"] = (psutil.Process().memory_info().rss - rss) / run.tasks / 1000
    if run.scenario == "churn":
        extra |= _churn(executor, run, place, seen)
    meter.stop(seen.burnt)
    executor.end()
    return one_run.record(run, place, tap, seen, meter, executor, **extra)


def _trace() -> int:
    """Trace from now on; the bytes that are traced already."""
    gc.collect()
    tracemalloc.start()
    return tracemalloc.get_traced_memory()[0]


def _launch(executor: Any, run: Run, place: Place, seen: Drive) -> dict[str, float]:
    """Queue them, BATCH in a turn of the loop, until the watch has shown each of them running."""
    began = time.monotonic()
    for first in range(0, run.tasks, BATCH):
        for number in range(first, min(first + BATCH, run.tasks)):
            executor.queue_workload(workloads.make(place.tag, number), session=None)
        beat(executor, seen)
        rest(LOADS[run.load], seen, idle=False)
    turn(executor, LOADS[run.load], seen, lambda: _running(executor) == run.tasks, PATIENCE)
    took = time.monotonic() - began
    return {"all_running_s": took, "launched_per_s": run.tasks / took, "running": _running(executor)}


def _running(executor: Any) -> int:
    machine = executor._supervisor._machine
    if machine is None or len(machine.tracker.pods) < len(executor.running):
        return 0
    return sum(pod.status.phase == "Running" for pod in list(machine.tracker.pods.values()))


def _churn(executor: Any, run: Run, place: Place, seen: Drive) -> dict[str, float]:
    """The events go over the wire as one piece; until the last of them is known."""
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask, place.kubeconfig, "POST", f"/bench/churn?events={EVENTS}")
        cpu, burnt = time.process_time(), seen.burnt
        turn(executor, LOADS[run.load], seen, asked.done, PATIENCE)
        last = asked.result()
        pods = executor._supervisor._machine.tracker.pods
        key = place.namespace, last["last"]

        def caught_up() -> bool:
            return bool(pods[key].metadata.resource_version == last["resourceVersion"])

        seconds = turn(executor, LOADS[run.load], seen, caught_up, PATIENCE)
    busy = time.process_time() - cpu - (seen.burnt - burnt)
    wire = ask(place.kubeconfig, "GET", "/bench")
    return {
        "events_per_s": EVENTS / max(seconds, 1e-6),
        "events_per_cpu_s": EVENTS / max(busy, 1e-6),
        "bytes_per_event": wire["watch bytes"] / wire["watch events"],
    }


def _take_over(executor: Any, run: Run, place: Place, seen: Drive) -> dict[str, float]:
    """A new scheduler's first turn: start, then what `try_adopt_task_instances` does, without its one SELECT."""
    executor.heartbeat()  # Airflow's own first one loads its metrics
    began = time.monotonic()
    executor.start()
    for number in range(run.tasks):
        adopted = _adopted(place.tag, number)
        executor.running.add(adopted.key)
        executor._newest[adopted.key] = adopted.launch_id or ""
        executor._adopted.append(adopted)
    turn(executor, LOADS[run.load], seen, lambda: _followed(executor) == run.tasks, PATIENCE)
    return {"all_followed_s": time.monotonic() - began, "followed": _followed(executor)}


def _adopted(tag: str, number: int) -> Adopted:
    return Adopted(
        key=TaskInstanceKey(tag, f"task_{number}", "run", 1, -1),
        launch_id=workloads.identifier(tag, number, "launch"),
        ti_id=workloads.identifier(tag, number, "ti"),
        dag_id=tag,
        task_id=f"task_{number}",
        run_id="run",
        try_number=1,
        map_index=-1,
        state="running",
    )


def _followed(executor: Any) -> int:
    machine = executor._supervisor._machine
    return sum(tracked.present for tracked in machine.tracker) if machine is not None else 0


def ask(kubeconfig: str, method: str, path: str) -> Any:
    """Of the server that only answers, beside the executor's own client."""
    server = urlsplit(read(kubeconfig)["clusters"][0]["cluster"]["server"])
    connection = HTTPConnection(str(server.hostname), server.port, timeout=PATIENCE)
    connection.request(method, path)
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return answer
