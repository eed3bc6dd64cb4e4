"""Airflow's side in memory: task instance rows with the scheduler's rules for events, behind `RowsPort`.

An event names dag, task, run, map index and try only, as Airflow's do, so that a late one hits whatever row has that
key now. `Ti.locked` makes the scheduler skip the row (SKIP LOCKED): the event is lost.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from uuid import UUID

from executor.control.ports import RowsDown
from executor.model import LIVE_STATES, Adopted, Event, GivenBack, Kind, Launch, Outcome, Row

JOB = 7


@dataclass(slots=True)
class Ti:
    """One task instance's row, and how often it was kept fresh."""

    task_id: str
    ti_id: str
    state: str | None = None
    try_number: int = 1
    max_tries: int = 0
    retries: int = 0
    external_executor_id: str | None = None
    queued_by_job_id: int | None = None
    hostname: str = ""
    queued_at: float = 0.0
    freshened: int = 0
    locked: bool = False
    lost_events: int = 0
    priority: int = 0
    config: Mapping[str, object] = field(default_factory=dict)

    @property
    def key(self) -> Hashable:
        return ("dag", self.task_id, "run", self.try_number, -1)

    def launch(self) -> Launch:
        """The workload that the scheduler makes of this row."""
        return Launch(
            id=self.external_executor_id or "",
            kind=Kind.TASK,
            key=self.key,
            ti_id=self.ti_id,
            dag_id="dag",
            task_id=self.task_id,
            run_id="run",
            try_number=self.try_number,
            map_index=-1,
            priority=self.priority,
            executor_config=self.config,
            workload=b'{"ti":"%s"}' % self.ti_id.encode(),
            log_path=f"dag/{self.task_id}/attempt={self.try_number}.log",
        )

    def adopted(self) -> Adopted:
        """What `try_adopt_task_instances` passes on."""
        return Adopted(
            key=self.key,
            launch_id=self.external_executor_id,
            ti_id=self.ti_id,
            dag_id="dag",
            task_id=self.task_id,
            run_id="run",
            try_number=self.try_number,
            map_index=-1,
            state=str(self.state),
        )

    def row(self) -> Row:
        return Row(
            self.ti_id,
            self.state,
            self.try_number,
            self.external_executor_id,
            self.queued_by_job_id,
            self.hostname,
        )


@dataclass
class Database:
    """Implements control.ports.RowsPort.

    down: every method raises RowsDown. latency: seconds between looking at the rows and answering, so that an answer
    may be old when it comes. spoil: raised by `rebuild` for the adopted row it is asked about, where it returns one.
    """

    tis: dict[str, Ti] = field(default_factory=dict)
    callbacks: dict[str, str] = field(default_factory=dict)
    down: bool = False
    latency: float = 0.0
    reads: int = 0
    read_ids: list[str] = field(default_factory=list)
    disruption_retries: int = 3
    given_back: list[str] = field(default_factory=list)
    relaunched: list[str] = field(default_factory=list)
    spoil: Callable[[Adopted], Exception | None] = lambda one: None

    def __post_init__(self) -> None:
        self._numbers = count(1)

    def add(self, task_id: str, *, retries: int = 0, priority: int = 0, config: Mapping[str, object] = {}) -> Ti:
        ti_id = str(UUID(int=next(self._numbers)))
        ti = Ti(task_id, ti_id, retries=retries, max_tries=retries, priority=priority, config=config)
        self.tis[ti_id] = ti
        return ti

    def new_launch_id(self) -> str:
        return str(UUID(int=(1 << 100) + next(self._numbers)))

    def queue(self, ti: Ti, job: int = JOB) -> Launch:
        """QUEUED with a new launch id, as the scheduler commits it."""
        ti.state, ti.external_executor_id, ti.queued_by_job_id = "queued", self.new_launch_id(), job
        ti.hostname = ""
        return ti.launch()

    def apply(self, event: Event) -> None:
        """`process_executor_events`: by key and try, whatever launch the row belongs to now."""
        if event.key in self.callbacks:
            self.callbacks[str(event.key)] = event.outcome.value
            return
        ti = next((t for t in self.tis.values() if t.key == event.key), None)
        if ti is None:
            return
        if ti.locked:
            ti.lost_events += 1
        elif ti.state == "restarting":
            ti.state = None
        elif ti.state in ("queued", "running", "scheduled"):
            succeeded = event.outcome is Outcome.SUCCESS and ti.state != "scheduled"
            again = "up_for_retry" if ti.try_number <= ti.max_tries else "failed"
            ti.state = "success" if succeeded else again

    # -- the port

    async def read(self, launches: Sequence[Launch]) -> Mapping[str, Row]:
        self._refuse_if_down()
        self.reads += 1
        self.read_ids += [one.id for one in launches]
        found = {one.id: row for one in launches if (row := self._row(one)) is not None}
        await asyncio.sleep(self.latency)
        return found

    async def keep_fresh(self, launches: Sequence[Launch]) -> int:
        self._refuse_if_down()
        kept = 0
        for one in launches:
            ti = self.tis.get(one.ti_id)
            if ti is not None and (ti.state, ti.external_executor_id) == ("queued", one.id):
                ti.freshened += 1
                kept += 1
        return kept

    async def rebuild(self, adopted: Sequence[Adopted]) -> Mapping[str, object]:
        self._refuse_if_down()
        for one in adopted:
            error = self.spoil(one)
            if error is not None:
                raise error
        await asyncio.sleep(self.latency)
        for one in adopted:
            ti = self.tis.get(one.ti_id)
            if one.row_name and ti is not None and (ti.state, ti.external_executor_id) == ("queued", one.row_name):
                ti.external_executor_id = one.launch_id
        return {
            str(one.launch_id): ti.launch()
            for one in adopted
            if (ti := self.tis.get(one.ti_id)) is not None
            and (ti.state, ti.external_executor_id) == ("queued", one.launch_id)
        }

    async def give_back(self, launch: Launch, sentence: str, *, reported: bool) -> GivenBack:
        self._refuse_if_down()
        ti = self.tis.get(launch.ti_id)
        if launch.id in self.given_back:
            return GivenBack.GIVEN
        if len(self.given_back) >= self.disruption_retries:
            return GivenBack.SPENT
        if ti is None or not ti.retries:
            return GivenBack.NO_RETRIES
        if ti.state != ("up_for_retry" if reported else "running"):
            return GivenBack.MOVED
        ti.max_tries += 1
        self.given_back.append(launch.id)
        return GivenBack.GIVEN

    async def note_relaunch(self, launch: Launch, sentence: str) -> None:
        self._refuse_if_down()
        self.relaunched.append(launch.id)

    async def relaunches(self, launches: Sequence[Launch]) -> Mapping[str, int]:
        self._refuse_if_down()
        return Counter(one for one in self.relaunched if one in {launch.id for launch in launches})

    async def stale_callbacks(self, older_than: float) -> Sequence[str]:
        self._refuse_if_down()
        return [one for one, state in self.callbacks.items() if state in LIVE_STATES]

    def _row(self, launch: Launch) -> Row | None:
        if launch.kind is Kind.CALLBACK:
            state = self.callbacks.get(launch.id)
            return None if state is None else Row(launch.id, state)
        ti = self.tis.get(launch.ti_id)
        return None if ti is None else ti.row()

    def _refuse_if_down(self) -> None:
        if self.down:
            raise RowsDown("the database is away")
