"""The day of the switch, in a process of its own: upstream's executor starts tasks, ours takes them over.

    python -m tests.cluster.switched TASKS FOLDER

Nothing of Airflow, of either executor or of the API is replaced. The scheduler's part is played here: rows, the id that
upstream's QUEUED event puts into them, adoption. The pods move their rows themselves (`WORKER`), as workers do through
the execution API, and end when a file `release` is in FOLDER. Prints one JSON object.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.workloads import task_workload

UPSTREAMS_JOB, OUR_JOB = 7, 8
PATIENCE = 180
HOLD_SECONDS = 6.0  # one look for upstream's pods comes in them (`control.machine`, SWITCHOVER_SECONDS)
WORKER = """
import json, os, sqlite3, sys, time
ti, folder = json.loads(sys.argv[-1])["ti"], os.environ["FOLDER"]

def report(state):
    with sqlite3.connect(os.environ["ROWS"], timeout=30) as rows:
        values = (state, os.uname().nodename, ti["id"].replace("-", ""))
        rows.execute("UPDATE task_instance SET state = ?, hostname = ? WHERE id = ?", values)

with open(folder + "/started", "a") as started:
    started.write(ti["task_id"] + "\\n")
report("running")
while not os.path.exists(folder + "/release"):
    time.sleep(0.1)
report("success")
"""


def start_with_upstream(workloads: Sequence[Any]) -> None:
    """Upstream's executor brings them to RUNNING, and ends."""
    from airflow.providers.cncf.kubernetes.executors.kubernetes_executor import KubernetesExecutor

    create: Any = KubernetesExecutor
    executor = create()
    executor.job_id = UPSTREAMS_JOB
    executor.start()
    try:
        for workload in workloads:
            executor.queue_workload(workload, session=None)
        _until("all tasks run", lambda: _beat_upstream(executor) or set(_states().values()) == {"running"})
    finally:
        executor.end()


def _beat_upstream(executor: Any) -> None:
    """A QUEUED event's text becomes the row's external_executor_id (Airflow `jobs/scheduler_job_runner.py`)."""
    executor.heartbeat()
    for key, (state, info) in executor.get_event_buffer().items():
        if state == "queued":
            _write("UPDATE task_instance SET external_executor_id = ? WHERE task_id = ?", (str(info), key.task_id))


def take_over(tasks: int, folder: Path) -> dict[str, Any]:
    """Our executor adopts them: slots while they run, slots and events when they have ended."""
    from executor import KubernetesExecutor

    executor = KubernetesExecutor()
    executor.job_id = OUR_JOB
    executor.start()
    events: dict[str, str] = {}

    def beat() -> int:
        executor.heartbeat()
        events.update({key.task_id: str(event[0]) for key, event in executor.get_event_buffer().items()})
        return len(executor.running)

    try:
        handed_back = _adopt(executor)
        beat()
        end = time.monotonic() + HOLD_SECONDS
        _until("a look at the pods", lambda: beat() != tasks or time.monotonic() > end)
        held = len(executor.running)
        (folder / "release").touch()
        _until("every slot is free", lambda: beat() == 0)
    finally:
        executor.end()
    return {"handed back": handed_back, "held": held, "events": events}


def _adopt(executor: Any) -> int:
    """As the scheduler offers orphans: what is not handed back becomes this job's, in one transaction."""
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from sqlalchemy import select
    from sqlalchemy.orm import lazyload

    with create_session() as session:
        orphans = list(session.scalars(select(TaskInstance).options(lazyload("*"))))
        rest = executor.try_adopt_task_instances(orphans)
        for ti in orphans:
            ti.queued_by_job_id = OUR_JOB
    return len(rest)


def _insert_rows(workloads: Sequence[Any]) -> None:
    columns = "id, task_id, dag_id, run_id, map_index, try_number, max_tries, pool, pool_slots, queue, state"
    for one in workloads:
        values = "?, ?, 'switched', 'run', -1, 1, 0, 'default_pool', 1, 'default', 'queued', ?"
        statement = f"INSERT INTO task_instance ({columns}, queued_by_job_id) VALUES ({values})"
        _write(statement, (one.ti.id.hex, one.ti.task_id, UPSTREAMS_JOB))


def _write(statement: str, values: Sequence[Any]) -> None:
    with closing(sqlite3.connect(os.environ["ROWS"], timeout=30)) as rows, rows:
        rows.execute(statement, tuple(values))


def _states() -> dict[str, str]:
    with closing(sqlite3.connect(os.environ["ROWS"], timeout=30)) as rows:
        return dict(rows.execute("SELECT task_id, state FROM task_instance"))


def _until(what: str, done: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not done():
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {PATIENCE} s; rows are {_states()}")
        time.sleep(0.05)


def main(tasks: str, folder: str) -> None:
    workloads = [task_workload("switched", f"task_{number}") for number in range(int(tasks))]
    _insert_rows(workloads)
    start_with_upstream(workloads)
    told = take_over(int(tasks), Path(folder))
    print(json.dumps({**told, "states": _states(), "started": (Path(folder) / "started").read_text().split()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
