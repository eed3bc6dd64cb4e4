"""The parts of the loop, built and connected in the order in which a launch passes them."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from executor.control.adopter import Adopter
from executor.control.callbacks import StaleCallbacks
from executor.control.chronicle import Chronicle
from executor.control.composer import Composer
from executor.control.janitor import Janitor
from executor.control.judge import Judge
from executor.control.last_look import LastLook
from executor.control.launcher import Launcher, LaunchPolicy
from executor.control.lease import Lease
from executor.control.ledger import Ledger
from executor.control.observer import Observer
from executor.control.outbox import Outbox
from executor.control.pace import Pace
from executor.control.pod_events import PodEvents
from executor.control.ports import Airflow, IntakeError
from executor.control.reconciler import Reconciler, Rhythm
from executor.control.retention import KeepPolicy
from executor.control.tails import Tails
from executor.control.tracker import Tracked, Tracker
from executor.control.uploads import Upload
from executor.control.work_queue import WorkQueue
from executor.control.workload_secrets import WorkloadSecrets
from executor.identity import deployment_selector
from executor.kube.port import KubePort
from executor.metrics import Metrics, NoMetrics
from executor.model import Adopted, Event, Launch, LogEntry, Outcome
from executor.observe.decide import Policy, Progress, Settle

log = logging.getLogger(__name__)

GAUGE_SECONDS = 10.0
SWITCHOVER_SECONDS = 5.0

Part = tuple[str, Callable[[], Coroutine[Any, Any, None]]]


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class MachinePlan:
    """Everything the loop is told at start. lease: seconds a heartbeat entitles to act; now: the calendar; upload:
    brings a file of log_folder, by its path there, to the remote log store, None where there is none."""

    deployment: str
    namespaces: tuple[str, ...] | None
    connect: Callable[[], Awaitable[KubePort]]
    airflow: Airflow
    policy: Policy
    keep: KeepPolicy = field(default_factory=KeepPolicy)
    launch: LaunchPolicy = field(default_factory=LaunchPolicy)
    rhythm: Rhythm = field(default_factory=Rhythm)
    lease: float = 15.0
    create_qps: float = 0.0
    log_folder: Path | None = None
    log_folder_mode: int = 0o775
    upload: Upload | None = None
    now: Callable[[], datetime] = _utc_now
    metrics: Metrics = field(default_factory=NoMetrics)


class Machine:
    """One connection's worth of loop. Built on the loop's thread, used there only."""

    def __init__(self, plan: MachinePlan, kube: KubePort, outbox: Outbox, lease: Lease) -> None:
        self._airflow, self._outbox, self._kube = plan.airflow, outbox, kube
        self._metrics = plan.metrics
        self.tracker = Tracker()
        self._queue = WorkQueue(jitter=lambda: random.uniform(0.8, 1.2))
        self._chronicle = Chronicle(outbox, plan.log_folder, plan.log_folder_mode, plan.metrics, plan.upload)
        self._secrets = WorkloadSecrets(kube, plan.deployment, plan.now, timedelta(seconds=plan.rhythm.sweep))
        self._tails = Tails(kube, self._chronicle)
        last_look = LastLook(kube, plan.airflow.rows, lease, plan.now)
        self._janitor = Janitor(kube, self._tails, self._chronicle, plan.keep, lease, last_look, self.tracker.follows)
        self._pod_events = PodEvents(kube, self._chronicle)
        self._ledger = Ledger(plan.airflow.rows, self._chronicle)
        self._judge = self._build_judge(plan)
        self._observer = Observer(
            kube,
            self.tracker,
            self._janitor,
            self._tails,
            namespaces=plan.namespaces,
            selector=deployment_selector(plan.deployment),
            mark=self._judge.mark,
            on_complete=lambda: self._adopter.complete(),
            on_partial=lambda: self._adopter.complete_but_for_forbidden(),
            metrics=plan.metrics,
        )
        self._reconciler = self._build_reconciler(plan, lease)
        self._launcher = self._build_launcher(plan, lease)
        self._adopter = Adopter(kube, self.tracker, plan.airflow, self._judge, self._secrets, self._enqueue)

    def _build_judge(self, plan: MachinePlan) -> Judge:
        return Judge(
            tracker=self.tracker,
            rows=plan.airflow.rows,
            outbox=self._outbox,
            janitor=self._janitor,
            ledger=self._ledger,
            chronicle=self._chronicle,
            policy=plan.policy,
            metrics=plan.metrics,
            relaunch=self._enqueue_again,
            dequeue=self._queue.discard,
            search=lambda tracked, name: self._observer.search(tracked, name, self._judge.want_row),
            pod_events=self._pod_events,
        )

    def _build_reconciler(self, plan: MachinePlan, lease: Lease) -> Reconciler:
        return Reconciler(
            tracker=self.tracker,
            rows=plan.airflow.rows,
            judge=self._judge,
            observer=self._observer,
            janitor=self._janitor,
            secrets=self._secrets,
            lease=lease,
            callbacks=StaleCallbacks(
                plan.airflow.rows, self.tracker, self._outbox, plan.airflow.callback_launch, 4 * plan.lease
            ),
            rhythm=plan.rhythm,
            now=plan.now,
            log_path=plan.airflow.log_path,
        )

    def _build_launcher(self, plan: MachinePlan, lease: Lease) -> Launcher:
        return Launcher(
            kube=self._kube,
            queue=self._queue,
            tracker=self.tracker,
            composer=Composer(plan.airflow, plan.policy.token_life),
            secrets=self._secrets,
            chronicle=self._chronicle,
            lease=lease,
            pace=Pace(plan.create_qps),
            policy=plan.launch,
            metrics=plan.metrics,
            on_posted=lambda tracked: self._judge.mark(tracked.launch.id),
            janitor=self._janitor,
            revalidate=self._reconciler.revalidate,
        )

    def parts(self) -> list[Part]:
        """What runs for ever, by name."""
        return [
            ("launcher", self._launcher.run),
            ("observer", self._observer.run),
            ("judge", self._judge.run),
            ("reader of rows", self._judge.run_reader),
            ("reconciler", self._reconciler.run),
            ("adopter", self._adopter.run),
            ("switch-over", self._follow_upstream),
            ("gauges", self._gauge),
        ]

    def submit(self, workloads: Sequence[object]) -> None:
        """Track and queue; one bad workload harms that task only."""
        for workload in workloads:
            try:
                self._take_in(self._airflow.intake(workload))
            except IntakeError as error:
                log.error("A workload was refused: %s", error)
                self._refuse(error)
            except Exception as error:
                log.exception("A workload could not be read")
                key = getattr(workload, "key", None)
                self._refuse(IntakeError(f"The workload could not be read ({type(error).__name__}).", key=key))
        self._launcher.wake()

    def _take_in(self, launch: Launch) -> None:
        """A newer launch of a key makes the older one look at its row: it is superseded, or has just ended."""
        older = self.tracker.newest(launch.key)
        now = asyncio.get_running_loop().time()
        self.tracker.add(Tracked(launch, queued_at=now))
        self._queue.put(launch.id, launch.priority)
        if older is not None and older.launch.id != launch.id:
            self._judge.want_row(older.launch.id)

    def _refuse(self, error: IntakeError) -> None:
        if error.key is not None:
            self._outbox.put(LogEntry(error.key, "pod failed", str(error)))
            self._outbox.put(Event(error.key, error.launch_id, Outcome.FAILED, str(error)))

    def adopt(self, adopted: Sequence[Adopted]) -> None:
        self._adopter.adopt(adopted)

    def abandon(self, launch_id: str, why: str) -> None:
        """The scheduler settled it; the pod goes whatever its row says."""
        tracked = self.tracker.get(launch_id)
        if tracked is not None:
            self._judge.settle(tracked, Settle(why, clean=False, doomed=True))

    def totals(self) -> dict[str, int]:
        return {
            "launches": len(self.tracker),
            "waiting to be posted": len(self._queue),
            "pods": len(self.tracker.pods),
            "pods posted": self._launcher.posted,
            "deletes under way": self._janitor.pending,
        }

    async def _follow_upstream(self) -> None:
        """Until cancelled: what Airflow's own executor left, if anything."""
        while True:
            await asyncio.sleep(SWITCHOVER_SECONDS)
            await self._adopter.look_for_upstreams(self._observer.namespaces)

    async def _gauge(self) -> None:
        """Until cancelled: what is in flight, for dashboards."""
        while True:
            now = asyncio.get_running_loop().time()
            waiting = [now - t.queued_at for t in self.tracker if t.progress is Progress.WAITING]
            self._metrics.gauge("launches", len(self.tracker))
            self._metrics.gauge("waiting_to_be_posted", len(self._queue))
            self._metrics.gauge("oldest_waiting", max(waiting, default=0.0))
            self._metrics.gauge("pods", len(self.tracker.pods))
            await asyncio.sleep(GAUGE_SECONDS)

    async def close(self, seconds: float) -> None:
        """Let what is under way finish, so that no Secret is left without its pods; then close the connections."""
        try:
            async with asyncio.timeout(seconds):
                await self._launcher.drain()
                await self._janitor.drain()
                await self._chronicle.drain()
        except TimeoutError:
            log.info("Some creates, deletes or uploads were still under way at the end")
        await self._launcher.close()
        await self._janitor.close()
        await self._tails.close()
        await self._observer.close()
        await self._pod_events.close()
        await self._ledger.close()
        await self._chronicle.close()
        await self._kube.close()

    def _enqueue(self, tracked: Tracked) -> None:
        tracked.queued_at = asyncio.get_running_loop().time()
        self._queue.put(tracked.launch.id, tracked.launch.priority)
        self._launcher.wake()

    def _enqueue_again(self, tracked: Tracked, delay: float) -> None:
        if tracked.adopted is not None:
            self._adopter.rebuild(tracked)
            return
        now = asyncio.get_running_loop().time()
        tracked.queued_at = now
        not_before = now + delay if delay else 0.0
        self._queue.put(tracked.launch.id, tracked.launch.priority, not_before=not_before)
        self._launcher.wake()
