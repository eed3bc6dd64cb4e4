"""Relaunches and disruptions in Airflow's database: event log rows, and the try that a disruption does not cost.

All run in the rows thread, in the short session they are given. Rows of the event log are found by task instance and
try, and by the launch id at the end of their text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow.models.dagbag import DBDagBag
from airflow.models.log import Log
from airflow.models.taskinstance import TaskInstance as TI
from airflow.models.taskinstancekey import TaskInstanceKey
from airflow.utils.state import TaskInstanceState
from sqlalchemy import func, select, tuple_, update
from sqlalchemy.orm import Session

from executor.model import GivenBack, Launch

RELAUNCHED = "pod relaunched"
DISRUPTED = "pod disrupted"


def give_back(
    session: Session, launch: Launch, sentence: str, *, reported: bool, limit: int, job_id: int | None
) -> GivenBack:
    """Raise max_tries by one and write the row that counts it, in one transaction; once for a launch.

    limit: disruption_retries, -1 without end. A terminal event for a RUNNING row retries while try_number <= max_tries
    (Airflow `models/taskinstance.py`, `is_eligible_to_retry`), so the author's number of retries stays what it was.
    """
    if _written(session, DISRUPTED, launch):
        return GivenBack.GIVEN
    if 0 <= limit <= _count(session, DISRUPTED, launch):
        return GivenBack.SPENT
    if not _has_retries(session, launch):
        return GivenBack.NO_RETRIES
    if not _raise_max_tries(session, launch, reported=reported, job_id=job_id):
        return GivenBack.MOVED
    session.add(_entry(DISRUPTED, launch, f"{sentence} Its try is given back, no retry is spent."))
    return GivenBack.GIVEN


def note_relaunch(session: Session, launch: Launch, sentence: str) -> None:
    session.add(_entry(RELAUNCHED, launch, sentence))


def relaunches(session: Session, launches: Sequence[Launch]) -> dict[str, int]:
    """By launch id; a launch without any is missing."""
    keys = {(one.dag_id, one.task_id, one.run_id, one.map_index) for one in launches}
    where = tuple_(Log.dag_id, Log.task_id, Log.run_id, Log.map_index).in_(keys)
    texts = session.scalars(select(Log.extra).where(Log.event == RELAUNCHED, where)).all()
    counts = {one.id: sum(_mark(one) in (text or "") for text in texts) for one in launches}
    return {launch_id: count for launch_id, count in counts.items() if count}


def _mark(launch: Launch) -> str:
    return f"(launch {launch.id})"


def _entry(event: str, launch: Launch, sentence: str) -> Log:
    key = TaskInstanceKey(launch.dag_id, launch.task_id, launch.run_id, launch.try_number, launch.map_index)
    return Log(event=event, task_instance=key, extra=f"{sentence} {_mark(launch)}")


def _of(launch: Launch) -> tuple[Any, ...]:
    return (
        Log.dag_id == launch.dag_id,
        Log.task_id == launch.task_id,
        Log.run_id == launch.run_id,
        Log.map_index == launch.map_index,
    )


def _count(session: Session, event: str, launch: Launch) -> int:
    """Of all tries: a task that is disrupted on every try has one budget."""
    return session.scalar(select(func.count()).select_from(Log).where(Log.event == event, *_of(launch))) or 0


def _written(session: Session, event: str, launch: Launch) -> bool:
    found = select(Log.id).where(Log.event == event, *_of(launch), Log.extra.contains(_mark(launch), autoescape=True))
    return session.scalar(found.limit(1)) is not None


def lock(session: Session, *where: Any) -> None:
    """Lock these rows of task instances, or raise OperationalError at once where somebody else has: whoever waited
    would hold up the rows of all other tasks. SQLite knows no such locks."""
    session.execute(select(TI.id).where(*where).with_for_update(nowait=True))


def _has_retries(session: Session, launch: Launch) -> bool:
    """retries = 0 is never retried, whatever max_tries is."""
    ti = session.scalar(select(TI).where(*_same_task(launch)))
    if ti is None:
        return False
    dag = DBDagBag(load_op_links=False).get_dag_for_run(dag_run=ti.dag_run, session=session)
    return dag is not None and dag.has_task(launch.task_id) and bool(dag.get_task(launch.task_id).retries)


def _same_task(launch: Launch) -> tuple[Any, ...]:
    return (
        TI.dag_id == launch.dag_id,
        TI.task_id == launch.task_id,
        TI.run_id == launch.run_id,
        TI.map_index == launch.map_index,
        TI.try_number == launch.try_number,
    )


def _raise_max_tries(session: Session, launch: Launch, *, reported: bool, job_id: int | None) -> bool:
    """Only if the row still is as it was seen."""
    still: tuple[Any, ...] = (TI.state == TaskInstanceState.UP_FOR_RETRY,)
    if not reported:
        mine = (TI.external_executor_id == launch.named, TI.queued_by_job_id == job_id)
        still = (TI.state == TaskInstanceState.RUNNING, *mine)
    lock(session, *_same_task(launch), *still)
    statement = update(TI).where(*_same_task(launch), *still).values(max_tries=TI.max_tries + 1)
    result = session.execute(statement.execution_options(synchronize_session=False))
    return bool(getattr(result, "rowcount", 0))
