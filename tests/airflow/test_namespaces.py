"""Several namespaces, one of them forbidden and one missing: who aims there fails with a sentence, the others go on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime

import pytest

from executor.demo.cluster import LocalCluster
from executor.demo.pod_template import write_pod_template
from tests.airflow.harness import Deployment, deploy
from tests.airflow.light_worker import light_pod

DAGS = """
from pathlib import Path

from airflow.sdk import dag, task

LIGHT = str(Path(__file__).parent.parent / "light.yaml")
NAMESPACES = {
    "default_one": None,
    "other": "scenario-other",
    "forbidden": "scenario-forbidden",
    "missing": "scenario-missing",
    "invalid": "Not_A_Name",
    "not_listed": "default",
}


@dag(dag_id="namespaces", schedule=None)
def namespaces():
    for task_id, namespace in NAMESPACES.items():
        override = {"metadata": {"namespace": namespace}} if namespace else {}

        @task(task_id=task_id, retries=0, executor_config={"pod_template_file": LIGHT, "pod_override": override})
        def one():
            raise AssertionError("a light worker runs no Python")

        one()


@dag(dag_id="afterwards", schedule=None)
def afterwards():
    for task_id in ("default_one", "forbidden"):
        override = {"metadata": {"namespace": NAMESPACES[task_id]}} if NAMESPACES[task_id] else {}

        @task(task_id=task_id, retries=0, executor_config={"pod_template_file": LIGHT, "pod_override": override})
        def one():
            raise AssertionError("a light worker runs no Python")

        one()


namespaces(), afterwards()
"""

FIRST, OTHER, FORBIDDEN, MISSING = "scenario-first", "scenario-other", "scenario-forbidden", "scenario-missing"
OPTIONS = {
    "kubernetes_executor": {
        "multi_namespace_mode": "True",
        "multi_namespace_mode_namespace_list": ",".join((FIRST, OTHER, FORBIDDEN, MISSING)),
    }
}
# What the DAG author reads must name: what was wrong, where, and what to do.
SENTENCES = {
    "forbidden": ("403", FORBIDDEN, "service account"),
    "missing": (f'namespaces "{MISSING}" not found', f"Create namespace {MISSING}", "set (pod_override)"),
    "invalid": ("metadata.namespace", "Not_A_Name", "pod_override"),
    "not_listed": ("metadata.namespace", "default", "multi_namespace_mode_namespace_list", "pod_override"),
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, cluster: LocalCluster) -> Iterator[tuple[Deployment, str]]:
    """The run in which every task is aimed at its namespace; one is forbidden before the scheduler starts."""
    cluster.ensure_namespace(FORBIDDEN)
    cluster.admin("forbid", namespace=FORBIDDEN)
    folder = tmp_path_factory.mktemp("namespaces")
    try:
        with deploy(
            folder, cluster, dags=DAGS, namespace=FIRST, other_namespaces=(OTHER,), options=OPTIONS
        ) as deployment:
            write_pod_template(deployment.home.path / "light.yaml", light_pod(deployment.home))
            run, _ = deployment.airflow.run("namespaces")
            yield deployment, run
    finally:
        cluster.admin("forbid", namespace=FORBIDDEN, forbidden=False)


@pytest.mark.parametrize(("task", "namespace"), [("default_one", FIRST), ("other", OTHER)])
def test_tasks_aimed_at_the_other_namespaces_finish(ran: tuple[Deployment, str], task: str, namespace: str) -> None:
    deployment, run = ran
    row = deployment.airflow.task("namespaces", run, task)
    pods = deployment.watch.pods(row.external_executor_id)

    assert row.state == "success"
    assert [pod.namespace for pod in pods] == [namespace]
    deployment.watch.wait_gone(row.external_executor_id)


@pytest.mark.parametrize("task", SENTENCES)
def test_the_task_fails_within_ten_seconds_and_says_why(ran: tuple[Deployment, str], task: str) -> None:
    deployment, run = ran
    row = deployment.airflow.task("namespaces", run, task)
    logs = deployment.airflow.event_logs("namespaces", run, task)
    said = "\n".join(entry.extra for entry in logs if entry.event == "pod failed")

    assert (row.state, row.try_number) == ("failed", 1)
    assert [part for part in SENTENCES[task] if part not in said] == [], said
    assert said in deployment.airflow.api.task_log("namespaces", run, task)
    # Beyond what a task that succeeds needs on this machine, now.
    assert seconds(deployment, run, task) < 10 + seconds(deployment, run, "default_one")


def seconds(deployment: Deployment, run: str, task: str) -> float:
    """From queued to its end."""
    row = deployment.airflow.task("namespaces", run, task)
    assert row.queued_at
    assert row.ended_at
    return (row.ended_at - row.queued_at).total_seconds()


def test_only_the_missing_namespace_was_tried_twice(ran: tuple[Deployment, str]) -> None:
    """A second try comes after five seconds: as the executor's own log has it, which no heartbeat delays."""
    deployment, run = ran

    assert seconds(deployment, run, "missing") >= 5
    assert (failed_at(deployment, run, "missing") - failed_at(deployment, run, "forbidden")).total_seconds() > 2.5


def failed_at(deployment: Deployment, run: str, task: str) -> datetime:
    (file,) = deployment.home.logs.glob(f"dag_id=namespaces/run_id={run}/task_id={task}/*.executor.log")
    (line,) = [entry for entry in map(json.loads, file.read_text().splitlines()) if entry["level"] == "error"]
    return datetime.fromisoformat(line["timestamp"])


def test_the_scheduler_lives_and_the_namespace_may_be_allowed_again(ran: tuple[Deployment, str]) -> None:
    deployment, _ = ran
    assert isinstance(deployment.cluster, LocalCluster)
    assert deployment.airflow.component("scheduler").returncode is None
    deployment.cluster.admin("forbid", namespace=FORBIDDEN, forbidden=False)

    run, state = deployment.airflow.run("afterwards")

    states = {row.task_id: row.state for row in deployment.airflow.task_instances("afterwards", run)}
    assert (state, states) == ("success", {"default_one": "success", "forbidden": "success"})
