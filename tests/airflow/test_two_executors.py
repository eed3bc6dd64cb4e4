"""This executor beside others in one scheduler: launch ids are its own, and Airflow's own Kubernetes executor and this
one leave each other's pods alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from executor.demo.cluster import LocalCluster
from executor.demo.database import TaskRow
from executor.demo.pod_template import write_pod_template
from executor.demo.pods import PodWatch, SeenPod
from executor.demo.processes import wait_until
from tests.airflow.harness import EXECUTOR, PATIENCE, Deployment, deploy
from tests.airflow.light_worker import env, light_pod

THEIRS = "airflow.providers.cncf.kubernetes.executors.kubernetes_executor.KubernetesExecutor"

NAMED = f"""
from airflow.sdk import dag, task

NAMES = {{"by_alias": "pods", "by_path": "{EXECUTOR}", "by_class_name": "KubernetesExecutor"}}


@dag(dag_id="named", schedule=None)
def named():
    for task_id, name in NAMES.items():

        @task(task_id=task_id, executor=name)
        def one():
            raise AssertionError("a light worker runs no Python")

        one()

    @task
    def by_default():
        import os

        return os.getppid()

    by_default()


named()
"""

BOTH = """
from airflow.sdk import dag, task


@dag(dag_id="both", schedule=None)
def both():
    @task
    def theirs():
        raise AssertionError("a light worker runs no Python")

    @task(executor="pods")
    def ours():
        raise AssertionError("a light worker runs no Python")

    theirs(), ours()


both()
"""

# The first run of a task reschedules it: a second launch of the same try.
TWICE = 'mark=/opt/airflow/logs/$(hostname | sed "s/-[^-]*$//"); test -e $mark || { touch $mark; exit 75; }; hostname'
UNTIL_GO = "while ! test -e /opt/airflow/logs/go; do sleep 0.2; done; hostname"


@contextmanager
def running(
    folder: Path, cluster: LocalCluster, dags: str, executor: str, shell: str, **more: str
) -> Iterator[Deployment]:
    """A deployment whose pods run a shell line; `more` goes into `[kubernetes_executor]`."""
    namespace = f"airflow-{uuid4().hex[:6]}"
    options = {"kubernetes_executor": {"pod_template_file": str(folder / "light.yaml"), **more}}
    with deploy(folder, cluster, dags=dags, namespace=namespace, executor=executor, options=options) as deployment:
        template = light_pod(deployment.home)
        template["spec"]["containers"][0]["env"] += env(TASK=shell)
        write_pod_template(folder / "light.yaml", template)
        yield deployment


# -- beside the LocalExecutor ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def named(
    tmp_path_factory: pytest.TempPathFactory, cluster: LocalCluster
) -> Iterator[tuple[Deployment, dict[str, TaskRow]]]:
    """Tasks that name the executor in three ways, each with two launches in one try, and one of the LocalExecutor."""
    folder = tmp_path_factory.mktemp("named")
    with running(folder, cluster, NAMED, f"LocalExecutor,pods:{EXECUTOR}", TWICE) as deployment:
        run, state = deployment.airflow.run("named")
        assert state == "success"
        yield deployment, {row.task_id: row for row in deployment.airflow.task_instances("named", run)}


def pods_of(deployment: Deployment, task: str) -> list[SeenPod]:
    return [pod for pod in deployment.watch.pods() if pod.annotations.get("task_id") == task]


@pytest.mark.parametrize("task", ["by_alias", "by_path", "by_class_name"])
def test_each_launch_has_an_id_of_its_own_and_the_row_names_the_last(
    named: tuple[Deployment, dict[str, TaskRow]], task: str
) -> None:
    """By class name Airflow 3.3 assigns no launch id, and leaves that of the launch before."""
    deployment, rows = named
    pods = pods_of(deployment, task)

    assert [pod.labels["try_number"] for pod in pods] == ["1", "1"]
    assert pods[0].launch != pods[1].launch
    assert rows[task].external_executor_id == pods[1].launch
    assert (rows[task].hostname, rows[task].try_number) == (pods[1].name, 1)


def test_the_other_executors_task_has_no_pod(named: tuple[Deployment, dict[str, TaskRow]]) -> None:
    deployment, rows = named

    assert rows["by_default"].state == "success"
    assert pods_of(deployment, "by_default") == []
    assert len(deployment.watch.pods()) == 6


# -- beside Airflow's own Kubernetes executor --------------------------------------------------------------------------


class Marks(PodWatch):
    """A watch that keeps what a pod is marked with, and each change of it, by the pod's name."""

    def __init__(self, kubeconfig: Path, *namespaces: str) -> None:
        super().__init__(kubeconfig, *namespaces)
        self.of: dict[str, list[str]] = {}

    def __enter__(self) -> Marks:
        super().__enter__()
        return self

    def _take(self, pod: dict[str, Any], deleted: bool = False) -> None:
        meta = pod["metadata"]
        seen = self.of.setdefault(meta["name"], [])
        mark = json.dumps([meta.get(name) for name in ("labels", "annotations", "ownerReferences")], sort_keys=True)
        if mark not in seen[-1:]:
            seen.append(mark)
        super()._take(pod, deleted)


