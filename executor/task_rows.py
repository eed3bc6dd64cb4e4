"""The rows thread: reads and conditional updates of task instances, in short sessions of its own.

One thread, so that the loop never waits for the database and the scheduler's session is never touched. Columns only,
no ORM objects, at most 500 rows a query, no lock is held between calls or waited for. A failing database is RowsDown,
and so is a row that somebody else has locked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID

from airflow.executors.workloads import ExecuteTask
from airflow.models.callback import Callback, CallbackType
from airflow.models.taskinstance import TaskInstance as TI
from airflow.utils.session import create_session
from airflow.utils.state import CallbackState, TaskInstanceState
from sqlalchemy import select, tuple_, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from executor.airflow_compat import utcnow
from executor.control.ports import RowsDown
from executor.model import Adopted, GivenBack, Kind, Launch, Row
from executor.row_budgets import give_back, lock, note_relaunch, relaunches

T = TypeVar("T")
RENAMED_STATES = (TaskInstanceState.RESTARTING, TaskInstanceState.UP_FOR_RETRY)
LIVE_CALLBACKS = (CallbackState.QUEUED, CallbackState.RUNNING)


class TaskRows:
    """Implements control.ports.RowsPort. job_id: the scheduler job whose rows these are; disruption_retries: how many
    tries of a task disruptions may take without a retry being spent, -1 without end."""

    def __init__(self, job_id: int | None, disruption_retries: int = 3) -> None:
        self._job_id = job_id
        self._disruption_retries = disruption_retries
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="airflow-pod-rows")

    async def read(self, launches: Sequence[Launch]) -> Mapping[str, Row]:
        return await self._run(lambda session: _read(session, launches))

    async def keep_fresh(self, launches: Sequence[Launch]) -> int:
        return await self._run(lambda session: _keep_fresh(session, launches, self._job_id))

    async def rebuild(self, adopted: Sequence[Adopted]) -> Mapping[str, object]:
        return await self._run(lambda session: _rebuild(session, adopted, self._job_id))

    async def give_back(self, launch: Launch, sentence: str, *, reported: bool) -> GivenBack:
        limit, job_id = self._disruption_retries, self._job_id
        return await self._run(
            lambda session: give_back(session, launch, sentence, reported=reported, limit=limit, job_id=job_id)
        )

    async def note_relaunch(self, launch: Launch, sentence: str) -> None:
        await self._run(lambda session: note_relaunch(session, launch, sentence))

    async def relaunches(self, launches: Sequence[Launch]) -> Mapping[str, int]:
        return await self._run(lambda session: relaunches(session, launches))

    async def stale_callbacks(self, older_than: float) -> Sequence[str]:
        return await self._run(lambda session: _stale_callbacks(session, older_than))

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: Callable[[Session], T]) -> T:
        def call() -> T:
            with _rows_session() as session:
                return work(session)

        return await asyncio.get_running_loop().run_in_executor(self._thread, call)


@contextmanager
def _rows_session() -> Iterator[Session]:
    """A session of this thread; what the database does wrong is RowsDown."""
    try:
        with create_session(scoped=False) as session:
            yield session
    except (SQLAlchemyError, OSError) as error:
        raise RowsDown(f"{type(error).__name__}: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    """SQLAlchemy's messages go on with the statement and its parameters."""
    return str(error).splitlines()[0][:300] if str(error) else ""


def _read(session: Session, launches: Sequence[Launch]) -> dict[str, Row]:
    tasks = [one for one in launches if one.kind is Kind.TASK and _is_uuid(one.ti_id)]
    found = _read_tasks(session, tasks) if tasks else {}
    callbacks = [one for one in launches if one.kind is Kind.CALLBACK and _is_uuid(one.id)]
    return found | (_read_callbacks(session, callbacks) if callbacks else {})


def _is_uuid(text: str) -> bool:
    """An id read off a label that somebody changed is no row's."""
    try:
        return bool(UUID(text))
    except ValueError:
        return False


