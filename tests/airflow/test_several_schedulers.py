"""Two schedulers at once, one of them frozen: at most one live pod per launch, and exactly one run of the task."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from executor.control.janitor import PATIENCE as ITS_PATIENCE
from executor.demo.database import TaskRow
from executor.demo.pod_template import write_pod_template
from executor.demo.processes import Child, wait_until
from tests.airflow.harness import PATIENCE, Deployment
from tests.airflow.light_worker import light_pod

pytestmark = pytest.mark.parametrize("database", ["postgresql"], indirect=True, scope="module")

DAGS = """
import time
from pathlib import Path

from airflow.sdk import dag, task


@dag(dag_id="many", schedule=None, max_active_tasks=16)
def many():
    @task
    def work(number):
        time.sleep(2)
        return number

    work.expand(number=list(range(6)))


LIGHT = str(Path(__file__).parent.parent / "light.yaml")
UNTIL_GO = "while ! test -e /opt/airflow/logs/go; do sleep 0.5; done; hostname"
OVERRIDE = {"spec": {"containers": [{"name": "base", "env": [{"name": "TASK", "value": UNTIL_GO}]}]}}


@dag(dag_id="waiting", schedule=None, max_active_tasks=16)
def waiting():
    @task(retries=2, executor_config={"pod_template_file": LIGHT, "pod_override": OVERRIDE})
    def work(number):
        raise AssertionError("a light worker runs no Python")

    work.expand(number=list(range(16)))


many(), waiting()
"""
WAITING = 16
OPTIONS = {"kubernetes_pod_executor": {"reconcile_interval": "1", "create_qps": "5"}}  # one API server starts them


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

    wait_until("the second scheduler", runs, PATIENCE)
    yield child
    child.stop()


def launches(deployment: Deployment) -> Counter[str]:
    return Counter(pod.launch for pod in deployment.watch.pods())


def test_two_schedulers_share_the_work(deployment: Deployment, second: Child) -> None:
    run, state = deployment.airflow.run("many")

    rows = deployment.airflow.task_instances("many", run, "work")
    assert (state, {row.state for row in rows}, {row.try_number for row in rows}) == ("success", {"success"}, {1})
    pods = launches(deployment)
    assert [pods[str(row.external_executor_id)] for row in rows] == [1] * 6
    wait_until("no pod left", lambda: not deployment.watch.live(), PATIENCE)


def freeze_until(child: Child, what: str, fits: Callable[[], bool]) -> None:
    """SIGSTOP until then. Where it holds a lock at that moment, nobody can take over: it is frozen another time."""
    for patience in (40, 40, 120):
        os.killpg(child.pid, signal.SIGSTOP)
        try:
            wait_until(what, fits, patience)
            return
        except TimeoutError:
            continue
        finally:
            os.killpg(child.pid, signal.SIGCONT)
    raise AssertionError(f"{what}: not in three attempts")


def test_row_14_a_scheduler_that_was_frozen_harms_nothing(deployment: Deployment, second: Child) -> None:
    """A live but slow scheduler is declared dead, and its running tasks are reset or their pods deleted.

    We promise: whoever takes over follows the pods as they are, and the one that comes back lets go of them; no task is
    run again and no result is lost. Size: 16 running tasks, and a freeze that lasts until another scheduler has adopted
    all of them.
    """
    airflow, go = deployment.airflow, deployment.home.logs / "go"
    write_pod_template(deployment.home.path / "light.yaml", light_pod(deployment.home))
    run = airflow.trigger("waiting")

    def rows() -> list[TaskRow]:
        return airflow.task_instances("waiting", run, "work")

    wait_until(f"{WAITING} running tasks", lambda: [row.state for row in rows()] == ["running"] * WAITING, PATIENCE)
    before = [(row.map_index, row.try_number, row.external_executor_id, row.hostname) for row in rows()]
    jobs = [job.id for job in airflow.database.jobs(job_type="SchedulerJob") if job.state == "running"]
    schedulers = {min(jobs): airflow.component("scheduler"), max(jobs): second}
    ((most, _),) = Counter(row.queued_by_job_id for row in rows()).most_common(1)
    frozen, (heir,) = schedulers.pop(most), schedulers
    freeze_until(frozen, "all adopted", lambda: {row.queued_by_job_id for row in rows()} == {heir})
    over = time.monotonic() + ITS_PATIENCE + 3  # it would give a worker that has reported so long to end by itself
    wait_until("the frozen one to live on for a while", lambda: time.monotonic() > over, PATIENCE)
    assert {row.state for row in rows()} == {"running"}
    go.touch()

    assert airflow.wait_run("waiting", run) == "success"
    assert [(row.map_index, row.try_number, row.external_executor_id, row.hostname) for row in rows()] == before
    assert {row.state for row in rows()} == {"success"}
    assert [launches(deployment)[str(row.external_executor_id)] for row in rows()] == [1] * WAITING
    results = [airflow.api.xcom("waiting", run, "work", map_index=row.map_index) for row in rows()]
    assert results == [row.hostname for row in rows()]
    wait_until("no pod left", lambda: not deployment.watch.live(), PATIENCE)
