"""Task instances of a dead scheduler, as plain values, with one query.

Airflow hands over rows with most columns deferred, inside the transaction that locks them: `ti.key` alone would be a
query each (`jobs/scheduler_job_runner.py`, `adopt_or_reset_orphaned_tasks`). So everything comes from one SELECT of
columns on the session the rows belong to.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

from airflow.models.taskinstance import TaskInstance as TI
from airflow.models.taskinstancekey import TaskInstanceKey
from airflow.utils.state import TaskInstanceState
from sqlalchemy import inspect, select
from sqlalchemy.orm import Session

from executor.airflow_compat import utcnow
from executor.model import Adopted


def adopted_from(tis: Sequence[TI]) -> tuple[list[Adopted], list[TI]]:
    """(what can be followed, what is handed back for reset: rows that no Kubernetes executor gave a name)."""
    mine = [ti for ti in tis if ti.external_executor_id]
    rest = [ti for ti in tis if not ti.external_executor_id]
    if not mine:
        return [], rest
    for ti in mine:
        if ti.state == TaskInstanceState.QUEUED:
            # The wait begins anew, else the stuck-in-queued timer takes it back before anything could be done.
            # Written by the UPDATE that makes the row this scheduler's; costs no query.
            ti.queued_dttm = utcnow()
    session: Session | None = inspect(mine[0]).session
    extra = _extra_columns(session, mine) if session is not None else {}
    return [_adopted(ti, extra.get(ti.id)) for ti in mine if ti.id in extra], rest


def is_launch_id(text: str | None) -> bool:
    """Launch ids are UUIDs; Airflow's own Kubernetes executor stores its scheduler's job id instead."""
    try:
        return text is not None and bool(UUID(text))
    except ValueError:
        return False


def _extra_columns(session: Session, tis: Sequence[TI]) -> dict[Any, Any]:
    wanted = select(TI.id, TI.try_number, TI.queue).where(TI.id.in_([ti.id for ti in tis]))
    return {row.id: row for row in session.execute(wanted)}


def _adopted(ti: TI, extra: Any) -> Adopted:
    ours = is_launch_id(ti.external_executor_id)
    return Adopted(
        key=TaskInstanceKey(ti.dag_id, ti.task_id, ti.run_id, extra.try_number, ti.map_index),
        launch_id=ti.external_executor_id if ours else str(uuid4()),
        ti_id=str(ti.id),
        dag_id=ti.dag_id,
        task_id=ti.task_id,
        run_id=ti.run_id,
        try_number=extra.try_number,
        map_index=ti.map_index,
        state=str(ti.state),
        queue=extra.queue,
        row_name=None if ours else ti.external_executor_id,
    )
