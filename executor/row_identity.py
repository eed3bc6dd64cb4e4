"""Writes a launch id into a task instance's row, on the session of the transaction that queues it.

Needed where Airflow assigned none, or kept the one of an earlier launch: with several executors configured its
assignment goes by alias and module path, while its routing also accepts the class name
(`jobs/scheduler_job_runner.py`, `_executable_task_instances_to_queued`).
"""

from __future__ import annotations

from airflow.executors.workloads import ExecuteTask
from airflow.models.taskinstance import TaskInstance as TI
from sqlalchemy import update
from sqlalchemy.orm import Session


def give_launch_id(session: Session, workload: ExecuteTask, launch_id: str) -> None:
    """One UPDATE of one row; the workload carries the id from now on."""
    statement = update(TI).where(TI.id == workload.ti.id).values(external_executor_id=launch_id)
    session.execute(statement.execution_options(synchronize_session=False))
    workload.ti.external_executor_id = launch_id
