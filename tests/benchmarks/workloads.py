"""Tasks to launch, as the scheduler hands them over: each with a V1Pod that overrides resources."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5


def identifier(tag: str, number: int, kind: str) -> str:
    """The same in every process, so that a later one can take over the pods of an earlier one."""
    return str(uuid5(NAMESPACE_URL, f"{tag}/{number}/{kind}"))


def make(tag: str, number: int) -> Any:
    """An ExecuteTask. The tag is its dag's id, and tells apart the runs against one API server."""
    from airflow.executors.workloads import ExecuteTask
    from airflow.executors.workloads.base import BundleInfo
    from airflow.executors.workloads.task import TaskInstanceDTO
    from kubernetes.client import models as k8s

    resources = k8s.V1ResourceRequirements(requests={"cpu": 0.5, "memory": "1024Mi"}, limits={"memory": "1024Mi"})
    override = k8s.V1Pod(spec=k8s.V1PodSpec(containers=[k8s.V1Container(name="base", resources=resources)]))
    ti = TaskInstanceDTO(
        id=UUID(identifier(tag, number, "ti")),
        task_id=f"task_{number}",
        dag_id=tag,
        run_id="run",
        try_number=1,
        map_index=-1,
        dag_version_id=UUID(identifier(tag, number, "version")),
        queue="default",
        pool_slots=1,
        priority_weight=1,
        external_executor_id=identifier(tag, number, "launch"),
        executor_config={"pod_override": override},
    )
    bundle = BundleInfo(name="dags")
    return ExecuteTask(ti=ti, token="", dag_rel_path=Path("d.py"), bundle_info=bundle, log_path=None)
