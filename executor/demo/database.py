"""What Airflow's own tables say, read by SQL: rows as frozen values, newest data, nothing cached, nothing written.

Short connections, because SQLite has one lock for everybody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

_TASK_COLUMNS = (
    "dag_id, task_id, run_id, map_index, state, try_number, max_tries, external_executor_id, hostname, "
    "queued_by_job_id, queued_dttm, start_date, end_date, executor, queue"
)


@dataclass(frozen=True, slots=True)
class TaskRow:
    """A row of `task_instance`, or of `task_instance_history` for a try that is over."""

    id: str
    dag_id: str
    task_id: str
    run_id: str
    map_index: int
    state: str | None
    try_number: int
    max_tries: int
    external_executor_id: str | None
    hostname: str | None
    queued_by_job_id: int | None
    queued_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    executor: str | None
    queue: str | None

    @property
    def key(self) -> tuple[str, str, str, int, int]:
        """The try of a task: dag, task, run, map index, try number."""
        return (self.dag_id, self.task_id, self.run_id, self.map_index, self.try_number)


@dataclass(frozen=True, slots=True)
class EventLog:
    """A row of `log`: what the Audit Log tab shows."""

    id: int
    event: str
    dag_id: str | None
    task_id: str | None
    run_id: str | None
    map_index: int | None
    try_number: int | None
    extra: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class JobRow:
    """A row of `job`: one life of a scheduler, triggerer or DAG processor."""

    id: int
    job_type: str
    state: str | None
    latest_heartbeat: datetime | None


class AirflowDatabase:
    """Reads one Airflow's metadata database."""

    def __init__(self, url: str) -> None:
        self._engine = create_engine(url, poolclass=NullPool)

    def task_instances(self, **equal: Any) -> list[TaskRow]:
        """Return the tasks whose columns have these values, in the order of their ids (time of creation)."""
        rows = self._read(f"SELECT CAST(id AS VARCHAR(36)) AS ti_id, {_TASK_COLUMNS} FROM task_instance", equal, "id")
        return [_task_row(row) for row in rows]

    def task_instance(self, **equal: Any) -> TaskRow:
        """Return the only such task.

        Raises:
            LookupError: there is none, or more than one.
        """
        rows = self.task_instances(**equal)
        if len(rows) != 1:
            raise LookupError(f"{len(rows)} task instances with {equal}, expected one")
        return rows[0]

    def history(self, **equal: Any) -> list[TaskRow]:
        """Return the tries that are over, oldest first (`task_instance_history`)."""
        select = f"SELECT CAST(task_instance_id AS VARCHAR(36)) AS ti_id, {_TASK_COLUMNS} FROM task_instance_history"
        return [_task_row(row) for row in self._read(select, equal, "try_number")]

    def event_logs(self, **equal: Any) -> list[EventLog]:
        """Return rows of the event log, oldest first."""
        select = "SELECT id, event, dag_id, task_id, run_id, map_index, try_number, extra, dttm FROM log"
        rows = self._read(select, equal, "id")
        return [EventLog(at=_time(row.pop("dttm")), **{**row, "extra": row["extra"] or ""}) for row in rows]

    def jobs(self, **equal: Any) -> list[JobRow]:
        """Return schedulers, triggerers and DAG processors, dead ones too, oldest first."""
        rows = self._read("SELECT id, job_type, state, latest_heartbeat FROM job", equal, "id")
        return [JobRow(**{**row, "latest_heartbeat": _time(row["latest_heartbeat"])}) for row in rows]

    def run_state(self, dag_id: str, run_id: str) -> str | None:
        """Return the state of a DAG run, None if there is no such run."""
        rows = self._read("SELECT state FROM dag_run", {"dag_id": dag_id, "run_id": run_id}, "id")
        return rows[0]["state"] if rows else None

    def parsed_dags(self) -> set[str]:
        """Return the ids of the DAGs that can be run: those with a serialised version."""
        return {row["dag_id"] for row in self._read("SELECT DISTINCT dag_id FROM serialized_dag", {}, "dag_id")}

    def import_errors(self) -> dict[str, str]:
        """Return file name -> stack trace of the DAG files that do not parse."""
        rows = self._read("SELECT filename, stacktrace FROM import_error", {}, "id")
        return {row["filename"]: row["stacktrace"] for row in rows}

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """Open a connection for a statement of the caller's own; commits at the end."""
        with self._engine.begin() as connection:
            yield connection

    def _read(self, select: str, equal: Mapping[str, Any], order: str) -> list[dict[str, Any]]:
        where = " AND ".join(f"{column} = :{column}" for column in equal)
        statement = f"{select}{' WHERE ' + where if where else ''} ORDER BY {order}"
        with self.connect() as connection:
            return [dict(row) for row in connection.execute(text(statement), dict(equal)).mappings()]


def _task_row(row: dict[str, Any]) -> TaskRow:
    return TaskRow(
        id=row.pop("ti_id").replace("-", ""),
        queued_at=_time(row.pop("queued_dttm")),
        started_at=_time(row.pop("start_date")),
        ended_at=_time(row.pop("end_date")),
        **row,
    )


def _time(value: str | datetime | None) -> datetime | None:
    """SQLite hands out text, in UTC without saying so."""
    parsed = datetime.fromisoformat(value) if isinstance(value, str) else value
    return parsed.replace(tzinfo=UTC) if parsed and parsed.tzinfo is None else parsed