def _read_tasks(session: Session, tasks: Sequence[Launch]) -> dict[str, Row]:
    """By id; a task instance may have two launches in flight, and both get the row."""
    ids = {UUID(one.ti_id) for one in tasks}
    rows = {row.ti_id: row for row in map(_row, session.execute(_columns().where(TI.id.in_(ids))))}
    found = {one.id: rows[one.ti_id] for one in tasks if one.ti_id in rows}
    missing = [one for one in tasks if one.id not in found]
    return found | _read_renamed(session, missing) if missing else found


def _read_renamed(session: Session, missing: Sequence[Launch]) -> dict[str, Row]:
    """A task that is cleared while it runs, or that ended a try which will be retried, gets a new id at once and keeps
    its launch's (Airflow `models/taskinstance.py`, `prepare_db_for_next_try`). The key finds it, by a unique index."""
    keys = [(one.dag_id, one.task_id, one.run_id, one.map_index) for one in missing]
    key = tuple_(TI.dag_id, TI.task_id, TI.run_id, TI.map_index)
    wanted = _columns().where(key.in_(keys), TI.state.in_(RENAMED_STATES))
    return {row.external_executor_id: row for row in map(_row, session.execute(wanted)) if row.external_executor_id}


def _columns() -> Any:
    return select(TI.id, TI.state, TI.try_number, TI.external_executor_id, TI.queued_by_job_id, TI.hostname)


def _row(found: Any) -> Row:
    return Row(
        ti_id=str(found.id),
        state=None if found.state is None else str(found.state),
        try_number=found.try_number,
        external_executor_id=found.external_executor_id,
        queued_by_job_id=found.queued_by_job_id,
        hostname=found.hostname,
    )


def _read_callbacks(session: Session, callbacks: Sequence[Launch]) -> dict[str, Row]:
    wanted = select(Callback.id, Callback.state).where(Callback.id.in_([UUID(one.id) for one in callbacks]))
    return {str(found.id): Row(str(found.id), found.state) for found in session.execute(wanted)}


def _keep_fresh(session: Session, launches: Sequence[Launch], job_id: int | None) -> int:
    """queued_dttm := now, only where the row still waits for this very launch; a locked one has its turn later."""
    mine = (
        TI.id.in_([UUID(one.ti_id) for one in launches]),
        TI.external_executor_id.in_([one.named for one in launches]),
        TI.state == TaskInstanceState.QUEUED,
        TI.queued_by_job_id == job_id,
    )
    free = session.scalars(select(TI.id).where(*mine).with_for_update(skip_locked=True)).all()
    statement = update(TI).where(TI.id.in_(free)).values(queued_dttm=utcnow())
    return int(getattr(session.execute(statement.execution_options(synchronize_session=False)), "rowcount", 0))


def _rebuild(session: Session, adopted: Sequence[Adopted], job_id: int | None) -> dict[str, object]:
    """Workloads made as the scheduler makes them; the token is minted later, at POST."""
    wanted = {UUID(one.ti_id): one for one in adopted}
    rows = session.scalars(
        select(TI).where(TI.id.in_(wanted), TI.state == TaskInstanceState.QUEUED, TI.queued_by_job_id == job_id)
    )
    made: dict[str, object] = {}
    for ti in rows:
        one = wanted[ti.id]
        if one.launch_id is not None and _claimed(session, ti, one):
            made[one.launch_id] = ExecuteTask.make(ti)
    return made


def _claimed(session: Session, ti: TI, one: Adopted) -> bool:
    """The row is this launch's; one of another executor is given our launch id first, if it still is as it was."""
    if one.row_name is None:
        return ti.external_executor_id == one.launch_id
    mine = (TI.id == ti.id, TI.state == TaskInstanceState.QUEUED, TI.external_executor_id == one.row_name)
    lock(session, *mine)
    statement = update(TI).where(*mine).values(external_executor_id=one.launch_id)
    claimed = session.execute(statement.execution_options(synchronize_session=False))
    session.refresh(ti)
    return bool(getattr(claimed, "rowcount", 0))


def _stale_callbacks(session: Session, older_than: float) -> list[str]:
    oldest = utcnow() - timedelta(seconds=older_than)
    wanted = select(Callback.id).where(
        Callback.type == CallbackType.EXECUTOR,
        Callback.state.in_(LIVE_CALLBACKS),
        Callback.created_at < oldest,
    )
    return [str(one) for one in session.scalars(wanted)]


__all__ = ["TaskRows"]
