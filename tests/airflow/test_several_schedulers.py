"""Two schedulers at once, one of them frozen: at most one live pod per launch, and exactly one run of the task."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from executor.demo.processes import Child, wait_until
from tests.airflow.harness import Deployment

pytestmark = pytest.mark.parametrize("database", ["postgresql"], indirect=True, scope="module")

DAGS = """
import time

from airflow.sdk import dag, task


@dag(dag_id="many", schedule=None, max_active_tasks=16)
def many():
    @task
    def work(number):
        time.sleep(2)
        return number

    work.expand(number=list(range(6)))


@dag(dag_id="one", schedule=None)
def one():
    @task
    def work():
        time.sleep(8)

    work()


many(), one()
"""
OPTIONS = {"kubernetes_pod_executor": {"reconcile_interval": "1"}}


@pytest.fixture
def second(deployment: Deployment) -> Iterator[Child]:
    """Another scheduler of the same deployment."""
    home = deployment.home
    environment = home.environment() | {"AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": "0"}
    child = Child("scheduler-2", ["airflow", "scheduler", "--skip-serve-logs"], environment, home.path / "second.log")
    before = max(job.id for job in deployment.airflow.database.jobs(job_type="SchedulerJob"))

    def runs() -> bool:
        child.require_running()
        jobs = deployment.airflow.database.jobs(job_type="SchedulerJob")
        return any(job.id > before and job.state == "running" for job in jobs)

    wait_until("the second scheduler", runs, 60)
    yield child
    child.stop()


def launches(deployment: Deployment) -> Counter[str]:
    return Counter(pod.launch for pod in deployment.watch.pods())


def test_two_schedulers_share_the_work(deployment: Deployment, second: Child) -> None:
    run, state = deployment.airflow.run("many", timeout=90)

    rows = deployment.airflow.task_instances("many", run, "work")
    assert (state, {row.state for row in rows}, {row.try_number for row in rows}) == ("success", {"success"}, {1})
    pods = launches(deployment)
    assert [pods[str(row.external_executor_id)] for row in rows] == [1] * 6
    wait_until("no pod left", lambda: not deployment.watch.live(), 30)


def test_a_scheduler_that_was_frozen_harms_nothing(deployment: Deployment, second: Child) -> None:
    """Whichever of the two queued the task: it is frozen for longer than a heartbeat may be late, and comes back."""
    run = deployment.airflow.trigger("one")
    row = deployment.airflow.wait_task("one", run, "work", "queued", "running")
    schedulers = {"first": deployment.airflow.component("scheduler"), "second": second}
    jobs = [job.id for job in deployment.airflow.database.jobs(job_type="SchedulerJob") if job.state == "running"]
    frozen = schedulers["first" if row.queued_by_job_id == min(jobs) else "second"]
    os.killpg(frozen.pid, signal.SIGSTOP)
    try:
        patience = time.monotonic() + 25
        wait_until("longer than a heartbeat may be late", lambda: time.monotonic() > patience, 30)
    finally:
        os.killpg(frozen.pid, signal.SIGCONT)

    assert deployment.airflow.wait_run("one", run, timeout=90) == "success"
    row = deployment.airflow.task("one", run, "work")
    assert (row.state, row.try_number) == ("success", 1)
    assert launches(deployment)[str(row.external_executor_id)] == 1
    wait_until("no pod left", lambda: not deployment.watch.live(), 40)
