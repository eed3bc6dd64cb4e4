"""Schedulers that die, take over, are asked for a dump, or cannot reach Kubernetes; pods that are taken back."""

from __future__ import annotations

import signal
import time
from typing import Any

import pytest

from executor.demo.cluster import LocalCluster
from executor.demo.pod_template import write_pod_template
from executor.demo.processes import wait_until
from tests.airflow.harness import PATIENCE, Deployment, on_both_databases
from tests.airflow.light_worker import light_pod

DAGS = """
import time
from pathlib import Path

from airflow.sdk import dag, task

GATED = {"schedulingGates": [{"name": "example.com/held"}]}
LIGHT = str(Path(__file__).parent.parent / "light.yaml")


@dag(dag_id="long", schedule=None)
def long():
    @task
    def wait(**context):
        while not (Path("/opt/airflow/logs") / f"go-{context['run_id']}").exists():
            time.sleep(0.1)

    wait()


@dag(dag_id="gated", schedule=None)
def gated():
    @task(executor_config={"pod_override": {"spec": GATED}})
    def wait():
        return 1

    wait()


@dag(dag_id="gated_light", schedule=None)
def gated_light():
    @task(executor_config={"pod_template_file": LIGHT, "pod_override": {"spec": GATED}})
    def wait():
        raise AssertionError("a light worker runs no Python")

    wait()


long(), gated(), gated_light()
"""

OPTIONS = {"kubernetes_pod_executor": {"reconcile_interval": "1"}}
QUEUED_TIMEOUT = 10  # seconds; in the one test that is about it
SOON_STUCK = {
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": str(QUEUED_TIMEOUT),
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "1",
}
#: One deployment for all tests that need no other database.
on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True, scope="module")


def ungate(deployment: Deployment, launch: str) -> None:
    pod = deployment.watch.wait_for("its pod", lambda p: p.launch == launch)
    patch: list[dict[str, Any]] = [{"op": "remove", "path": "/spec/schedulingGates"}]
    deployment.cluster.core.patch_namespaced_pod(pod.name, pod.namespace, patch)


def freeze(deployment: Deployment, number: signal.Signals) -> None:
    assert isinstance(deployment.cluster, LocalCluster)
    deployment.cluster.child.kill(number)


def go(deployment: Deployment, run: str) -> None:
    """The long task of this run may end."""
    (deployment.home.logs / f"go-{run}").touch()


def queued(deployment: Deployment, dag: str) -> tuple[str, str]:
    run = deployment.airflow.trigger(dag)
    row = deployment.airflow.wait_task(dag, run, "wait", "queued", "running")
    assert row.external_executor_id
    deployment.watch.wait_for("its pod", lambda pod: pod.launch == row.external_executor_id)
    return run, row.external_executor_id


@on_both_databases
def test_a_new_scheduler_adopts_the_pods_of_one_that_was_killed(deployment: Deployment) -> None:
    airflow = deployment.airflow
    run, launch = queued(deployment, "long")
    gated_run, gated_launch = queued(deployment, "gated")
    airflow.wait_task("long", run, "wait", "running")
    airflow.kill("scheduler", signal.SIGKILL)
    airflow.start_component("scheduler")

    go(deployment, run)
    assert airflow.wait_run("long", run) == "success"
    ungate(deployment, gated_launch)
    assert airflow.wait_run("gated", gated_run) == "success"

    assert (airflow.task("long", run, "wait").try_number, airflow.task("gated", gated_run, "wait").try_number) == (1, 1)
    assert len(deployment.watch.pods(launch)) == len(deployment.watch.pods(gated_launch)) == 1
    deployment.watch.wait_gone(launch)
    deployment.watch.wait_gone(gated_launch)


