"""A world for the machine: a cluster, a database and a scheduler in memory, on a loop in virtual time.

    async with World() as world:
        ti = world.task("a")
        launch = world.queue(ti)
        await world.passes(2)
        world.runs(launch)          # the kubelet and the worker in the pod

At its end the world closes the machine and checks what must hold whatever happened: no part of the loop broke, no key
had two events in one drain, every event was handed over while its row was this launch's, no task is left on the loop.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from executor.control.launcher import LaunchPolicy
from executor.control.lease import Lease
from executor.control.machine import Machine, MachinePlan
from executor.control.outbox import Outbox
from executor.control.ports import Airflow
from executor.control.reconciler import Rhythm
from executor.control.retention import KeepPolicy
from executor.identity import LAUNCH_LABEL, SECRET_ANNOTATION
from executor.model import LIVE_STATES, Event, Kind, Launch, LogEntry, Message, Outcome, Settled
from executor.observe.decide import Policy
from tests.fakes.kube import EPOCH
from tests.fakes.kube_play import Play
from tests.unit.control.database import JOB, Database, Ti
from tests.unit.control.pods import DEPLOYMENT, Cluster, Pods, identity_of

TOKEN = "eyJhbGciOiJIUzUxMiJ9.eyJzdWIiOiJ0aSJ9.c2lnbmF0dXJl"
RESTART_SECONDS = 5.0
Mutate = Callable[[Mapping[str, Any]], dict[str, Any]]


def intake(workload: object) -> Launch:
    """Launches stand for workloads here; an exception is a workload that cannot be read."""
    if isinstance(workload, Exception):
        raise workload
    assert isinstance(workload, Launch)
    return workload


def callback_launch(launch: Launch) -> Launch:
    return replace(launch, key=launch.id)


class WitnessedOutbox(Outbox):
    """Notes with every event how its row was at that moment."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self._database = database
        self.witnessed: list[tuple[Event, str | None, str | None]] = []

    def put(self, message: Message) -> None:
        if isinstance(message, Event):
            ti = next((t for t in self._database.tis.values() if t.key == message.key), None)
            self.witnessed.append((message, ti and ti.state, ti and ti.external_executor_id))
        super().put(message)


