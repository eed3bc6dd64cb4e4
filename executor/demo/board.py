"""Every launch of the demo, put together from two sources: Airflow's rows and our own pod watch.

A launch is never forgotten: the row of a task names its newest launch only, so the board remembers what it saw.
No I/O here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from executor.demo.database import TaskRow
from executor.demo.pods import SeenPod


@dataclass(frozen=True, slots=True)
class LaunchLine:
    """One launch and its pods, as far as they are known."""

    launch: str
    dag_id: str
    task_id: str
    map_index: int
    try_number: int
    state: str | None = None
    queued_at: datetime | None = None
    pods: tuple[SeenPod, ...] = ()

    @property
    def task(self) -> tuple[str, str, int]:
        """Dag, task, map index."""
        return (self.dag_id, self.task_id, self.map_index)

    @property
    def title(self) -> str:
        """Its task, for people."""
        mapped = f"[{self.map_index}]" if self.map_index >= 0 else ""
        return f"{self.dag_id.removeprefix('demo_')}.{self.task_id}{mapped}"

    @property
    def stage(self) -> str:
        """How far its pod is: queued, launched, running, finished, deleted."""
        if not self.pods:
            return "queued"
        pod = self.pods[-1]
        stages = (("deleted", pod.deleted_at), ("finished", pod.finished_at), ("running", pod.running_at))
        return next((name for name, at in stages if at), "launched")


class Board:
    """All launches seen so far."""

    def __init__(self) -> None:
        self._lines: dict[str, LaunchLine] = {}

    @property
    def lines(self) -> list[LaunchLine]:
        """The launches, in the order in which they were first seen."""
        return list(self._lines.values())

    def update(self, rows: Iterable[TaskRow], pods: Iterable[SeenPod]) -> list[LaunchLine]:
        """Take in what both sources say now; return the launches whose stage or state changed."""
        before = {line.launch: (line.stage, line.state) for line in self.lines}
        for row in rows:
            self._take_row(row)
        for launch, group in _by_launch(pods).items():
            line = self._lines.get(launch) or _line_of_pod(group[0])
            self._lines[launch] = replace(line, pods=tuple(group))
        return [line for line in self.lines if before.get(line.launch) != (line.stage, line.state)]

    def _take_row(self, row: TaskRow) -> None:
        launch = row.external_executor_id
        # While a task waits for its next launch, its row still names the last one.
        if launch is None or row.state in (None, "scheduled"):
            return
        blank = LaunchLine(launch, row.dag_id, row.task_id, row.map_index, row.try_number)
        line = self._lines.get(launch, blank)
        self._lines[launch] = replace(line, state=row.state, queued_at=line.queued_at or row.queued_at)


def _by_launch(pods: Iterable[SeenPod]) -> dict[str, list[SeenPod]]:
    groups: dict[str, list[SeenPod]] = {}
    for pod in pods:
        if pod.launch:
            groups.setdefault(pod.launch, []).append(pod)
    return groups


def _line_of_pod(pod: SeenPod) -> LaunchLine:
    """A pod whose launch no row has shown yet: its annotations hold the same key."""
    of = pod.annotations
    return LaunchLine(
        launch=pod.launch,
        dag_id=of.get("dag_id", "?"),
        task_id=of.get("task_id", "?"),
        map_index=int(of.get("map_index", -1)),
        try_number=int(of.get("try_number", 0)),
    )
