"""What the scheduler hands an executor for one task."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4


def task_workload(
    dag_id: str, task_id: str, executor_config: Mapping[str, Any] | None = None, log_path: str | None = None
) -> Any:
    """An `ExecuteTask` of run "run", try 1, with ids of its own."""
    from airflow.executors.workloads import ExecuteTask
    from airflow.executors.workloads.base import BundleInfo
    from airflow.executors.workloads.task import TaskInstanceDTO

    ti = TaskInstanceDTO(
        id=uuid4(),
        task_id=task_id,
        dag_id=dag_id,
        run_id="run",
        try_number=1,
        map_index=-1,
        dag_version_id=uuid4(),
        queue="default",
        pool_slots=1,
        priority_weight=1,
        external_executor_id=str(uuid4()),
        executor_config=executor_config,
    )
    bundle = BundleInfo(name="dags")
    return ExecuteTask(ti=ti, token="", dag_rel_path=Path("d.py"), bundle_info=bundle, log_path=log_path)