@dataclass(frozen=True)
class Both:
    """Two runs of a task on each executor, after their end. All pods are kept."""

    deployment: Deployment
    rows: list[TaskRow]
    marks: dict[str, list[str]]

    def hosts(self, task: str) -> list[str]:
        """The pods of one of the two tasks, by their names."""
        return [str(row.hostname) for row in self.rows if row.task_id == task]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, cluster: LocalCluster) -> Iterator[Both]:
    """One run is over when the scheduler is killed, another under way; the next scheduler adopts what it finds."""
    folder = tmp_path_factory.mktemp("both")
    with (
        running(folder, cluster, BOTH, f"{THEIRS},pods:{EXECUTOR}", UNTIL_GO, delete_worker_pods="False") as deployment,
        Marks(cluster.kubeconfig, deployment.namespace) as marks,
    ):
        airflow, gate = deployment.airflow, deployment.home.logs / "go"
        gate.touch()
        first, _ = airflow.run("both")
        gate.unlink()
        second = airflow.trigger("both")
        for task in ("ours", "theirs"):
            airflow.wait_task("both", second, task, "running")
        airflow.kill("scheduler")
        airflow.restart("scheduler")  # what the killed one left of its children ends first
        wait_for_their_adoption(deployment, str(airflow.task("both", second, "theirs").hostname))
        gate.touch()
        airflow.wait_run("both", second)
        rows = [row for run in (first, second) for row in airflow.task_instances("both", run)]
        wait_until(
            "upstream done with its pods",
            lambda: all('"airflow_executor_done"' in m[-1] for m in marks.of.values()),
            PATIENCE,
        )
        yield Both(deployment, rows, marks.of)


def wait_for_their_adoption(deployment: Deployment, name: str) -> None:
    """Until upstream's executor has labelled its running pod with the new scheduler's job."""
    (theirs,) = (pod for pod in deployment.watch.pods() if pod.name == name)
    before = theirs.labels["airflow-worker"]
    deployment.watch.wait_for(
        "upstream's adoption",
        lambda pod: pod.uid == theirs.uid and pod.last["metadata"]["labels"]["airflow-worker"] != before,
    )


def test_each_task_ran_to_its_end_in_its_one_pod_across_the_restart(both: Both) -> None:
    pods = both.deployment.watch.pods()

    assert [(row.state, row.try_number) for row in both.rows] == [("success", 1)] * 4
    assert sorted(pod.name for pod in pods) == sorted(str(row.hostname) for row in both.rows)
    assert [(pod.phase, pod.deleted_at) for pod in pods] == [("Succeeded", None)] * 4


def test_nobody_changes_our_pods(both: Both) -> None:
    """Upstream relabels pods when it adopts them and when they are done; ours keep what they were made with."""
    assert [len(both.marks[name]) for name in both.hosts("ours")] == [1, 1]


def test_we_mark_nothing_of_their_pods(both: Both) -> None:
    marks = [mark for name in both.hosts("theirs") for mark in both.marks[name]]
    ours = ("airflow-deployment", "airflow-launch", "airflow-workload-secret", "ti_id")

    assert len(marks) > 2  # upstream's own: the scheduler that adopted it, and that it is done
    assert [mark for mark in marks for name in ours if f'"{name}"' in mark] == []


def test_our_launch_ids_are_our_rows_only(both: Both) -> None:
    launches = {pod.name: pod.launch for pod in both.deployment.watch.pods()}
    ids = {row.hostname: row.external_executor_id for row in both.rows if row.task_id == "ours"}

    assert {name: launch for name, launch in launches.items() if launch} == ids
