"""Two installations of Airflow in one namespace, the second one made from a copy of the first one's database while that
has a task waiting and a task running: DAG, run, task, try and launch ids, and with them the names of pods, are the
same in both. Each runs, adopts and collects its own pods and leaves the other's alone.
"""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from executor.demo.cluster import LocalCluster
from executor.demo.database import TaskRow
from executor.demo.home import AirflowHome
from executor.demo.pods import SeenPod
from executor.demo.processes import wait_until
from tests.airflow.harness import PATIENCE, Deployment, deploy
from tests.airflow.light_worker import env, light_pod

DAGS = """
from datetime import timedelta

from airflow.sdk import dag, task

GATED = {"pod_override": {"spec": {"schedulingGates": [{"name": "example.com/held"}]}}}


@dag(dag_id="both", schedule=None)
def both():
    @task(executor_config=GATED, retries=5, retry_delay=timedelta(seconds=1))
    def waits():
        raise AssertionError("a light worker runs no Python")

    @task(retries=5, retry_delay=timedelta(seconds=1))
    def runs():
        raise AssertionError("a light worker runs no Python")

    waits(), runs()


both()
"""
UNTIL_GO = "while ! test -e /opt/airflow/logs/go; do sleep 0.2; done; hostname"
QUICK = {
    "scheduler": {"scheduler_health_check_threshold": "5", "orphaned_tasks_check_interval": "1"},
    "kubernetes_pod_executor": {"reconcile_interval": "1"},
}


@dataclass(frozen=True)
class Installation:
    """One of the two, and the pods that carry its label."""

    deployment: Deployment
    run: str
    tries: int  # of the task that runs, when the database was copied
    orphans: set[str] = field(default_factory=set)  # Secrets that a killed scheduler leaves to a sweep, minutes later

    @property
    def label(self) -> str:
        """What its pods are marked with, as its scheduler says at start."""
        log = self.deployment.airflow.component("scheduler").log.read_text()
        return log.rpartition("airflow-deployment=")[2].split()[0]

    def pods(self, task: str = "") -> list[SeenPod]:
        """Every pod it ever had, oldest first."""
        seen = [pod for pod in self.deployment.watch.pods() if pod.labels["airflow-deployment"] == self.label]
        return [pod for pod in seen if task in ("", pod.annotations["task_id"])]

    def living(self) -> list[SeenPod]:
        return [pod for pod in self.pods() if pod.deleted_at is None]

    def task(self, task: str) -> TaskRow:
        return self.deployment.airflow.task("both", self.run, task)

    def crash(self) -> None:
        """Its scheduler is killed and started again."""
        self.deployment.airflow.kill("scheduler", signal.SIGKILL)
        self.orphans.update(self.secrets())
        self.deployment.airflow.start_component("scheduler")

    def secrets(self) -> set[str]:
        """Workload Secrets of both."""
        ours = {"namespace": self.deployment.namespace, "label_selector": "airflow-deployment"}
        return {one.metadata.name for one in self.deployment.cluster.core.list_namespaced_secret(**ours).items}

    def go(self) -> None:
        """Its waiting pods may be scheduled, its workers may end."""
        gates: list[dict[str, Any]] = [{"op": "remove", "path": "/spec/schedulingGates"}]
        for pod in self.living():
            if pod.annotations["task_id"] == "waits":
                self.deployment.cluster.core.patch_namespaced_pod(pod.name, pod.namespace, gates)
        (self.deployment.home.logs / "go").touch()


def held_worker(home: AirflowHome) -> dict[str, Any]:
    """Runs until its installation's `go`."""
    pod = light_pod(home)
    pod["spec"]["containers"][0]["env"] += env(TASK=UNTIL_GO)
    return pod


def copy_database(source: Path, target: Path) -> None:
    """As a dump would: one consistent moment, while it is in use."""
    target.parent.mkdir(parents=True)
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory, cluster: LocalCluster) -> Iterator[Installation]:
    """One task waits behind a gate, one runs."""
    folder, namespace = tmp_path_factory.mktemp("first"), f"airflow-{uuid4().hex[:6]}"
    with deploy(folder, cluster, dags=DAGS, namespace=namespace, options=QUICK, template=held_worker) as deployment:
        run = deployment.airflow.trigger("both")
        row = deployment.airflow.wait_task("both", run, "runs", "running")
        found = Installation(deployment, run, row.try_number)
        wait_until("the pod that waits", lambda: found.pods("waits"), PATIENCE)
        yield found


@pytest.fixture(scope="module")
def second(
    tmp_path_factory: pytest.TempPathFactory, cluster: LocalCluster, first: Installation
) -> Iterator[Installation]:
    """The copy; no DAG processor, since its database knows the DAG."""
    folder = tmp_path_factory.mktemp("second")
    copy_database(first.deployment.home.path / "airflow.db", folder / "airflow" / "airflow.db")
    with deploy(
        folder,
        cluster,
        namespace=first.deployment.namespace,
        options=QUICK,
        components=("api-server",),
        template=held_worker,
    ) as deployment:
        deployment.airflow.start_component("scheduler")  # its workers need the API server at once
        yield Installation(deployment, first.run, first.tries)


@pytest.fixture(scope="module")
def played(first: Installation, second: Installation) -> tuple[Installation, Installation]:
    """Both under way, both crashed, then the copy to its end and collected, and only then the first one."""
    wait_until("the pod that waits in the copy", lambda: second.pods("waits"), PATIENCE)
    wait_until("the task that runs, in the copy", lambda: second.pods("runs"), PATIENCE)
    wait_until("its worker", lambda: second.task("runs").state == "running", PATIENCE)
    for one in (first, second):
        one.crash()
    finish(second)
    assert {pod.annotations["task_id"] for pod in first.living()} == {"waits", "runs"}
    finish(first)
    return first, second


def finish(one: Installation) -> None:
    one.go()
    assert one.deployment.airflow.wait_run("both", one.run) == "success"
    wait_until("none of its pods left", lambda: not one.living(), PATIENCE)


def test_the_first_one_never_noticed(played: tuple[Installation, Installation]) -> None:
    first, _ = played

    assert first.task("runs").try_number == first.tries
    for task in ("waits", "runs"):
        pod, row = first.pods(task)[-1], first.task(task)
        assert (row.state, row.hostname) == ("success", pod.name)
        assert len(first.pods(task)) == row.try_number
        assert pod.last["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 0


def test_the_copy_has_pods_of_its_own(played: tuple[Installation, Installation]) -> None:
    """What was queued is launched under another name, what was running elsewhere is lost to it and tried again."""
    first, second = played

    assert first.label != second.label
    assert second.pods("waits")[0].launch == first.pods("waits")[0].launch
    for task, before in (("waits", 0), ("runs", first.tries)):
        row = second.task(task)
        assert (row.state, row.hostname) == ("success", second.pods(task)[-1].name)
        assert len(second.pods(task)) == row.try_number - before
    assert not {pod.name for pod in first.pods()} & {pod.name for pod in second.pods()}


def test_nothing_of_either_is_left(played: tuple[Installation, Installation]) -> None:
    first, second = played

    wait_until("no Secret", lambda: first.secrets() <= first.orphans | second.orphans, PATIENCE)
    assert first.deployment.watch.live() == []
