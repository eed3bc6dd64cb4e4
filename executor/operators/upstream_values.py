"""What other tasks gave, as templates and mapped arguments see it, by the few questions a triggerer answers.

In a triggerer `ti.xcom_pull(task_ids=...)` without map indexes asks for a slice, which Airflow 3.3's triggerer does not
know, and waits for ever (`jobs/triggerer_job_runner.py`, `ToTriggerSupervisor`). Here the upstream's instances are
looked up, and each value is asked for by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from airflow.sdk.definitions._internal.types import NOTSET
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import GetTaskStates

RETURN: Final = "return_value"


class Upstream:
    """The XComs of one run. Blocking calls; within a trigger they give way to the loop (greenback)."""

    def __init__(self, ti: Any, indexes: Callable[[str, str, str], list[int] | None] | None = None) -> None:
        self._ti = ti
        self._indexes = indexes or _indexes

    def pull(self, task_id: str, key: str = RETURN, **where: Any) -> Any:
        """One value of a task that is not mapped, a list of all values of one that is."""
        dag_id, run_id = where.get("dag_id") or self._ti.dag_id, where.get("run_id") or self._ti.run_id
        indexes = self._indexes(dag_id, task_id, run_id)
        if indexes is None:
            return self._one(task_id, key, None, **where)
        values = (self._one(task_id, key, index, **where) for index in indexes)
        return [value for value in values if value is not None]

    def _one(self, task_id: str, key: str, map_index: int | None, **where: Any) -> Any:
        return self._ti.xcom_pull(task_ids=task_id, key=key, map_indexes=map_index, **where)


def _indexes(dag_id: str, task_id: str, run_id: str) -> list[int] | None:
    """The map indexes of a task in a run; None where it is not mapped.

    The answer has `task` for a task, `task_3` for an instance of a mapped one (Airflow execution API, `states`).
    """
    asked = GetTaskStates(dag_id=dag_id, task_ids=[task_id], run_ids=[run_id])
    answer: Any = task_runner.SUPERVISOR_COMMS.send(asked)
    names = [str(name).removeprefix(f"{task_id}_") for name in answer.task_states.get(run_id) or {} if name != task_id]
    return sorted(int(name) for name in names if name.isdigit()) if names else None


class TemplateInstance:
    """The `ti` of templates: the real one, but that its `xcom_pull` asks only what a triggerer answers."""

    def __init__(self, ti: Any) -> None:
        self._ti = ti
        self._upstream = Upstream(ti)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ti, name)

    def xcom_pull(
        self,
        task_ids: str | Iterable[str] | None = None,
        dag_id: str | None = None,
        key: str = RETURN,
        include_prior_dates: bool = False,
        *,
        map_indexes: Any = NOTSET,
        default: Any = None,
        run_id: str | None = None,
    ) -> Any:
        """As RuntimeTaskInstance.xcom_pull (Airflow `sdk/execution_time/task_runner.py`)."""
        where = {"dag_id": dag_id, "run_id": run_id, "include_prior_dates": include_prior_dates}
        if map_indexes is not NOTSET:
            return self._ti.xcom_pull(task_ids, key=key, map_indexes=map_indexes, default=default, **where)
        if task_ids is None or isinstance(task_ids, str):
            found = self._upstream.pull(task_ids or self._ti.task_id, key, **where)
            return default if found is None else found
        values: list[Any] = []
        for task_id in task_ids:
            found = self._upstream.pull(task_id, key, **where)
            values.extend(found if isinstance(found, list) else [found])
        return values
