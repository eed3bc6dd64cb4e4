"""Pods that somebody deletes while their task runs: with real workers, and a real row in PostgreSQL.

A worker that is told to stop forwards it to the task; what the task makes of it decides who reports what, and when.
"""

from __future__ import annotations

import pytest

from executor.demo.processes import wait_until
from tests.airflow.harness import PATIENCE, Deployment

pytestmark = pytest.mark.parametrize("database", ["postgresql"], indirect=True, scope="module")

DAGS = """
import signal
import time
from datetime import timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import dag, task

SOON = {"pod_override": {"spec": {"terminationGracePeriodSeconds": 4}}}
LATER = {"pod_override": {"spec": {"terminationGracePeriodSeconds": 20}}}


@dag(dag_id="silent", schedule=None)
def silent():
    @task(retries=1, retry_delay=timedelta(seconds=1), executor_config=SOON)
    def work(**context):
        if context["ti"].try_number == 1:
            time.sleep(900)

    work()


@dag(dag_id="reports", schedule=None)
def reports():
    BashOperator(
        task_id="work",
        bash_command='[ "{{ ti.try_number }}" = 1 ] && sleep 900 || true',
        retries=1,
        retry_delay=timedelta(seconds=1),
        executor_config=LATER,
    )


@dag(dag_id="last", schedule=None)
def last():
    BashOperator(task_id="work", bash_command="sleep 900", retries=0, executor_config=LATER)


silent(), reports(), last()
"""


def disrupt(deployment: Deployment, dag: str) -> tuple[str, str]:
    """Delete the pod of the running task; (run, launch)."""
    run = deployment.airflow.trigger(dag)
    launch = str(deployment.airflow.wait_task(dag, run, "work", "running").external_executor_id)
    pod = deployment.watch.wait_for("its pod", lambda pod: pod.launch == launch and pod.phase == "Running")
    deployment.cluster.core.delete_namespaced_pod(pod.name, pod.namespace)
    return run, launch


def said(deployment: Deployment, dag: str, run: str, event: str) -> list[str]:
    return [entry.extra for entry in deployment.airflow.event_logs(dag, run, "work") if entry.event == event]


@pytest.mark.parametrize("dag", ["silent", "reports"])
def test_the_try_is_given_back(deployment: Deployment, dag: str) -> None:
    run, launch = disrupt(deployment, dag)

    assert deployment.airflow.wait_run(dag, run) == "success"
    row = deployment.airflow.task(dag, run, "work")
    assert (row.state, row.try_number, row.max_tries) == ("success", 2, 2)
    [sentence] = said(deployment, dag, run, "pod disrupted")
    assert "was deleted by somebody else" in sentence
    assert "no retry is spent" in sentence
    assert launch in sentence
    deployment.watch.wait_gone(launch)


def test_a_last_try_that_its_worker_failed_stays_failed(deployment: Deployment) -> None:
    run, launch = disrupt(deployment, "last")

    assert deployment.airflow.wait_run("last", run) == "failed"
    deployment.watch.wait_gone(launch)
    row = deployment.airflow.task("last", run, "work")
    assert (row.state, row.try_number, row.max_tries) == ("failed", 1, 0)
    wait_until("nothing left", lambda: not deployment.watch.live(), PATIENCE)
    assert said(deployment, "last", run, "pod disrupted") == []
