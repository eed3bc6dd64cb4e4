"""One real task, through the real scheduler, in one pod."""

from __future__ import annotations

from tests.airflow.harness import Deployment, on_both_databases

pytestmark = on_both_databases

DAGS = """
import socket

from airflow.sdk import dag, task


@dag(dag_id="first_light", schedule=None)
def first_light():
    @task
    def hello():
        print("hello from", socket.gethostname())
        return socket.gethostname()

    hello()


first_light()
"""


def test_a_task_runs_in_one_pod_that_is_deleted_afterwards(deployment: Deployment) -> None:
    airflow = deployment.airflow

    run_id, state = airflow.run("first_light")

    row = airflow.task("first_light", run_id, "hello")
    assert (state, row.state, row.try_number) == ("success", "success", 1)
    deployment.watch.wait_gone(row.external_executor_id)
    [pod] = deployment.watch.pods()
    assert pod.launch == row.external_executor_id
    assert pod.namespace == deployment.namespace
    # The task itself says where it ran.
    assert airflow.api.xcom("first_light", run_id, "hello") == pod.name == row.hostname
    assert f"hello from {pod.name}" in airflow.api.task_log("first_light", run_id, "hello")
