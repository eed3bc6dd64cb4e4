"""A missed deadline with a SyncCallback: it runs in a pod of its own, and the scheduler lives; if it does not, the
callback runs at most once, and its row says what became of it.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import text

from executor.control.callbacks import REASON
from executor.demo.pods import SeenPod
from executor.demo.processes import wait_until
from tests.airflow.harness import PATIENCE, Deployment

# A pod that never starts misses every deadline, and costs nothing.
DAGS = """
from datetime import timedelta
from pathlib import Path

from airflow.sdk import DeadlineAlert, DeadlineReference, SyncCallback, dag, task

GATED = {"pod_override": {"spec": {"schedulingGates": [{"name": "example.com/held"}]}}}


def tell(word, **kwargs):
    import os

    run = kwargs["context"]["dag_run"]["dag_run_id"]
    (Path("/opt/airflow/logs") / "told").write_text(f"{word} {run} {os.environ['HOSTNAME']}")


def break_down(**kwargs):
    raise RuntimeError("nobody answers")


def until_go(word, **kwargs):
    import time

    logs = Path("/opt/airflow/logs")
    with (logs / "began").open("a") as began:
        began.write(word + chr(10))
    while not (logs / "go").exists():
        time.sleep(0.2)


def make(dag_id, callback):
    alert = DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT, interval=timedelta(seconds=1), callback=callback
    )

    @dag(dag_id=dag_id, schedule=None, deadline=alert)
    def late():
        @task(executor_config=GATED)
        def wait():
            return 1

        wait()

    late()


make("late", SyncCallback(tell, kwargs={"word": "late"}))
make("late_and_broken", SyncCallback(break_down))
for name in ("followed", "deleted", "unposted"):
    make(name, SyncCallback(until_go, kwargs={"word": name}))
"""
OPTIONS = {
    # A callback without a pod is given up after a few leases, which are half of the threshold.
    "scheduler": {"scheduler_health_check_threshold": "4"},
    "kubernetes_pod_executor": {"reconcile_interval": "1"},
}


@dataclass(frozen=True)
class Missed:
    """A callback that has ended, and its pod."""

    deployment: Deployment
    run: str
    state: str
    output: str | None
    pods: list[SeenPod]


def callbacks(deployment: Deployment, dag: str) -> list[dict[str, Any]]:
    """Rows of Airflow's table of callbacks, with what they are about."""
    with deployment.airflow.database.connect() as connection:
        rows = connection.execute(text("SELECT CAST(id AS VARCHAR(36)) AS id, state, output, data FROM callback"))
        found = [dict(row) for row in rows.mappings()]
    return [row for row in found if f'"{dag}"' in json.dumps(row["data"]).replace("\\", "")]


def missed(deployment: Deployment, dag: str) -> Missed:
    """Run the DAG, wait for its callback's end."""
    run = deployment.airflow.trigger(dag)

    def ended() -> dict[str, Any] | None:
        rows = [row for row in callbacks(deployment, dag) if row["state"] in ("success", "failed")]
        return rows[0] if rows else None

    row = wait_until(f"the callback of {dag}", ended, PATIENCE)
    return Missed(deployment, run, row["state"], row["output"], callback_pods(deployment, dag))


def callback_pods(deployment: Deployment, dag: str) -> list[SeenPod]:
    pods = [pod for pod in deployment.watch.pods() if pod.labels.get("airflow-kind") == "callback"]
    return [pod for pod in pods if pod.labels["dag_id"] == dag]


@pytest.fixture(scope="module")
def told(deployment: Deployment) -> Missed:
    return missed(deployment, "late")


@pytest.fixture(scope="module")
def broken(deployment: Deployment) -> Missed:
    return missed(deployment, "late_and_broken")


def test_the_callback_runs_in_a_pod_of_its_own(told: Missed) -> None:
    said = (told.deployment.home.logs / "told").read_text()

    assert (told.state, len(told.pods)) == ("success", 1)
    assert said == f"late {told.run} {told.pods[0].name}"


def test_its_launch_is_the_callback_itself(told: Missed) -> None:
    row = callbacks(told.deployment, "late")[0]

    assert told.pods[0].launch.replace("-", "") == row["id"].replace("-", "")
    assert told.pods[0].annotations["run_id"] == told.run


def test_a_callback_that_raises_is_failed_with_its_sentence(broken: Missed) -> None:
    assert (broken.state, len(broken.pods)) == ("failed", 1)
    assert broken.output
    assert f"Pod {broken.deployment.namespace}/{broken.pods[0].name}" in broken.output
    assert "container base ended with exit code 1" in broken.output
    assert "RuntimeError: Callback subprocess exited with code 1" in broken.output


# -- the scheduler is killed (SIGKILL) ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Crashes:
    """Runs by DAG: the scheduler was killed while two callbacks were pending, and again while they ran, one more was
    queued and had no pod yet, and the pod of one was deleted before the next scheduler started. orphans: Secrets that
    were there then."""

    deployment: Deployment
    runs: dict[str, str]
    orphans: set[str]


