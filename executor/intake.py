"""Airflow's workloads become launches: plain values, without the token."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import uuid4

from airflow.executors.workloads import ExecuteCallback, ExecuteTask
from airflow.models.callback import CallbackKey

from executor.control.ports import IntakeError
from executor.manifest.executor_config import without_models
from executor.model import Kind, Launch


def intake(workload: object) -> Launch:
    """The launch of an ExecuteTask or ExecuteCallback. Raises IntakeError for anything else."""
    if isinstance(workload, ExecuteTask):
        return _task(workload)
    if isinstance(workload, ExecuteCallback):
        return _callback(workload)
    key = getattr(workload, "key", None)
    raise IntakeError(f"Workloads of type {type(workload).__name__} cannot run in a pod.", key=key)


def _task(workload: ExecuteTask) -> Launch:
    ti = workload.ti
    return Launch(
        id=ti.external_executor_id or str(uuid4()),
        kind=Kind.TASK,
        key=workload.key,
        ti_id=str(ti.id),
        dag_id=ti.dag_id,
        task_id=ti.task_id,
        run_id=ti.run_id,
        try_number=ti.try_number,
        map_index=ti.map_index if ti.map_index is not None else -1,
        queue=ti.queue,
        priority=ti.priority_weight,
        executor_config=without_models(ti.executor_config or {}),
        workload=_without_token(workload),
        log_path=workload.log_path,
    )


def _callback(workload: ExecuteCallback) -> Launch:
    """Callbacks belong to a run; what they are called stands where a task's id does."""
    _, dag_id, run_id, *_ = [*(workload.log_path or "").split("/"), "", "", ""]
    return Launch(
        id=workload.callback.id,
        kind=Kind.CALLBACK,
        key=workload.key,
        ti_id=workload.callback.id,
        dag_id=dag_id,
        task_id=f"callback-{workload.display_name}",
        run_id=run_id,
        try_number=1,
        map_index=-1,
        priority=1_000_000,
        workload=_without_token(workload),
        log_path=workload.log_path,
    )


def _without_token(workload: Any) -> bytes:
    """The workload as its pod gets it; the token is put in when the pod is posted."""
    text: str = workload.model_dump_json(exclude={"token"})
    return text.encode()


def callback_launch(launch: Launch) -> Launch:
    """The launch of a callback that was found by its pod, with the key the scheduler knows it by."""
    return replace(launch, key=CallbackKey(id=launch.id))


__all__ = ["callback_launch", "intake"]