class World:
    """Everything around one Machine. `beating` False freezes the scheduler: no heartbeat, no drain."""

    def __init__(
        self,
        *,
        kube: Cluster | None = None,
        database: Database | None = None,
        namespaces: tuple[str, ...] | None = ("default",),
        keep: KeepPolicy | None = None,
        launch: LaunchPolicy | None = None,
        mutate: Mutate | None = None,
        log_folder: Path | None = None,
        create_qps: float = 0.0,
        reconcile: float = 30.0,
        beat: float = 1.0,
        **policy: Any,
    ) -> None:
        self.kube, self.database = kube or Cluster(), database or Database()
        self.pods = Pods()
        self.beating, self._beat_seconds = True, beat
        self.drains: list[list[Message]] = []
        self.row_names: dict[str, str] = {}  # launches whose row still has another executor's name for them
        self.broken: list[tuple[str, Exception]] = []
        self.plan = MachinePlan(
            deployment=DEPLOYMENT,
            namespaces=namespaces,
            connect=self._connect,
            airflow=Airflow(
                rows=self.database,
                intake=intake,
                mint=lambda launch, life: TOKEN,
                pods=self.pods,
                callback_launch=callback_launch,
                mutate=mutate,
            ),
            policy=Policy(**{"job_id": JOB, **policy}),
            keep=keep or KeepPolicy(),
            launch=launch or LaunchPolicy(),
            rhythm=Rhythm(reconcile=reconcile),
            create_qps=create_qps,
            log_folder=log_folder,
            now=self._calendar,
        )

    async def _connect(self) -> Cluster:
        return self.kube

    def _calendar(self) -> datetime:
        return self.kube.now()

    async def __aenter__(self) -> Self:
        self.loop = asyncio.get_running_loop()
        self._others = asyncio.all_tasks()
        self.outbox = WitnessedOutbox(self.database)
        self.lease = Lease(self.plan.lease, self.loop.time)
        self.machine = Machine(self.plan, self.kube, self.outbox, self.lease)
        self._tasks = [self.loop.create_task(self._forever(name, part)) for name, part in self.machine.parts()]
        self._tasks.append(self.loop.create_task(self._beat()))
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        await self.close()
        if kind is None:
            self.check()

    async def close(self) -> None:
        """As the supervisor ends it. A second call does nothing."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if not self.kube.closed:
            await self.machine.close(3.0)

    def check(self) -> None:
        """What must hold whatever happened."""
        assert self.broken == []
        for drain in self.drains:
            keys = [m.key for m in drain if isinstance(m, Event) and m.outcome is not Outcome.STARTED]
            assert len(keys) == len(set(keys)), "two events for one key in one drain"
        for event, state, launch_id in self.outbox.witnessed:
            if state is not None:
                mine = launch_id in (event.launch_id, self.row_names.get(event.launch_id))
                assert (state in LIVE_STATES, mine) == (True, True), f"{event} for a row in {state}"
        assert asyncio.all_tasks() - self._others == set(), "tasks are left on the loop"

    async def _forever(self, name: str, part: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await part()
            except Exception as error:  # noqa: BLE001
                self.broken.append((name, error))
            await asyncio.sleep(RESTART_SECONDS)

    # -- the scheduler

    async def _beat(self) -> None:
        while True:
            if self.beating:
                self.heartbeat()
            await asyncio.sleep(self._beat_seconds)

    def heartbeat(self) -> None:
        self.lease.renew()
        drained = self.outbox.drain()
        self.drains.append(drained)
        for message in drained:
            if isinstance(message, Event):
                self.database.apply(message)

    def task(self, task_id: str, **kwargs: Any) -> Ti:
        return self.database.add(task_id, **kwargs)

    def tasks(self, number: int, **kwargs: Any) -> list[Ti]:
        return [self.task(f"t{index}", **kwargs) for index in range(number)]

    def queue(self, ti: Ti) -> Launch:
        """Queued in the database and handed to the executor."""
        launch = self.database.queue(ti)
        self.machine.submit([launch])
        return launch

    def queue_all(self, tis: Sequence[Ti]) -> list[Launch]:
        launches = [self.database.queue(ti) for ti in tis]
        self.machine.submit(launches)
        return launches

    def callback(self) -> Launch:
        """A callback, queued and handed to the executor."""
        launch = self.callback_launch()
        self.database.callbacks[launch.id] = "queued"
        self.machine.submit([launch])
        return launch

    def callback_launch(self) -> Launch:
        id_ = self.database.new_launch_id()
        return Launch(id_, Kind.CALLBACK, id_, id_, "dag", "callback", "run", 1, -1, workload=b"{}")

    async def passes(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    # -- what the scheduler was told

    def events(self, launch: Launch) -> list[Event]:
        return [m for drain in self.drains for m in drain if isinstance(m, Event) and m.launch_id == launch.id]

    def drained_events(self) -> list[Event]:
        """Of all launches."""
        return [message for drain in self.drains for message in drain if isinstance(message, Event)]

    def outcomes(self, launch: Launch) -> list[Outcome]:
        return [event.outcome for event in self.events(launch)]

    def settled(self, launch: Launch) -> int:
        found = [m for drain in self.drains for m in drain if isinstance(m, Settled) and m.launch_id == launch.id]
        return len(found)

    def said(self, launch: Launch, event: str = "") -> list[str]:
        """Texts for Airflow's event log."""
        entries = [m for drain in self.drains for m in drain if isinstance(m, LogEntry) and m.key == launch.key]
        return [m.extra for m in entries if event in ("", m.event)]

    @property
    def slots(self) -> int:
        return len(self.machine.tracker)

    # -- the cluster

    def pods_of(self, launch: Launch) -> list[Play]:
        """This launch's pods, oldest first."""
        mine = [k for k, pod in self.kube.pods.items() if pod["metadata"]["labels"].get(LAUNCH_LABEL) == launch.id]
        return [self.kube.play(name, namespace) for namespace, name in mine]

    def pod_of(self, launch: Launch) -> Play:
        """The one pod of this launch."""
        (pod,) = self.pods_of(launch)
        return pod

    def created(self, launch: Launch) -> int:
        """How many pods were ever made for it."""
        return self.kube.born.count(launch.id)

    def runs(self, launch: Launch) -> Play:
        """The pod starts and its worker passes `/run`; it needs its workload for that."""
        pod = self.pod_of(launch)
        assert TOKEN.encode() in self.workload_of(pod, launch)
        pod.running()
        ti = self.database.tis.get(launch.ti_id)
        if ti is not None and (ti.state, ti.external_executor_id) == ("queued", launch.id):
            ti.state, ti.hostname = "running", pod.key[1]
        return pod

    def workload_of(self, pod: Play, launch: Launch) -> bytes:
        """What the pod finds in its volume. Raises KeyError when its Secret does not exist."""
        secret = self.kube.pods[pod.key]["metadata"]["annotations"][SECRET_ANNOTATION]
        return self.kube.secrets[pod.key[0], secret].data[launch.id]

    def succeeds(self, launch: Launch) -> Play:
        """The worker reports success and its container ends."""
        self.database.tis[launch.ti_id].state = "success"
        return self.pod_of(launch).finish(0)


def in_namespace(namespace: str) -> dict[str, object]:
    """An executor_config that sends the pod there."""
    return {"pod_override": {"metadata": {"namespace": namespace}}}


def all_log_text(records: Sequence[logging.LogRecord]) -> str:
    formatter = logging.Formatter()
    return "\n".join(formatter.format(record) for record in records)


__all__ = ["EPOCH", "JOB", "TOKEN", "Cluster", "World", "all_log_text", "identity_of", "in_namespace"]
