"""Real tasks with Airflow's own workers, through the soak's faults and a scheduler that is killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from executor.demo.cluster import LocalCluster
from executor.demo.processes import wait_until
from tests.airflow.harness import Deployment, deploy
from tests.airflow.postgres import PostgresServer
from tests.soak.run import CHECKOUT
from tests.soak.weather import Climate, Weather

TASKS = 200 if os.environ.get("SOAK") else 10
SECONDS = 2400 if os.environ.get("SOAK") else 400
OTHERS = 4  # fails, is_retried, gives_up, total
NAMESPACE = "real"
COLLECTION_SECONDS = 150
Task = tuple[str, int]  # task id, map index

DAGS = f"""
from datetime import timedelta

from airflow.sdk import dag, task


# A machine that others use is slow, and a worker that is not answered within 5 s gives up.
PATIENT = {{"name": "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT", "value": "60"}}
OVERRIDE = {{"spec": {{"containers": [{{"name": "base", "env": [PATIENT]}}]}}}}
ARGS = {{"executor_config": {{"pod_override": OVERRIDE}}}}


@dag(dag_id="real", schedule=None, max_active_tasks=4, default_args=ARGS)
def real():
    @task
    def square(number):
        return number * number

    @task
    def fails():
        raise RuntimeError("on purpose")

    @task(retries=1, retry_delay=timedelta(0))
    def is_retried(**context):
        if context["ti"].try_number == 1:
            raise RuntimeError("on purpose")
        return "the second time"

    @task
    def total(numbers):
        return sum(numbers)

    @task(trigger_rule="all_failed")
    def gives_up():
        return "as it has to be"

    fails() >> gives_up()
    is_retried()
    total(square.expand(number=list(range({TASKS - OTHERS}))))


real()
"""
OPTIONS = {"kubernetes_pod_executor": {"reconcile_interval": "3"}}

pytestmark = pytest.mark.timeout(3 * SECONDS)


@pytest.fixture(scope="module")
def deployment(server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("real")
    url = server.new_database()
    with (
        LocalCluster(folder / "cluster") as cluster,
        deploy(
            folder,
            cluster,
            dags=DAGS,
            namespace=NAMESPACE,
            executor="tests.soak.executor.SoakExecutor",
            database_url=url,
            options=OPTIONS,
            env={"PYTHONPATH": str(CHECKOUT)},
        ) as running,
    ):
        yield running


class Run:
    """The run that everything happens to."""

    def __init__(self, deployment: Deployment) -> None:
        assert isinstance(deployment.cluster, LocalCluster)
        self.airflow, self.cluster = deployment.airflow, deployment.cluster
        self.weather = Weather(deployment.cluster, NAMESPACE, Climate(history_every=15))
        self.id = self.airflow.trigger("real")

    def over(self) -> bool:
        self.weather.blow()
        return self.airflow.database.run_state("real", self.id) in ("success", "failed")

    def under_way(self) -> bool:
        done = [row for row in self.airflow.task_instances("real", self.id) if row.state == "success"]
        return self.over() or len(done) > TASKS // 3

    def ends(self) -> dict[Task, tuple[str | None, int]]:
        rows = self.airflow.task_instances("real", self.id)
        return {(row.task_id, row.map_index): (row.state, row.try_number) for row in rows}

    def xcoms(self) -> dict[Task, object]:
        api, tasks = self.airflow.api, expected_xcoms()
        return {(task, number): api.xcom("real", self.id, task, map_index=number) for task, number in tasks}

    def left(self) -> tuple[int, int]:
        """Pods and workload Secrets."""
        secrets = self.cluster.core.list_namespaced_secret(NAMESPACE, label_selector="airflow-deployment").items
        return len(self.cluster.pods(NAMESPACE)), len(secrets)


def expected_ends() -> dict[Task, tuple[str | None, int]]:
    ends: dict[Task, tuple[str | None, int]] = {("square", number): ("success", 1) for number in range(TASKS - OTHERS)}
    others = {"fails": ("failed", 1), "is_retried": ("success", 2), "gives_up": ("success", 1), "total": ("success", 1)}
    return ends | {(task, -1): end for task, end in others.items()}


def expected_xcoms() -> dict[Task, object]:
    squares: dict[Task, object] = {("square", number): number * number for number in range(TASKS - OTHERS)}
    others = {"is_retried": "the second time", "gives_up": "as it has to be", "total": sum(squares.values())}  # type: ignore[arg-type]
    return squares | {(task, -1): value for task, value in others.items()}


def test_real_tasks_come_to_their_ends(deployment: Deployment) -> None:
    run = Run(deployment)
    run.weather.begin()
    wait_until("a third of the tasks", run.under_way, SECONDS)
    run.airflow.kill("scheduler", signal.SIGKILL)
    run.airflow.start_component("scheduler")
    wait_until("the run over", run.over, SECONDS)
    run.weather.end()
    run.weather.lose_history()

    assert run.ends() == expected_ends()
    assert run.xcoms() == expected_xcoms()
    wait_until("nothing left", lambda: run.left() == (0, 0), COLLECTION_SECONDS)
    weather = run.weather
    print(f"\n{TASKS} real tasks; {weather.bursts} bursts of 429, history lost {weather.losses} times")
    print(dict(weather.requests))
