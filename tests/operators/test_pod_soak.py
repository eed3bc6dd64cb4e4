"""PodOperator through kill -9 of triggerer and scheduler at random, and what a triggerer cannot answer; under SOAK=1.

Memory and requests of many waiting tasks: `test_pod_waiting.py`. A triggerer frozen for two minutes, and all else
at full size: `test_pod_operator.py`, under SOAK=1.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from executor.demo.pods import SeenPod
from executor.demo.processes import wait_until
from tests.airflow.harness import Deployment

pytestmark = [
    pytest.mark.skipif(not os.environ.get("SOAK"), reason="takes minutes: SOAK=1"),
    pytest.mark.parametrize("database", ["postgresql"], indirect=True, scope="module"),
    pytest.mark.timeout(3600),
]

COMPONENTS = ("api-server", "scheduler", "dag-processor", "triggerer")
OPTIONS = {
    "triggerer": {"triggerer_health_check_threshold": "6", "job_heartbeat_sec": "1"},
    "scheduler": {"scheduler_health_check_threshold": "10"},
}
TASKS = int(os.environ.get("SOAK_TASKS", "200"))
CRASHED = f"""
from airflow.sdk import dag
from executor.operators import PodOperator

@dag(schedule=None, max_active_tasks=1000)
def crashed():
    one = PodOperator.partial(task_id="one", image="any", cmds=["/bin/sh", "-c"], do_xcom_push=True)
    scripts = [[f"sleep {{1 + n % 7}}; echo {{n}} > /airflow/xcom/return.json"] for n in range({TASKS})]
    one.expand(arguments=scripts)

crashed()

@dag(schedule=None)
def unanswered():
    PodOperator(task_id="asks", image="any", arguments=["{{{{ task_state_store.get('x') }}}}"])
    PodOperator(task_id="nowhere", image="any", kubernetes_conn_id="no_such_connection")

unanswered()
"""

LEFT = """
from datetime import timedelta
from airflow.sdk import Asset, dag
from executor.operators import PodOperator

@dag(schedule=None)
def left():
    PodOperator(
        task_id="left",
        image="any",
        cmds=["/bin/sh", "-c"],
        arguments=["until [ -e /gates/open ]; do sleep 0.2; done; echo 7 > /airflow/xcom/return.json"],
        do_xcom_push=True,
        outlets=[Asset("left")],
        retries=1,
        retry_delay=timedelta(seconds=1),
        volumes=[{"name": "gates", "hostPath": {"path": "{{ dag_run.conf['gates'] }}"}}],
        volume_mounts=[{"name": "gates", "mountPath": "/gates"}],
    )

left()
"""


def test_crashes_at_random_lose_nothing(deployment: Deployment) -> None:
    seed = int(os.environ.get("SOAK_SEED", "1"))
    chance = random.Random(seed)
    airflow = deployment.airflow
    deployment.add_dags("crashed", CRASHED)
    run = airflow.trigger("crashed")
    crashes = 0
    while airflow.database.run_state("crashed", run) not in ("success", "failed"):
        time.sleep(chance.uniform(2, 8))
        name = chance.choice(("triggerer", "triggerer", "scheduler"))
        airflow.kill(name, signal.SIGKILL)
        airflow.restart(name)
        crashes += 1
        assert crashes < 200
    rows = airflow.task_instances("crashed", run, "one")
    assert Counter(row.state for row in rows) == {"success": TASKS}
    pods = Counter(pod.labels.get("map_index") for pod in deployment.watch.pods() if pod.labels["dag_id"] == "crashed")
    assert pods == Counter(str(index) for index in range(TASKS))
    values = [airflow.api.xcom("crashed", run, "one", map_index=index) for index in range(TASKS)]
    assert values == list(range(TASKS))
    print(f"{TASKS} tasks through {crashes} crashes, seed {seed}: {sum(pods.values())} pods")


def test_a_lost_worker_leaves_a_pod_that_the_next_follows(deployment: Deployment, tmp_path: Path) -> None:
    deployment.add_dags("left", LEFT)
    airflow, watch = deployment.airflow, deployment.watch
    run = airflow.trigger("left", {"gates": str(tmp_path)})

    def pods(kind: str) -> list[SeenPod]:
        return [pod for pod in watch.pods() if pod.labels.get("dag_id") == "left" and kind in pod.labels]

    wait_until("the task's pod runs", lambda: any(pod.running_at for pod in pods("kubernetes_pod_operator")), 120)
    worker = pods("kubernetes_executor")[0]
    deployment.cluster.core.delete_namespaced_pod(worker.name, worker.namespace, grace_period_seconds=0)
    airflow.wait_task("left", run, "left", "running", try_number=2, timeout=120)
    log = partial(airflow.api.task_log, "left", run, "left", 2)
    wait_until("the next try goes on", lambda: "Reusing existing pod of try 1" in log(), 120)
    (tmp_path / "open").touch()
    assert airflow.wait_run("left", run, 120) == "success"
    assert len(pods("kubernetes_pod_operator")) == 1
    assert airflow.api.xcom("left", run, "left") == 7


def test_what_a_triggerer_cannot_answer_fails_the_task(deployment: Deployment) -> None:
    deployment.add_dags("crashed", CRASHED)
    run, state = deployment.airflow.run("unanswered", timeout=240)
    assert state == "failed"
    log = deployment.airflow.api.task_log("unanswered", run, "asks")
    assert "were not rendered within 60 s" in log
    log = deployment.airflow.api.task_log("unanswered", run, "nowhere")
    assert "the connection 'no_such_connection' (kubernetes_conn_id) cannot be read" in log
