"""The soak's rows, in Airflow's own tables: put in at the start, read at the end, by SQL.

The database is a copy of one that `tests.soak.seed` prepared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from tests.soak.kinds import Kind
from tests.soak.seed import DAG, RUN

_INSERT = text(
    "INSERT INTO task_instance (id, dag_id, run_id, task_id, map_index, state, try_number, max_tries, pool, pool_slots,"
    " queue, priority_weight, operator, dag_version_id, span_status) "
    "SELECT CAST(:id AS uuid), :dag, :run, :task, :number, NULL, 0, :retries, 'default_pool', 1, 'default', 1,"
    " 'BaseOperator', created_dag_version_id, 'not_started' FROM dag_run WHERE dag_id = :dag AND run_id = :run"
)
FINAL = ("success", "failed")


@dataclass(frozen=True, slots=True)
class TaskEnd:
    """How a task's row stands: kind is its task id, number its map index."""

    kind: str
    number: int
    state: str | None
    try_number: int
    max_tries: int


class SoakRows:
    """One database."""

    def __init__(self, url: str) -> None:
        self._engine = create_engine(url, poolclass=NullPool)

    def insert(self, kinds: Sequence[Kind]) -> None:
        """A task for each of these kinds, to be scheduled in this order."""
        values = [
            {"id": str(uuid4()), "dag": DAG, "run": RUN, "task": kind.name, "number": number, "retries": kind.retries}
            for number, kind in enumerate(kinds)
        ]
        with self._engine.begin() as connection:
            connection.execute(_INSERT, values)

    def states(self) -> Counter[str]:
        with self._engine.connect() as connection:
            found = connection.execute(text("SELECT state, count(*) FROM task_instance GROUP BY state"))
            return Counter({str(state): count for state, count in found})

    def ends(self) -> list[TaskEnd]:
        wanted = "SELECT task_id, map_index, state, try_number, max_tries FROM task_instance ORDER BY map_index"
        with self._engine.connect() as connection:
            return [TaskEnd(*row) for row in connection.execute(text(wanted))]
