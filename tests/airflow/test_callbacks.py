"""A missed deadline with a SyncCallback: it runs in a pod of its own, and the scheduler lives."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import text

from executor.demo.pods import SeenPod
from executor.demo.processes import wait_until
from tests.airflow.harness import Deployment

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
"""
OPTIONS = {"kubernetes_pod_executor": {"reconcile_interval": "1"}}


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

    row = wait_until(f"the callback of {dag}", ended, 40)
    pods = [
        p for p in deployment.watch.pods() if p.labels.get("airflow-kind") == "callback" and p.labels["dag_id"] == dag
    ]
    return Missed(deployment, run, row["state"], row["output"], pods)


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
    assert broken.output.endswith("RuntimeError: Callback subprocess exited with code 1")


def test_the_scheduler_lives_and_nothing_is_left(told: Missed, broken: Missed) -> None:
    deployment, core = told.deployment, told.deployment.cluster.core
    for dag, run in (("late", told.run), ("late_and_broken", broken.run)):
        deployment.airflow.api.mark(dag, run, "wait", "success")

    deployment.watch.wait_gone()
    assert deployment.airflow.component("scheduler").returncode is None
    ours = {"namespace": deployment.namespace, "label_selector": "airflow-deployment"}
    wait_until("no Secret", lambda: not core.list_namespaced_secret(**ours).items, 30)
