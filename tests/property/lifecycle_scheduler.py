"""A scheduler of the state machine: the real facade and machine on one loop, and Airflow's own part around them.

Everything that the executor does is judged at the moment it does it; what is wrong goes to `Courtroom.wrongs`, because
an exception inside the machine would be caught there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

from executor.control.launcher import LaunchPolicy
from executor.control.lease import Lease
from executor.control.machine import Machine, MachinePlan
from executor.control.outbox import Outbox
from executor.control.ports import Airflow
from executor.control.reconciler import Rhythm
from executor.control.retention import KeepPolicy, ended_at
from executor.identity import DEPLOYMENT_LABEL, LAUNCH_LABEL
from executor.kubernetes_executor import KubernetesExecutor
from executor.model import LIVE_STATES, Adopted, Event, Launch, Message, Outcome, Row, Settled
from executor.observe.decide import Policy
from executor.observe.diagnosis import base_end
from tests.fakes.kube_play import view
from tests.property.lifecycle_kube import Connection
from tests.property.lifecycle_rows import Rows, Table, TaskRow, Workload, intake
from tests.unit.control.pods import DEPLOYMENT, Cluster, Pods
from tests.unit.control.world import TOKEN, callback_launch

LEASE = 15.0
HEALTH_CHECK = 30.0
RESTART_SECONDS = 5.0
ADOPTABLE = frozenset({"queued", "running", "restarting"})


@dataclass
class Courtroom:
    """What was done wrong so far, each with the invariant it breaks."""

    wrongs: list[str] = field(default_factory=list)

    def wrong(self, invariant: str, what: str) -> None:
        self.wrongs.append(f"{invariant}: {what}")


class Facade(KubernetesExecutor):
    """The real one; adoption without an ORM session, and the launch behind each event is remembered."""

    def __init__(self, scheduler: Scheduler) -> None:
        super().__init__(parallelism=1000)
        self._scheduler = scheduler
        self._supervisor = scheduler  # type: ignore[assignment]
        self.reported: dict[Any, Event] = {}

    def take_in(self, workload: Workload) -> None:
        self._queue_task(workload, None)  # type: ignore[arg-type]

    def adopt(self, adopted: Sequence[Adopted]) -> None:
        for one in adopted:
            self.running.add(one.key)  # type: ignore[arg-type]
            self._newest[one.key] = one.launch_id or ""
            self._remember(one.launch_id or "")
        self._adopted += adopted

    def _emit_metrics(self, open_slots: int, num_running_tasks: int, num_queued_tasks: int) -> None:
        """A third of the time, for nothing."""

    def _report(self, event: Event) -> None:
        super()._report(event)
        self.reported[event.key] = event


class JudgedOutbox(Outbox):
    """Events are judged when the loop hands them over."""

    def __init__(self, scheduler: Scheduler) -> None:
        super().__init__()
        self._scheduler = scheduler

    def put(self, message: Message) -> None:
        if isinstance(message, Event):
            self._scheduler.judge_event(message)
        elif isinstance(message, Settled):
            self._scheduler.note_settled(message)
        super().put(message)

    def drain(self) -> list[Message]:
        drained = super().drain()
        keys = [one.key for one in drained if isinstance(one, Event)]
        if len(keys) != len(set(keys)):
            self._scheduler.court.wrong("I4", f"two events for one key in one drain: {drained}")
        return drained


class Scheduler:
    """One scheduler job. Its beat runs by itself every second, unless it is frozen."""

    def __init__(self, job: int, table: Table, cluster: Cluster, court: Courtroom, keep: KeepPolicy) -> None:
        self.job, self.table, self.cluster, self.court, self.keep = job, table, cluster, court, keep
        self.frozen = self.ended = self.in_transaction = False
        self.broken: list[tuple[str, Exception]] = []
        self.deleted: set[str] = set()  # uids whose delete was answered
        self.newest: dict[Hashable, str] = {}  # key -> launch id
        self.let_go: set[str] = set()  # launches that this scheduler took back or gave up while they were its own
        self.taken_back: set[str] = set()  # launches adopted from who had adopted them from this one
        self.done: set[str] = set()  # uids of pods that were known to have ended when their launch was settled
        self.thawed_at = 0.0
        self.plan_pods = Pods()
        self._tasks: list[asyncio.Task[None]] = []

    # -- life

    async def start(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.beaten_at = self.loop.time()
        self.rows = Rows(self.table, self.job, self._known)
        self.kube = Connection(self.cluster, self.judge_request)
        self.outbox, self._lease = JudgedOutbox(self), Lease(LEASE, self.loop.time)
        self.machine = Machine(self._plan(), self.kube, self.outbox, self._lease)  # type: ignore[arg-type]
        self.facade = Facade(self)
        self._tasks = [self.loop.create_task(self._forever(name, part)) for name, part in self.machine.parts()]
        self._tasks.append(self.loop.create_task(self._beat()))

    def _plan(self) -> MachinePlan:
        async def connect() -> Any:
            return self.kube

        airflow = Airflow(
            rows=self.rows,
            intake=intake,
            mint=lambda launch, life: TOKEN,
            pods=self.plan_pods,
            callback_launch=callback_launch,
        )
        return MachinePlan(
            deployment=DEPLOYMENT,
            namespaces=("default",),
            connect=connect,
            airflow=airflow,
            policy=Policy(job_id=self.job, launch_retries=-1),
            keep=self.keep,
            launch=LaunchPolicy(concurrency=4),
            rhythm=Rhythm(lease=LEASE),
            lease=LEASE,
            now=self.cluster.now,
        )

    async def end(self) -> None:
        """SIGTERM."""
        await self._cancel()
        await self.machine.close(3.0)

    async def kill(self, *, carried_out: bool) -> None:
        """SIGKILL."""
        await self.kube.die(carried_out=carried_out)
        await self._cancel()
        await self.machine.close(0.0)

    async def _cancel(self) -> None:
        self.ended = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _forever(self, name: str, part: Any) -> None:
        while True:
            try:
                await part()
            except Exception as error:  # noqa: BLE001
                self.broken.append((name, error))
            await asyncio.sleep(RESTART_SECONDS)

    # -- the scheduler's loop

    @property
    def looks_dead(self) -> bool:
        """To the other schedulers."""
        return self.ended or self.loop.time() - self.beaten_at > HEALTH_CHECK

    @property
    def has_nothing_to_do(self) -> bool:
        facade, machine = self.facade, self.machine
        return not (facade.running or facade.queued_tasks or len(machine.tracker) or machine._janitor.pending)

    async def _beat(self) -> None:
        while True:
            if not self.frozen and not self.in_transaction:
                self.facade.heartbeat()
                self._process_events()
                self.judge_slots()
            await asyncio.sleep(1.0)

    def freeze(self) -> None:
        self.frozen = True

    def thaw(self) -> None:
        self.frozen = False

    def queue(self, row: TaskRow) -> None:
        """The critical section; the transaction commits before the next heartbeat."""
        workload = self.table.hand_out(row, self.job)
        self.newest[workload.key] = workload.launch.id
        self.facade.take_in(workload)

    def requeue(self, row: TaskRow) -> None:
        """Stuck in queued for too long (`_handle_tasks_stuck_in_queued`)."""
        self.let_go.add(str(row.external_executor_id))
        self.facade.revoke_task(ti=row)  # type: ignore[arg-type]
        row.state, row.next_method = "scheduled", row.next_method

    def give_up(self, row: TaskRow) -> None:
        """No heartbeat of its worker (`_purge_task_instances_without_heartbeats`)."""
        self.let_go.add(str(row.external_executor_id))
        self.facade.reported.pop(row.key, None)
        self.facade.change_state(row.key, "failed")

    async def look_for_orphans(self, others: Sequence[Scheduler], commit_takes: float) -> None:
        """`adopt_or_reset_orphaned_tasks`: rows are this job's when the transaction commits, later than it is told."""
        dead = {one.job for one in others if one.looks_dead} - {self.job}
        found = [row for row in self.table.rows() if row.state in ADOPTABLE and row.queued_by_job_id in dead]
        found = [row for row in found if not row.locked]
        adopted = [row.adopted() for row in found if row.external_executor_id]
        self.taken_back |= {str(one.launch_id) for one in adopted} & set(self.newest.values())
        self.newest |= {one.key: str(one.launch_id) for one in adopted}
        self.facade.adopt(adopted)
        for row in found:
            row.locked = True
        self.in_transaction = True
        await asyncio.sleep(commit_takes)
        self.in_transaction = False
        for row in found:
            row.locked, row.queued_by_job_id = False, self.job

    def _process_events(self) -> None:
        for key, (state, _) in self.facade.get_event_buffer().items():
            row = self.table.row_of(key[1])  # type: ignore[index, arg-type]
            event = self.facade.reported.pop(key, None)
            if row is None or row.key != key:
                continue
            if row.locked:
                row.lost_events += 1
                continue
            launch_id, before = row.external_executor_id, row.state
            mine = row.queued_by_job_id == self.job and not self.facade.has_task(row)  # type: ignore[arg-type]
            changed = self.table.takes_event(row, Outcome(str(state)), mine=mine)
            if changed and event is not None and event.launch_id != launch_id:
                self.court.wrong("I4", f"{event} hit launch {launch_id}, which was {before}")

    # -- what the facade calls: a Supervisor without a thread

    def heartbeat(self) -> None:
        now = self.loop.time()
        if now - self.beaten_at >= LEASE:
            self.thawed_at = now
        self.beaten_at = now
        self._lease.renew()

    def submit(self, workloads: Sequence[object]) -> None:
        self.machine.submit(workloads)

    def adopt(self, adopted: Sequence[Adopted]) -> None:
        self.machine.adopt(adopted)

    def abandon(self, launch_id: str, why: str) -> None:
        self.machine.abandon(launch_id, why)

    def drain(self) -> list[Message]:
        return self.outbox.drain()

    def totals(self) -> dict[str, int]:
        return self.machine.totals()

    # -- judgement

    def _known(self, launch_id: str) -> object:
        tracked = self.machine.tracker.get(launch_id)
        return None if tracked is None else (tracked.seen, tracked.present)

    def judge_event(self, event: Event) -> None:
        """I4: the row, read after the pod's end was seen, was this launch's; and no healthy pod is talked dead."""
        tracked, last = self.machine.tracker.get(event.launch_id), self.rows.last.get(event.launch_id)
        if event.outcome is Outcome.STARTED:
            self.court.wrong("I4", f"a RUNNING event for a task: {event}")
        if tracked is None or last is None:
            self.court.wrong("I4", f"{event} without its row having been read")
            return
        if not self._is_its_row(tracked.launch, last.row):
            self.court.wrong("I4", f"{event} for {last.row}")
        if last.pod != self._known(event.launch_id):
            self.court.wrong("I4", f"{event} by a row that was read before the pod's end was seen")
        healthy = [name for (_, name), pod in self.cluster.pods.items() if self._is_at_work(pod, event.launch_id)]
        if healthy:
            self.court.wrong("I4", f"{event} while its pod {healthy} is at work")

    def _is_its_row(self, launch: Launch, row: Row | None) -> bool:
        """The predicate in the words of I4; a row that was cleared while it ran has a new id already."""
        if row is None or row.state not in LIVE_STATES:
            return False
        same = row.ti_id == launch.ti_id or row.state == "restarting"
        mine = (row.try_number, row.external_executor_id, row.queued_by_job_id)
        return same and mine == (launch.try_number, launch.id, self.job)

    def _is_at_work(self, pod: dict[str, Any], launch_id: str) -> bool:
        """It has this launch's row, and nobody has asked it to end."""
        row, meta = self.table.launch_of(launch_id), pod["metadata"]
        here = row is not None and row.state == "running" and row.hostname == meta["name"]
        going = pod["status"].get("phase") == "Running" and not meta.get("deletionTimestamp")
        return bool(here) and going and base_end(view(pod)) is None

    def judge_request(self, verb: str, what: Any) -> None:
        """I13 and the rest of what must hold when a pod is created or deleted."""
        if verb != "deleted" and self.loop.time() - self.beaten_at >= LEASE:
            self.court.wrong("I13", f"{verb} {self.loop.time() - self.beaten_at:.1f} s after the last heartbeat")
        match verb:
            case "create":
                self._judge_create(what["metadata"])
            case "delete" | "stop":
                self._judge_end(verb, what)
            case "deleted" if what.uid in self.deleted:
                self.court.wrong("I6", f"{what} was deleted twice by job {self.job}")
            case "deleted":
                self.deleted.add(what.uid)

    def note_settled(self, settled: Settled) -> None:
        pods = self.machine.tracker.pods.values()
        mine = (pod for pod in pods if pod.metadata.labels.get(LAUNCH_LABEL) == settled.launch_id)
        self.done |= {pod.metadata.uid for pod in mine if base_end(pod) is not None}

    def _judge_create(self, meta: dict[str, Any]) -> None:
        launch_id = meta["labels"][LAUNCH_LABEL]
        if meta["labels"].get(DEPLOYMENT_LABEL) != DEPLOYMENT:
            self.court.wrong("I12", f"{meta['name']} is created without our label")
        tracked, last = self.machine.tracker.get(launch_id), self.rows.last.get(launch_id)
        if tracked is None:
            self.court.wrong("I3", f"{meta['name']} is created for a launch that is settled")
        elif tracked.queued_at < self.thawed_at and (last is None or last.asked_at < self.thawed_at):
            self.court.wrong("I13", f"{meta['name']} is created after a freeze, by a row that was read before it")

    def _judge_end(self, verb: str, ref: Any) -> None:
        """I6: settled before, and by the job that the row names; I12: ours."""
        pod = self.cluster.pods.get((ref.namespace, ref.name))
        if pod is None or pod["metadata"]["uid"] != ref.uid:
            return
        labels = pod["metadata"].get("labels", {})
        if labels.get(DEPLOYMENT_LABEL) != DEPLOYMENT:
            self.court.wrong("I12", f"{verb} {ref.name}, which is not ours")
            return
        launch_id = labels.get(LAUNCH_LABEL, "")
        tracked, row = self.machine.tracker.get(launch_id), self.table.launch_of(launch_id)
        if tracked is not None and tracked.pod is not None and tracked.pod.uid == ref.uid:
            self.court.wrong("I6", f"{verb} {ref.name}, whose launch is not settled")
        runs = self.table.tis.get(pod["metadata"].get("annotations", {}).get("task_instance_id", ""))
        launches = str(runs.external_executor_id) if runs is not None else ""
        if self._is_at_work(pod, launches) and launches not in self.let_go:
            self.court.wrong("I6", f"{verb} {ref.name}, whose worker runs the task of launch {launches}")
        life = self.keep.life(view(pod)) if verb == "delete" and ref.uid in self.done else 0.0
        if life > (self.cluster.now() - ended_at(view(pod))).total_seconds():
            self.court.wrong("I6", f"delete {ref.name}, which is to be kept")
        others = row is not None and row.state in LIVE_STATES and row.queued_by_job_id != self.job
        if row is not None and others and launch_id not in self.let_go:
            self.court.wrong("I6", f"job {self.job}: {verb} {ref.name}, which is job {row.queued_by_job_id}'s")

    def judge_slots(self) -> None:
        """I5, right after a drain: `running` is what is not settled, each key by its newest launch.

        What was taken back may miss its slot for a while: the drain held what was said about it before it went away.
        """
        tracker = self.machine.tracker
        leaked = [key for key in self.facade.running if tracker.get(self.newest[key]) is None]
        if leaked:
            self.court.wrong("I5", f"job {self.job} holds slots for {leaked}, which are settled")
        for one in tracker:
            awaited = self.newest[one.launch.key] == one.launch.id and one.handed is None
            if awaited and one.launch.id not in self.taken_back and one.launch.key not in self.facade.running:
                self.court.wrong("I5", f"job {self.job} holds no slot for {one.launch}, launch {one.launch.id}")