def wait_callback(deployment: Deployment, dag: str, *states: str) -> dict[str, Any]:
    def there() -> dict[str, Any] | None:
        return next((row for row in callbacks(deployment, dag) if row["state"] in states), None)

    return wait_until(f"the callback of {dag} {'/'.join(states)}", there, PATIENCE)


def crash(deployment: Deployment, meanwhile: Callable[[], object] = lambda: None) -> set[str]:
    """Returns the Secrets that are there when it is killed: a sweep, minutes later, is for those."""
    deployment.airflow.kill("scheduler", signal.SIGKILL)
    orphans = {secret.metadata.name for secret in secrets(deployment)}
    meanwhile()
    deployment.airflow.start_component("scheduler")
    return orphans


def secrets(deployment: Deployment) -> list[Any]:
    ours = {"namespace": deployment.namespace, "label_selector": "airflow-deployment"}
    return list(deployment.cluster.core.list_namespaced_secret(**ours).items)


def cordon(deployment: Deployment, closed: bool) -> None:
    deployment.cluster.core.patch_node("local", {"spec": {"unschedulable": closed}})


def miss_while_pending(deployment: Deployment, *dags: str) -> tuple[dict[str, str], set[str]]:
    """Their pods wait for a node while the scheduler is killed; then they run. (Runs, orphans.)"""
    cordon(deployment, True)
    try:
        runs = {dag: deployment.airflow.trigger(dag) for dag in dags}
        for dag in dags:
            wait_until(f"the pod of {dag}", lambda dag=dag: callback_pods(deployment, dag), PATIENCE)
        orphans = crash(deployment)
    finally:
        cordon(deployment, False)
    for dag in dags:
        wait_callback(deployment, dag, "running")
    wait_until("both callbacks", lambda: len(began(deployment)) == len(dags), PATIENCE)
    return runs, orphans


def miss_without_a_place(deployment: Deployment, dag: str) -> str:
    """Its callback is queued, its pod is refused for want of quota."""
    core, namespace = deployment.cluster.core, deployment.namespace
    core.create_namespaced_resource_quota(namespace, {"metadata": {"name": "full"}, "spec": {"hard": {"pods": "0"}}})
    run = deployment.airflow.trigger(dag)
    wait_callback(deployment, dag, "queued")
    log = deployment.airflow.component("scheduler").log
    wait_until("the refusal", lambda: "cannot be posted for now" in log.read_text(), PATIENCE)
    return run


def began(deployment: Deployment) -> list[str]:
    """The callbacks that began to run, each as often as it did."""
    ledger = deployment.home.logs / "began"
    return sorted(ledger.read_text().split()) if ledger.exists() else []


@pytest.fixture(scope="module")
def crashes(deployment: Deployment) -> Crashes:
    runs, orphans = miss_while_pending(deployment, "followed", "deleted")
    runs["unposted"] = miss_without_a_place(deployment, "unposted")
    (lost,) = callback_pods(deployment, "deleted")

    def meanwhile() -> None:
        core, namespace = deployment.cluster.core, deployment.namespace
        core.delete_namespaced_pod(lost.name, lost.namespace, grace_period_seconds=0)
        deployment.watch.wait_gone(lost.launch)
        core.delete_namespaced_resource_quota("full", namespace)

    orphans |= crash(deployment, meanwhile)
    (deployment.home.logs / "go").touch()
    return Crashes(deployment, runs, orphans)


def test_a_callback_outlives_its_schedulers(crashes: Crashes) -> None:
    """Killed while it was pending, and again while it ran: the next scheduler follows its pod to the end."""
    row = wait_callback(crashes.deployment, "followed", "success", "failed")

    assert (row["state"], len(callback_pods(crashes.deployment, "followed"))) == ("success", 1)


@pytest.mark.parametrize(("dag", "pods"), [("deleted", 1), ("unposted", 0)])
def test_a_callback_without_scheduler_and_pod_is_failed_with_the_reason(crashes: Crashes, dag: str, pods: int) -> None:
    row = wait_callback(crashes.deployment, dag, "success", "failed")

    assert (row["state"], row["output"]) == ("failed", REASON)
    assert len(callback_pods(crashes.deployment, dag)) == pods


def test_no_callback_ran_twice(crashes: Crashes) -> None:
    assert began(crashes.deployment) == ["deleted", "followed"]


def test_the_scheduler_lives_and_nothing_is_left(told: Missed, broken: Missed, crashes: Crashes) -> None:
    deployment = told.deployment
    for dag, run in (("late", told.run), ("late_and_broken", broken.run), *crashes.runs.items()):
        deployment.airflow.api.mark(dag, run, "wait", "success")

    deployment.watch.wait_gone()
    assert deployment.airflow.component("scheduler").returncode is None
    wait_until("no Secret", lambda: {one.metadata.name for one in secrets(deployment)} <= crashes.orphans, PATIENCE)
