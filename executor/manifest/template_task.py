"""The task at hand, as templates see it: `.Task` in a Go template, `task` in a Jinja2 one."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from executor.manifest.model import PodRequest


@dataclass(frozen=True, slots=True)
class TemplateTask:
    """`map_index` is -1 for a task that is not mapped; `queue` and `team` are "" where there is none."""

    dag_id: str
    task_id: str
    run_id: str
    map_index: int
    try_number: int
    queue: str = ""
    team: str = ""

    def as_map(self) -> dict[str, Any]:
        """Return the fields by name."""
        return {one.name: getattr(self, one.name) for one in fields(self)}


#: Stands in where a template is looked at without a task.
EXAMPLE_TASK = TemplateTask("example_dag", "example_task", "example_run", -1, 1, "default", "")


def task_of(request: PodRequest) -> TemplateTask:
    """Return what a template may know of the pod's task."""
    one = request.identity
    return TemplateTask(
        one.dag_id, one.task_id, one.run_id, one.map_index, one.try_number, request.queue or "", request.team or ""
    )
