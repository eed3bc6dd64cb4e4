"""The long tests of PodOperator, under SOAK=1: crashes at random, a triggerer frozen for two minutes, memory."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from executor.demo.processes import wait_until
from tests.airflow.harness import Deployment

pytestmark = [
    pytest.mark.skipif(not os.environ.get("SOAK"), reason="takes minutes: SOAK=1"),
    pytest.mark.parametrize("database", ["postgresql"], indirect=True, scope="module"),
    pytest.mark.timeout(3600),
]

REPOSITORY = Path(__file__).parents[2]
COMPONENTS = ("api-server", "scheduler", "dag-processor", "triggerer")
SCHEDULER_ENV = {"PYTHONPATH": str(REPOSITORY)}
OPTIONS = {
    "triggerer": {"triggerer_health_check_threshold": "6", "job_heartbeat_sec": "1"},
    "scheduler": {"scheduler_health_check_threshold": "10"},
}
TASKS = int(os.environ.get("SOAK_TASKS", "200"))
DAGS = (Path(__file__).parent / "dags" / "waiting.py").read_text()
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
        airflow.restart(name, env=SCHEDULER_ENV)
        crashes += 1
        assert crashes < 200
    rows = airflow.task_instances("crashed", run, "one")
    assert Counter(row.state for row in rows) == {"success": TASKS}
    pods = Counter(pod.labels.get("map_index") for pod in deployment.watch.pods() if pod.labels["dag_id"] == "crashed")
    assert pods == Counter(str(index) for index in range(TASKS))
    values = [airflow.api.xcom("crashed", run, "one", map_index=index) for index in range(TASKS)]
    assert values == list(range(TASKS))
    print(f"{TASKS} tasks through {crashes} crashes, seed {seed}: {sum(pods.values())} pods")


def test_what_a_triggerer_cannot_answer_fails_the_task(deployment: Deployment) -> None:
    deployment.add_dags("crashed", CRASHED)
    run, state = deployment.airflow.run("unanswered", timeout=240)
    assert state == "failed"
    log = deployment.airflow.api.task_log("unanswered", run, "asks")
    assert "were not rendered within 60 s" in log
    log = deployment.airflow.api.task_log("unanswered", run, "nowhere")
    assert "the connection 'no_such_connection' (kubernetes_conn_id) cannot be read" in log


def test_what_a_waiting_task_costs(deployment: Deployment) -> None:
    airflow = deployment.airflow
    kilobytes: dict[str, float] = {}
    for name in ("bare_1", "pods_1", "bare_20", "pods_20", "bare_200", "pods_200"):
        size = int(name.rpartition("_")[2])
        runs = max(1, 200 // size)
        airflow.restart("triggerer", env=SCHEDULER_ENV)
        triggerer = airflow.component("triggerer").pid
        time.sleep(5)
        before = _memory(triggerer)
        started = [airflow.trigger(name) for _ in range(runs)]
        wait_until(f"{name} deferred", lambda name=name, many=runs * size: _deferred(deployment, name) == many, 600)
        if name.startswith("pods"):
            wait_until(f"pods of {name}", lambda name=name, many=runs * size: _live(deployment, name) == many, 600)
        time.sleep(30)
        kilobytes[name] = (_memory(triggerer) - before) / (runs * size)
        for run in started:
            for row in airflow.task_instances(name, run):
                airflow.api.mark(name, run, row.task_id, "failed")
        wait_until(f"{name} over", lambda name=name: not _deferred(deployment, name), 600)
        wait_until(f"no pod of {name}", lambda name=name: not _live(deployment, name), 600)
    beyond = {size: kilobytes[f"pods_{size}"] - kilobytes[f"bare_{size}"] for size in (1, 20, 200)}
    print("KB per waiting task:", {name: round(value, 1) for name, value in kilobytes.items()}, "beyond:", beyond)
    assert max(beyond.values()) <= 20


def _memory(pid: int) -> float:
    """Private memory of a triggerer in KB: its supervisor, its runner and its log server together."""
    children = [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return sum(map(_private, [pid, *children]))


def _private(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(float(line.split()[1]) for line in lines if line.startswith(("Private_Clean", "Private_Dirty")))


def _deferred(deployment: Deployment, dag_id: str) -> int:
    return sum(row.state == "deferred" for row in deployment.airflow.database.task_instances(dag_id=dag_id))


def _live(deployment: Deployment, dag_id: str) -> int:
    return sum(pod.labels.get("dag_id") == dag_id for pod in deployment.watch.live())
