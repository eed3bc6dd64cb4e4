"""The executor meets every cause at once, driven as the scheduler drives it.

Rows are a stand-in that says what a worker would have written; everything else is real.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from executor.demo.cluster import LocalCluster
from executor.demo.processes import wait_until
from executor.identity import LAUNCH_LABEL
from executor.model import GivenBack, Launch, Row
from tests.cluster.cause_stage import NAMESPACE, NOT_OURS, Stage, cluster_options, environment, write_files
from tests.cluster.causes import CAUSES, DISRUPTED, FAILED, PLACES, RELAUNCHED, Cause, Json
from tests.speed.burst import WorkersSucceed
from tests.workloads import task_workload

DAG = "sales"
PATIENCE = 240.0


class Rows(WorkersSucceed):
    """The rows that the scheduler and the workers would have written."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.given_back: dict[str, GivenBack] = {}
        self.told: list[tuple[str, str, str]] = []

    async def read(self, launches: Sequence[Launch]) -> Mapping[str, Row]:
        return {one.id: self.rows[one.id] for one in launches}

    async def give_back(self, launch: Launch, sentence: str, *, reported: bool) -> GivenBack:
        if self.given_back[launch.id] is GivenBack.GIVEN:
            self.told.append((launch.id, DISRUPTED, f"{sentence} Its try is given back, no retry is spent."))
        return self.given_back[launch.id]

    async def note_relaunch(self, launch: Launch, sentence: str) -> None:
        self.told.append((launch.id, RELAUNCHED, sentence))


@dataclass(slots=True)
class Told:
    """All that was said about one cause's task, by event; file: what lies beside its log."""

    launch: str
    entries: list[tuple[str, str]] = field(default_factory=list)
    file: str = ""

    def of(self, event: str) -> list[str]:
        """Texts in the order they came; that a busy machine's scheduler is late is no cause of ours."""
        return [text for kind, text in self.entries if kind == event and "no scheduler" not in text]


@dataclass(frozen=True, slots=True)
class Ended:
    """When all is over: what was told of each cause, and names of the pods and workload Secrets that are left."""

    told: Mapping[str, Told]
    folder: Path
    pods: Sequence[str]
    secrets: Sequence[str]


class Driver:
    """The executor, and what a scheduler does with it."""

    def __init__(self, executor: Any, rows: Rows, stage: Stage, folder: Path) -> None:
        self.executor, self.rows, self.stage, self.folder = executor, rows, stage, folder
        self.told: dict[str, Told] = {}
        self._cause_of: dict[str, str] = {}
        self._done: set[str] = set()  # uids

    def queue(self, causes: Mapping[str, Cause]) -> None:
        for name, cause in causes.items():
            workload = make_workload(name, cause.config)
            launch, ti = workload.ti.external_executor_id, workload.ti
            self.rows.rows[launch] = Row(str(ti.id), cause.row, ti.try_number, launch, 1, "")
            self.rows.given_back[launch] = cause.given_back
            self.told[name], self._cause_of[launch] = Told(launch), name
            self.executor.queue_workload(workload, session=None)

    def beat(self) -> None:
        """What the scheduler does with a heartbeat: states into rows, entries into the event log."""
        self.executor.heartbeat()
        for key, (state, _) in self.executor.get_event_buffer().items():
            told = self.told[key.task_id]
            self.rows.rows[told.launch] = replace(self.rows.rows[told.launch], state=str(state))
        while self.executor._task_event_logs:
            entry = self.executor._task_event_logs.popleft()
            self.told[entry.task_id].entries.append((entry.event, entry.extra))
        while self.rows.told:
            launch, event, text = self.rows.told.pop()
            self.told[self._cause_of[launch]].entries.append((event, text))

    def act(self, causes: Mapping[str, Cause]) -> None:
        """Do to each pod, once, what its cause does."""
        waiting = set(self.missing(causes)) & PLACES.keys()
        for pod in self.stage.cluster.pods(NAMESPACE):
            meta = pod["metadata"]
            cause = causes.get(self._cause_of.get(meta.get("labels", {}).get(LAUNCH_LABEL, ""), ""))
            if cause is None or cause.act is None or meta["uid"] in self._done or "deletionTimestamp" in meta:
                continue
            if cause.when(self.stage, pod) and not (cause.late and waiting):
                self._done.add(meta["uid"])
                cause.act(self.stage, pod)

    def missing(self, causes: Mapping[str, Cause]) -> list[str]:
        """Causes that nothing has been told of yet, or whose task has not ended."""
        unsettled = {key.task_id for key in self.executor.running}
        return [
            name
            for name, cause in causes.items()
            if (cause.event and not self.told[name].of(cause.event))
            or (cause.event in (FAILED, "") and name in unsettled)
        ]

    def run(self, causes: Mapping[str, Cause]) -> None:
        self.queue(causes)
        deadline = time.monotonic() + PATIENCE
        while missing := self.missing(causes):
            assert time.monotonic() < deadline, f"not told within {PATIENCE:.0f} s: {missing}"
            self.beat()
            self.act(causes)
            time.sleep(0.1)
        for told in self.told.values():
            self.executor._abandon(told.launch, "the test ends")
        wait_until("nothing left", self._tidied, PATIENCE, pause=0.1)

    def _tidied(self) -> bool:
        """Pods that wait for ever were taken back; deletes are answered, and what is left of owners is collected."""
        self.beat()
        return self.stage.pods() == [NOT_OURS] and not self.stage.secrets()

    def read_files(self) -> None:
        for name, told in self.told.items():
            file = self.folder / "logs" / f"{log_path(name)}.executor.log"
            told.file = file.read_text() if file.exists() else ""


def log_path(name: str) -> str:
    return f"dag_id={DAG}/run_id=run/task_id={name}/attempt=1.log"


def make_workload(name: str, config: Json) -> Any:
    return task_workload(DAG, name, config, log_path(name))


def tell(folder: Path, cluster: LocalCluster, causes: Mapping[str, Cause]) -> Ended:
    """Let each cause happen."""
    from executor.kubernetes_executor import KubernetesExecutor

    rows = Rows()

    class Driven(KubernetesExecutor):
        def _open_rows(self, settings: Any) -> Any:
            return rows

    stage = Stage(cluster)
    stage.prepare()
    executor = Driven(parallelism=1000)
    executor.job_id = 1
    executor.start()
    driver = Driver(executor, rows, stage, folder)
    try:
        driver.run({name: placed(folder, one) for name, one in causes.items()})
    finally:
        executor.end()
    driver.read_files()
    return Ended(driver.told, folder, stage.pods(), stage.secrets())


def placed(folder: Path, cause: Cause) -> Cause:
    """The same with templates where they lie."""
    template = cause.config.get("pod_template_file")
    return replace(cause, config={"pod_template_file": str(folder / template)}) if template else cause


def collect(folder: Path, causes: Mapping[str, Cause] = CAUSES) -> Ended:
    """Start everything, let the causes happen, stop everything."""
    before = dict(os.environ)
    os.environ |= environment(folder)
    write_files(folder)
    try:
        with LocalCluster(folder, *cluster_options(folder)) as cluster:
            return tell(folder, cluster, causes)
    finally:
        os.environ.clear()
        os.environ |= before
