"""Airflow's table of task instances for the state machine, and each scheduler's rows thread on it.

The rules are Airflow 3.3's: an id goes with a try and is new after one that ended RUNNING or was cleared, the launch id
stays until the next QUEUED; events find rows by key; locked rows are skipped by events and adoption. The rows thread
answers with what it saw when it was asked, and notes what it was that it had seen of each pod by then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from executor.control.ports import RowsDown
from executor.model import LIVE_STATES, Adopted, GivenBack, Kind, Launch, Outcome, Row
from tests.unit.control.database import Database, Ti

FINAL = frozenset({"success", "failed"})
WAKEABLE = frozenset({"deferred", "up_for_reschedule"})
NEXT_TRY = frozenset({None, "up_for_retry"})  # the scheduler counts the try up when it schedules these
SCHEDULABLE = NEXT_TRY | WAKEABLE | {"scheduled"}


@dataclass(slots=True)
class TaskRow(Ti):
    """A row; next_method: it was deferred and goes on where it was."""

    next_method: bool = False

    @property
    def id(self) -> str:
        return self.ti_id


@dataclass(frozen=True, slots=True)
class Workload:
    """Stands for an ExecuteTask: what the facade and the intake look at."""

    launch: Launch

    @property
    def key(self) -> Any:
        return self.launch.key

    @property
    def ti(self) -> Any:
        return _Dto(self.launch.id, self.launch.priority)


@dataclass(frozen=True, slots=True)
class _Dto:
    external_executor_id: str
    priority_weight: int


class Table(Database):
    """All rows, by their present id."""

    def insert(self, task_id: str, retries: int) -> None:
        row = TaskRow(task_id, self._new_id(), try_number=0, retries=retries, max_tries=retries)
        self.tis[row.ti_id] = row

    def row_of(self, task_id: str) -> TaskRow | None:
        return next((row for row in self.rows() if row.task_id == task_id), None)

    def rows(self) -> list[TaskRow]:
        return [row for row in self.tis.values() if isinstance(row, TaskRow)]

    def launch_of(self, launch_id: str) -> TaskRow | None:
        """The row that names this launch."""
        return next((row for row in self.rows() if row.external_executor_id == launch_id), None)

    def schedule(self, row: TaskRow) -> None:
        """Its dependencies are met, its trigger fired, its retry delay is over (`DagRun.schedule_tis`)."""
        row.next_method = row.state == "deferred"
        row.try_number += row.state in NEXT_TRY
        row.state = "scheduled"

    def hand_out(self, row: TaskRow, job: int) -> Workload:
        """QUEUED by this scheduler's job."""
        return Workload(self.queue(row, job))

    def give_new_id(self, row: TaskRow) -> None:
        """`TaskInstance.prepare_db_for_next_try`."""
        del self.tis[row.ti_id]
        row.ti_id = self._new_id()
        self.tis[row.ti_id] = row

    def fail(self, row: TaskRow) -> None:
        """`TaskInstance.handle_failure`, and what a worker's failure does."""
        again = row.state == "restarting" or (row.retries > 0 and row.try_number <= row.max_tries)
        if again and row.state == "running":
            self.give_new_id(row)
        row.state = "up_for_retry" if again else "failed"

    def clear(self, row: TaskRow) -> None:
        """A user clears it (`clear_task_instances`)."""
        running = row.state == "running"
        self.give_new_id(row)
        row.state = "restarting" if running else None
        if not running:
            row.external_executor_id, row.max_tries, row.next_method = None, row.try_number + row.retries, False

    def takes_event(self, row: TaskRow, outcome: Outcome, *, mine: bool) -> bool:
        """`SchedulerJobRunner.process_executor_events`, for a row of the event's try; True if it changed the row.

        mine: queued by the scheduler that has the event, whose executor has let go of the key.
        """
        resumed = row.state == "scheduled" and outcome is Outcome.SUCCESS and row.next_method
        if row.state not in (*LIVE_STATES, "scheduled") or not mine or resumed:
            return False
        if row.state == "restarting" and outcome is Outcome.SUCCESS:
            row.state, row.max_tries = None, row.try_number + row.retries
        else:
            self.fail(row)
        return True

    def _new_id(self) -> str:
        return str(UUID(int=next(self._numbers)))

    def _row(self, launch: Launch) -> Row | None:
        """By id, else by key among those that a clear or a retry has renamed (`TaskRows`)."""
        found = self.tis.get(launch.ti_id)
        if found is None:
            renamed = self.row_of(launch.task_id)
            mine = renamed is not None and renamed.external_executor_id == launch.id
            found = renamed if mine and renamed.state in ("restarting", "up_for_retry") else None
        return None if found is None else found.row()


@dataclass(frozen=True, slots=True)
class LastRead:
    """What the rows thread told about a launch, and what was known of its pod when it was asked."""

    row: Row | None
    asked_at: float
    pod: object


@dataclass(slots=True)
class Rows:
    """control.ports.RowsPort of one scheduler's job. known: what its executor knows of a launch's pod."""

    table: Table
    job: int
    known: Callable[[str], object] = lambda launch_id: None
    last: dict[str, LastRead] = field(default_factory=dict)

    async def read(self, launches: Sequence[Launch]) -> Mapping[str, Row]:
        now = asyncio.get_running_loop().time()
        pods = {one.id: self.known(one.id) for one in launches}
        found = await self.table.read(launches)
        for one in launches:
            self.last[one.id] = LastRead(found.get(one.id), now, pods[one.id])
        return found

    async def keep_fresh(self, launches: Sequence[Launch]) -> int:
        return await self.table.keep_fresh(launches)

    async def rebuild(self, adopted: Sequence[Adopted]) -> Mapping[str, object]:
        self._refuse_if_down()
        await asyncio.sleep(self.table.latency)
        mine = ("queued", self.job)
        rows = {one.launch_id: self.table.launch_of(one.launch_id or "") for one in adopted}
        return {
            str(launch_id): Workload(row.launch())
            for launch_id, row in rows.items()
            if row is not None and (row.state, row.queued_by_job_id) == mine
        }

    async def give_back(self, launch: Launch, sentence: str, *, reported: bool) -> GivenBack:
        self._refuse_if_down()
        row = self.table.row_of(launch.task_id)
        if launch.id in self.table.given_back:
            return GivenBack.GIVEN
        if row is None or not row.retries:
            return GivenBack.NO_RETRIES
        mine = (row.external_executor_id, row.queued_by_job_id) == (launch.id, self.job)
        still = row.state == "up_for_retry" if reported else row.state == "running" and mine
        if row.try_number != launch.try_number or not still:
            return GivenBack.MOVED
        row.max_tries += 1
        self.table.given_back.append(launch.id)
        return GivenBack.GIVEN

    async def note_relaunch(self, launch: Launch, sentence: str) -> None:
        await self.table.note_relaunch(launch, sentence)

    async def relaunches(self, launches: Sequence[Launch]) -> Mapping[str, int]:
        return await self.table.relaunches(launches)

    async def stale_callbacks(self, older_than: float) -> Sequence[str]:
        return []

    def _refuse_if_down(self) -> None:
        if self.table.down:
            raise RowsDown("the database is away")


def intake(workload: object) -> Launch:
    assert isinstance(workload, Workload)
    assert workload.launch.kind is Kind.TASK
    return workload.launch
