"""The executor as Airflow sees it: a translation between the scheduler's thread and the loop, without any policy.

What holds here: no method talks to Kubernetes, waits for the loop, or logs or counts per task; the only database
access uses the session Airflow gives; no exception leaves a method (the scheduler would end with it); building an
object starts nothing, because the API server builds one only to read logs. `control.supervisor` draws the rest.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast
from uuid import uuid4

from airflow.executors.base_executor import PARALLELISM, BaseExecutor
from airflow.executors.workloads import ExecuteCallback, ExecuteTask

from executor.adoption import adopted_from
from executor.airflow_compat import event_state
from executor.airflow_config import read_facts, read_settings
from executor.assembly import make_plan
from executor.control.ports import ClosableRows
from executor.control.supervisor import Supervisor
from executor.interpreter import pause_collection, resume_collection, share
from executor.live_log import task_log
from executor.model import Adopted, Event, LogEntry, Message, Outcome, Settled
from executor.row_identity import give_launch_id
from executor.task_rows import TaskRows

if TYPE_CHECKING:
    from airflow.executors.workloads import ExecutorWorkload
    from airflow.models.taskinstance import TaskInstance
    from sqlalchemy.orm import Session

    from executor.airflow_config import AirflowFacts
    from executor.control.machine import MachinePlan
    from executor.settings import Settings

log = logging.getLogger(__name__)

REMEMBERED_LAUNCHES = 50_000
END_SECONDS = 4.0


class KubernetesExecutor(BaseExecutor):
    """Every task in a pod of its own. `AIRFLOW__CORE__EXECUTOR=executor.KubernetesExecutor`."""

    supports_ad_hoc_ti_run = True
    supports_callbacks = True
    supports_multi_team = True
    is_local = False
    is_production = True
    serve_logs = False
    pre_assigns_external_executor_id: ClassVar[bool] = True

    def __init__(self, parallelism: int = PARALLELISM, team_name: str | None = None) -> None:
        super().__init__(parallelism=parallelism, team_name=team_name)
        self._supervisor: Supervisor | None = None
        self._rows: ClosableRows | None = None
        self._check_ownership = True
        self._unsaved_logs: list[Any] = []
        self._newest: dict[Any, str] = {}  # key -> launch id, for every key that is queued or in `running`
        self._used: OrderedDict[str, None] = OrderedDict()  # launch ids that were handed to this executor
        self._adopted: list[Adopted] = []  # until the scheduler has committed that their rows are its own
        self._let_go: dict[str, str] = {}  # those of them that the scheduler gave up on meanwhile, and why

    # -- life ---------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the loop. Raises SettingsError for a setting that cannot be used: better now than at a launch."""
        settings, facts = read_settings(self.team_name), read_facts(self.team_name)
        for sentence in (*settings.notices, *facts.warnings):
            log.warning("%s", sentence)
        share(settings.switch_interval)
        self._rows = self._open_rows(settings)
        plan = self._plan(settings, facts, self._rows)
        self._check_ownership = plan.policy.check_ownership
        self._supervisor = Supervisor(plan)
        self._supervisor.start()
        where = "all namespaces" if settings.namespaces is None else ", ".join(settings.namespaces)
        log.info("Tasks run as pods in %s; this deployment's pods carry airflow-deployment=%s", where, plan.deployment)

    def _plan(self, settings: Settings, facts: AirflowFacts, rows: ClosableRows) -> MachinePlan:
        """What the loop is told; a fault test replaces parts of it."""
        return make_plan(settings, facts, rows, self.jwt_generator, self.job_id, self.team_name)

    def _open_rows(self, settings: Settings) -> ClosableRows:
        """The database side; a load test puts one of its own in its place."""
        return TaskRows(self.job_id if isinstance(self.job_id, int) else None, settings.disruption_retries)

    def end(self) -> None:
        """Stop the loop; the pods go on and the next scheduler adopts them."""
        if self._supervisor is not None and not self._supervisor.stop(END_SECONDS):
            log.warning("The executor's loop did not end within %.0f s and is left behind", END_SECONDS)
        if self._rows is not None:
            self._rows.close()

    def terminate(self) -> None:
        self.end()

    # -- the scheduler's calls, in their order ------------------------------------------------------------------------

    def queue_workload(self, workload: ExecutorWorkload, session: Session) -> None:
        """Record only: the transaction that queued it is not committed yet."""
        try:
            if isinstance(workload, ExecuteTask):
                self._queue_task(workload, session)
            elif isinstance(workload, ExecuteCallback):
                self._newest[workload.key] = workload.callback.id
                self.queued_callbacks[workload.key] = workload
            else:
                log.error("%s cannot run in a pod", type(workload).__name__)
        except Exception:
            log.exception("A workload could not be queued")

    def _queue_task(self, workload: ExecuteTask, session: Session) -> None:
        launch_id = workload.ti.external_executor_id
        if not launch_id or launch_id in self._used:
            launch_id = str(uuid4())
            give_launch_id(session, workload, launch_id)
        self._remember(launch_id)
        key = workload.key
        self._newest[key] = launch_id
        self.queued_tasks[key] = workload

    def _remember(self, launch_id: str) -> None:
        self._used[launch_id] = None
        if len(self._used) > REMEMBERED_LAUNCHES:
            self._used.popitem(last=False)

    def heartbeat(self) -> None:
        """The scheduler lives; hand over what it committed, take what happened."""
        collecting = pause_collection()
        try:
            if self._supervisor is not None:
                self._supervisor.heartbeat()
                self._hand_over_adopted(self._supervisor)
            super().heartbeat()
        except Exception:
            log.exception("The executor's heartbeat broke; the scheduler goes on")
        finally:
            resume_collection(collecting)

    def _process_workloads(self, workload_items: Sequence[ExecutorWorkload]) -> None:
        """The transaction is committed: these may run."""
        self._move_to_running(workload_items)
        if self._supervisor is not None:
            self._supervisor.submit(workload_items)

    def _move_to_running(self, workloads: Sequence[ExecutorWorkload]) -> None:
        """Their keys. Making a workload's key costs more than all else here, so where all that is queued goes, which is
        always but at the limit of `parallelism`, the keys that are there serve."""
        queues: tuple[dict[Any, Any], ...] = (self.queued_tasks, self.queued_callbacks)
        if len(workloads) == sum(map(len, queues)):
            for queue in queues:
                self.running.update(queue)
                queue.clear()
            return
        for workload in workloads:
            key: Any = workload.key
            self.running.add(key)
            for queue in queues:
                queue.pop(key, None)

    def sync(self) -> None:
        """Take what the loop has for the scheduler."""
        self._unsaved_logs.clear()
        if self._supervisor is not None:
            for message in self._supervisor.drain():
                self._take(message)

    def log_task_event(self, *, event: str, extra: str, ti_key: Any) -> None:
        """A row for the event log. It is held until the next sync, when the scheduler has saved it: Airflow 3.3 lets
        go of it before (`_process_task_event_logs` hands `bulk_save_objects` a generator), and the row is lost."""
        super().log_task_event(event=event, extra=extra, ti_key=ti_key)
        if self._task_event_logs:
            self._unsaved_logs.append(self._task_event_logs[-1])

    def _take(self, message: Message) -> None:
        match message:
            case LogEntry():
                self.log_task_event(event=message.event, extra=message.extra, ti_key=message.key)
            case Settled():
                if self._is_newest(message):
                    self._forget(message.key)
            case Event():
                if self._is_newest(message):
                    self._report(message)

    def _is_newest(self, message: Event | Settled) -> bool:
        """An older launch of this key says nothing about the one that is queued or running now."""
        return not self._check_ownership or self._newest.get(message.key, message.launch_id) == message.launch_id

    def _forget(self, key: Any) -> None:
        self.running.discard(key)
        self._newest.pop(key, None)

    def _report(self, event: Event) -> None:
        """The key leaves `running` first: the scheduler ignores events of keys that the executor still has."""
        state = event_state(event.key, event.outcome)
        if state is None:
            return
        if event.outcome is not Outcome.STARTED:
            self.running.discard(event.key)
        self.event_buffer[event.key] = (state, event.info or None)  # type: ignore[index]

    # -- the scheduler settles a launch itself ------------------------------------------------------------------------

    def change_state(self, key: Any, state: Any, info: Any = None, remove_running: bool = True) -> None:
        """The scheduler gave up on it (no heartbeat, stuck in queued): its pod goes."""
        super().change_state(key, state, info, remove_running)
        self.queued_tasks.pop(key, None)  # an earlier launch's worker may have got it already
        self._abandon(self._newest.pop(key, None), f"the scheduler set it to {state}")

    def revoke_task(self, *, ti: TaskInstance) -> None:
        """The scheduler takes it back: neither queued nor running here any more, and its pod goes."""
        try:
            key = ti.key
            self.queued_tasks.pop(key, None)
            self.running.discard(key)
            self._abandon(self._newest.pop(key, None) or ti.external_executor_id, "the scheduler revoked it")
        except Exception:
            log.exception("A task could not be revoked")

    def _abandon(self, launch_id: str | None, why: str) -> None:
        if launch_id and self._supervisor is not None:
            if any(one.launch_id == launch_id for one in self._adopted):
                self._let_go[launch_id] = why  # the loop has to know it, to let it go
            else:
                self._supervisor.abandon(launch_id, why)

    def try_adopt_task_instances(self, tis: Sequence[TaskInstance]) -> Sequence[TaskInstance]:
        """Adopt all that carry a launch id; the others are handed back for reset.

        Record only: not before the transaction is committed do the rows name this scheduler, and the loop, which reads
        them by itself, would take them for somebody else's.
        """
        try:
            adopted, rest = adopted_from(tis)
            for one in adopted:
                self.running.add(one.key)  # type: ignore[arg-type]
                self._newest[one.key] = one.launch_id or ""
                self._remember(one.launch_id or "")
            self._adopted += adopted
        except Exception:
            log.exception("Nothing could be adopted; the scheduler offers it again")
            return []
        return rest

    def _hand_over_adopted(self, supervisor: Supervisor) -> None:
        """The transaction that adopted them is committed: the loop may read their rows."""
        if self._adopted:
            adopted, self._adopted = self._adopted, []
            supervisor.adopt(adopted)
            for launch_id, why in self._let_go.items():
                supervisor.abandon(launch_id, why)
            self._let_go.clear()

    # -- looking ------------------------------------------------------------------------------------------------------

    def get_task_log(self, ti: TaskInstance, try_number: int) -> tuple[list[str], list[str]]:
        """The live log of a running pod, for the API server. Returns (messages, lines); raises nothing.

        Airflow says lists; the lines are an iterable that reads from disk, which is all its reader asks for.
        """
        return cast("tuple[list[str], list[str]]", task_log(ti, self.team_name))

    def debug_dump(self) -> None:
        """Totals only: called from a signal handler, between any two bytecodes."""
        log.info(
            "queued tasks %d, queued callbacks %d, running %d, events %d, loop: %s",
            len(self.queued_tasks),
            len(self.queued_callbacks),
            len(self.running),
            len(self.event_buffer),
            self._supervisor.totals() if self._supervisor else "not started",
        )
