"""Upstream's own executor and operator, driven as Airflow drives them, in a process of their own.

    python -m tests.contract.upstream KUBECONFIG NAMESPACE TASKS

Runs one pod by the operator in that namespace, then so many tasks by the executor that the environment configures.
Prints one JSON object. Nothing of Airflow or of the API is replaced; the rows that the executor reads are made here,
and moved by the pods (`WORKER`), as workers move them through the execution API.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import time
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

JOB = 7
PATIENCE = 240
FAILING = "task_0"
WORKER = f"""
import json, os, sqlite3, sys
ti = json.loads(sys.argv[-1])["ti"]

def report(state):
    with sqlite3.connect(os.environ["ROWS"], timeout=30) as rows:
        rows.execute("UPDATE task_instance SET state = ? WHERE id = ?", (state, ti["id"].replace("-", "")))

report("running")
if ti["task_id"] == "{FAILING}":
    sys.exit(3)
report("success")
"""


def drive_executor(tasks: int) -> dict[str, Any]:
    """Queue tasks and beat until every one has ended: the last event of each, and what is still held."""
    from airflow.providers.cncf.kubernetes.executors.kubernetes_executor import KubernetesExecutor

    workloads = [_workload(f"task_{number}") for number in range(tasks)]
    _insert_rows(workloads)
    create: Any = KubernetesExecutor
    executor = create()
    executor.job_id = JOB
    executor.start()
    try:
        for workload in workloads:
            executor.queue_workload(workload, session=None)
        events = _beat(executor, tasks)
    finally:
        executor.end()
    return {"events": events, "running": len(executor.running)}


def _workload(task: str) -> Any:
    from airflow.executors.workloads import ExecuteTask
    from airflow.executors.workloads.base import BundleInfo
    from airflow.executors.workloads.task import TaskInstanceDTO

    ti = TaskInstanceDTO(
        id=uuid4(),
        dag_version_id=uuid4(),
        dag_id="upstream",
        task_id=task,
        run_id="run",
        try_number=1,
        queue="default",
        pool_slots=1,
        priority_weight=1,
    )
    return ExecuteTask(ti=ti, token="", dag_rel_path=Path("d.py"), bundle_info=BundleInfo(name="dags"), log_path=None)


def _insert_rows(workloads: Iterable[Any]) -> None:
    """Rows as a scheduler leaves them when it hands their tasks to its executor."""
    columns = "id, task_id, dag_id, run_id, map_index, try_number, pool, pool_slots, state, queued_by_job_id"
    values = "?, ?, 'upstream', 'run', -1, 1, 'default_pool', 1, 'queued', ?"
    rows = [(one.ti.id.hex, one.ti.task_id, JOB) for one in workloads]
    with closing(sqlite3.connect(os.environ["ROWS"])) as database, database:
        database.executemany(f"INSERT INTO task_instance ({columns}) VALUES ({values})", rows)


def _beat(executor: Any, tasks: int) -> dict[str, str]:
    """The scheduler's loop, as far as its executor sees it."""
    events: dict[str, str] = {}
    end = time.monotonic() + PATIENCE
    while len([state for state in events.values() if state in ("success", "failed")]) < tasks:
        if time.monotonic() > end:
            raise TimeoutError(f"not all tasks ended within {PATIENCE} s: {events}")
        executor.heartbeat()
        for key, (state, _) in executor.get_event_buffer().items():
            events[key.task_id] = str(state)
        time.sleep(0.1)
    return events


def run_operator(kubeconfig: str, namespace: str) -> dict[str, Any]:
    """One pod of a KubernetesPodOperator, run as the task runner runs it: its value, and what it pushed itself."""
    from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
    from airflow.sdk.bases.operator import ExecutorSafeguard

    pushed: dict[str, Any] = {}
    operator = KubernetesPodOperator(
        task_id="report",
        kubernetes_conn_id=None,
        in_cluster=False,
        config_file=kubeconfig,
        namespace=namespace,
        image="report:1",
        env_vars={"WHO": "world"},
        startup_check_interval_seconds=1,
        do_xcom_push=True,
    )
    ti = SimpleNamespace(
        dag_id="upstream",
        task_id="report",
        run_id="run",
        map_index=-1,
        try_number=1,
        xcom_push=lambda key, value: pushed.update({key: value}),
    )
    ExecutorSafeguard.tracker.set(operator)
    context: Any = {"ti": ti, "run_id": "run", "dag": None, "map_index_template": None}
    return {"result": operator.execute(context), "pushed": pushed}


def main(kubeconfig: str, namespace: str, tasks: str) -> None:
    told = {"operator": run_operator(kubeconfig, namespace), "executor": drive_executor(int(tasks))}
    print(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
