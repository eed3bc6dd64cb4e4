"""The values that cross modules: a launch, the row it belongs to, what the scheduler is told.

Everything here is frozen. The only mutable state of the executor lives in `control.tracker`.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class Kind(Enum):
    """What a launch runs."""

    TASK = "task"
    CALLBACK = "callback"


@dataclass(frozen=True, slots=True)
class Launch:
    """One handing of a workload to this executor.

    id: the launch id (`external_executor_id` of the row; the callback's id for callbacks); key: the scheduler's own
    key, opaque here; workload: the workload's JSON without its token; log_path: relative to the base log folder;
    priority: Airflow's priority weight, higher goes first.
    """

    id: str
    kind: Kind
    key: Hashable
    ti_id: str
    dag_id: str
    task_id: str
    run_id: str
    try_number: int
    map_index: int
    queue: str | None = None
    priority: int = 0
    executor_config: Mapping[str, Any] = field(default_factory=dict, repr=False)
    workload: bytes = field(default=b"", repr=False)
    log_path: str | None = None
    row_name: str | None = None  # what the row calls this launch, where that is not its id: another executor's name

    @property
    def named(self) -> str:
        """`external_executor_id` of the row while it is this launch's."""
        return self.row_name or self.id

    def __str__(self) -> str:
        mapped = f"[{self.map_index}]" if self.map_index >= 0 else ""
        return f"{self.dag_id}.{self.task_id}{mapped} run {self.run_id} try {self.try_number}"


@dataclass(frozen=True, slots=True)
class Row:
    """The task instance's (or callback's) row, as last read."""

    ti_id: str
    state: str | None
    try_number: int = 0
    external_executor_id: str | None = None
    queued_by_job_id: int | None = None
    hostname: str | None = None


@dataclass(frozen=True, slots=True)
class Adopted:
    """A row of a dead scheduler that this one takes over."""

    key: Hashable
    launch_id: str | None
    ti_id: str
    dag_id: str
    task_id: str
    run_id: str
    try_number: int
    map_index: int
    state: str
    queue: str | None = None
    row_name: str | None = None  # set for a launch of Airflow's own Kubernetes executor: what the row holds


class GivenBack(Enum):
    """What became of a try that a disruption took."""

    GIVEN = "its try is given back"
    SPENT = "its disruption_retries are spent"
    NO_RETRIES = "the task has no retries"
    MOVED = "its row moved on"


SCHEDULED = "scheduled"
QUEUED = "queued"
RUNNING = "running"
RESTARTING = "restarting"
UP_FOR_RETRY = "up_for_retry"
FAILED = "failed"
LIVE_STATES = frozenset({QUEUED, RUNNING, RESTARTING})


class Outcome(Enum):
    """What the scheduler is told about a launch."""

    FAILED = "failed"
    SUCCESS = "success"
    STARTED = "running"  # callbacks only: a task never gets a RUNNING event


@dataclass(frozen=True, slots=True)
class Event:
    """For the scheduler's event buffer."""

    key: Hashable
    launch_id: str
    outcome: Outcome
    info: str


@dataclass(frozen=True, slots=True)
class Settled:
    """This launch needs nothing more; its slot is free."""

    key: Hashable
    launch_id: str


@dataclass(frozen=True, slots=True)
class LogEntry:
    """A line for Airflow's event log, about one task instance."""

    key: Hashable
    event: str
    extra: str


Message = Event | Settled | LogEntry