@on_sqlite
def test_a_task_that_is_marked_failed_while_it_waits_leaves_no_pod_and_no_secret(deployment: Deployment) -> None:
    run, launch = queued(deployment, "gated")
    deployment.airflow.api.mark("gated", run, "wait", "failed")

    deployment.watch.wait_gone(launch)
    core, namespace = deployment.cluster.core, deployment.namespace
    ours = {"label_selector": "airflow-deployment"}
    [pod] = deployment.watch.pods(launch)
    its = pod.annotations["airflow-workload-secret"]

    def secrets() -> list[str]:
        return [one.metadata.name for one in core.list_namespaced_secret(namespace, **ours).items]

    wait_until("no workload Secret", lambda: its not in secrets(), PATIENCE)


@on_sqlite
def test_an_api_server_that_does_not_answer_stops_nothing_for_ever(deployment: Deployment) -> None:
    """Tasks stay queued, the scheduler lives and says so once, everything goes on afterwards."""
    airflow = deployment.airflow
    log = airflow.component("scheduler").log
    before = len(log.read_text())
    freeze(deployment, signal.SIGSTOP)
    try:
        run = airflow.trigger("long")
        airflow.wait_task("long", run, "wait", "queued")
        patience = time.monotonic() + 8
        wait_until("some time", lambda: time.monotonic() > patience, PATIENCE)
        assert airflow.task("long", run, "wait").state == "queued"
        assert airflow.component("scheduler").returncode is None
    finally:
        freeze(deployment, signal.SIGCONT)

    go(deployment, run)
    assert airflow.wait_run("long", run) == "success"
    row = airflow.task("long", run, "wait")
    assert row.try_number == 1
    assert len(deployment.watch.pods(row.external_executor_id)) == 1
    complaints = [line for line in log.read_text()[before:].splitlines() if "warning" in line and "executor." in line]
    assert len(complaints) <= 3


@on_sqlite
def test_a_dump_is_asked_for(deployment: Deployment) -> None:
    log = deployment.airflow.component("scheduler").log
    deployment.airflow.kill("scheduler", signal.SIGUSR2)

    wait_until("totals in the log", lambda: "queued tasks 0, queued callbacks 0, running" in log.read_text(), PATIENCE)


@on_sqlite
def test_the_scheduler_ends_in_good_order_while_a_pod_runs(deployment: Deployment) -> None:
    airflow = deployment.airflow
    run, launch = queued(deployment, "long")
    airflow.wait_task("long", run, "wait", "running")
    scheduler = airflow.component("scheduler")
    airflow.kill("scheduler", signal.SIGTERM)
    wait_until("the scheduler gone", lambda: scheduler.returncode is not None, PATIENCE)
    assert "left behind" not in scheduler.log.read_text()
    airflow.start_component("scheduler")

    go(deployment, run)
    assert airflow.wait_run("long", run) == "success"
    assert len(deployment.watch.pods(launch)) == 1


@on_sqlite
def test_a_pod_gated_for_three_queue_timeouts_starts_with_a_valid_token(deployment: Deployment) -> None:
    """The last test: the scheduler that it starts has a timeout that no real worker is sure to keep."""
    write_pod_template(deployment.home.path / "light.yaml", light_pod(deployment.home))
    deployment.airflow.kill("scheduler")
    deployment.airflow.start_component("scheduler", env=SOON_STUCK)
    run, launch = queued(deployment, "gated_light")
    patience = time.monotonic() + 3 * QUEUED_TIMEOUT + 1
    wait_until("three task_queued_timeouts", lambda: time.monotonic() > patience, PATIENCE)
    logs = deployment.airflow.event_logs("gated_light", run, "wait")
    said = [entry.extra for entry in logs if entry.event == "pod waiting"]
    ungate(deployment, launch)

    assert deployment.airflow.wait_run("gated_light", run) == "success"
    row = deployment.airflow.task("gated_light", run, "wait")
    assert (row.try_number, row.external_executor_id) == (1, launch)
    assert len(deployment.watch.pods(launch)) == 1
    assert [text for text in said if "scheduling gate example.com/held" in text]
