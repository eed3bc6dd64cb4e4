"""The end of a pod that is seen only when the task's next launch is queued already: with one key for both, an event
about the first would hit the second. Each ends in the right state and try, and, where the check of the row is switched
off, does not: so the check is what holds it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from kubernetes.client import ApiException
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from executor.demo.cluster import LocalCluster
from executor.demo.database import TaskRow
from executor.demo.processes import wait_until
from tests.airflow.harness import PATIENCE, Deployment, deploy

DAGS = """
import time
from datetime import timedelta
from pathlib import Path

from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger
from airflow.sdk import BaseOperator, BaseSensorOperator, dag, task

GATED = {"pod_override": {"spec": {"schedulingGates": [{"name": "example.com/held"}]}}}


def until_go(dag_id):
    while not (Path("/opt/airflow/logs") / f"go-{dag_id}").exists():  # time for a wrong event to do its harm
        time.sleep(0.1)


class SecondTime(BaseSensorOperator):
    def poke(self, context):
        if not context.get("task_reschedule_count", 0):
            return False
        until_go(self.dag_id)
        return True


class Defers(BaseOperator):
    def execute(self, context):
        self.defer(trigger=TimeDeltaTrigger(timedelta(seconds=1)), method_name="resume")

    def resume(self, context, event=None):
        until_go(self.dag_id)


@dag(dag_id="long", schedule=None)
def long():
    @task
    def wait(**context):
        time.sleep(900 if context["ti"].try_number == 1 else 0)

    wait()


@dag(dag_id="deferral", schedule=None)
def deferral():
    Defers(task_id="wait")


@dag(dag_id="reschedule", schedule=None)
def reschedule():
    SecondTime(task_id="wait", mode="reschedule", poke_interval=1)


@dag(dag_id="gated", schedule=None)
def gated():
    @task(executor_config=GATED)
    def wait():
        return 1

    wait()


deferral(), reschedule(), gated(), long()
"""

QUEUED_TIMEOUT = 600  # seconds; nobody waits for them, see `Held.let_it_age`
OPTIONS = {
    "scheduler": {"task_queued_timeout": str(QUEUED_TIMEOUT), "task_queued_timeout_check_interval": "1"},
    "kubernetes_pod_executor": {
        "hold_queued_while_waiting": "False",
        "reconcile_interval": "1",
        "confirm_interval": "0.5",
    },
}
COMPONENTS = ("api-server", "scheduler", "dag-processor", "triggerer")


@dataclass
class Held:
    """A deployment whose watch can be held."""

    deployment: Deployment
    folder: Path
    checked: bool

    def hold(self) -> None:
        (self.folder / "hold").touch()

    def release(self) -> None:
        (self.folder / "hold").unlink()

    def row(self, dag: str, run: str) -> TaskRow:
        return self.deployment.airflow.task(dag, run, "wait")

    def is_gone(self, launch: str) -> bool:
        return all(pod.deleted_at for pod in self.deployment.watch.pods(launch))

    def is_harmed(self, dag: str, run: str) -> bool:
        return self.row(dag, run).state == "failed"

    def queued_again(self, dag: str, run: str, first: str) -> TaskRow:
        """Wait for the next launch, or for the harm done to it: where nothing is checked, a wrong event may fail the
        task in the very heartbeat that queued it.
        """

        def second() -> TaskRow | None:
            row = self.row(dag, run)
            again = row.state in ("queued", "running") and row.external_executor_id != first
            return row if again or row.state == "failed" else None

        return wait_until(f"{dag} queued again", second, PATIENCE, pause=0.05)

    def first_launch(self, dag: str, run: str) -> str:
        """That of its first pod, which the row may not name any more."""
        mine = {"dag_id": dag, "run_id": run}
        return self.deployment.watch.wait_for("its pod", lambda pod: mine.items() <= pod.annotations.items()).launch

    def let_it_age(self, dag: str, run: str) -> None:
        """The row as it will be when the task was queued for too long."""
        then = datetime.now(UTC) - timedelta(seconds=QUEUED_TIMEOUT + 1)
        statement = text("UPDATE task_instance SET queued_dttm = :then WHERE dag_id = :dag AND run_id = :run")
        values = {"then": f"{then:%Y-%m-%d %H:%M:%S.%f}", "dag": dag, "run": run}

        def written() -> bool:
            with suppress(OperationalError), self.deployment.airflow.database.connect() as connection:
                connection.execute(statement, values)
                return True
            return False

        wait_until("SQLite not locked", written, PATIENCE)

    def wait_harm(self, what: str, done: Callable[[], object]) -> None:
        """Where nothing is checked, until the harm is done; else until the scheduler has handled whatever the executor
        had to say by now: it is told in one heartbeat, and the next one finds that handled.
        """
        if self.checked:
            self._wait_heartbeats(3)
        else:
            wait_until(what, done, PATIENCE)

    def _wait_heartbeats(self, number: int) -> None:
        seen: set[datetime | None] = set()

        def enough() -> bool:
            (job,) = self.deployment.airflow.database.jobs(job_type="SchedulerJob")
            seen.add(job.latest_heartbeat)
            return len(seen) > number

        wait_until(f"{number} heartbeats", enough, PATIENCE)

    def go(self, dag: str) -> None:
        """The second leg may end."""
        (self.deployment.home.logs / f"go-{dag}").touch()

    def delete_pod(self, launch: str) -> None:
        """By somebody else, unless the executor did it."""
        pod = self.deployment.watch.wait_for("its pod", lambda p: p.launch == launch)
        with suppress(ApiException):
            self.deployment.cluster.core.delete_namespaced_pod(pod.name, pod.namespace)

    def ungate(self, launch: str) -> None:
        pod = self.deployment.watch.wait_for("its pod", lambda p: p.launch == launch)
        patch: list[dict[str, Any]] = [{"op": "remove", "path": "/spec/schedulingGates"}]
        self.deployment.cluster.core.patch_namespaced_pod(pod.name, pod.namespace, patch)


@pytest.fixture(scope="module", params=[True, False], ids=["checked", "unchecked"])
def held(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, cluster: LocalCluster
) -> Iterator[Held]:
    folder = tmp_path_factory.mktemp("held")
    env = {"TEST_HOLD": str(folder), "PYTHONPATH": os.getcwd()}
    with deploy(
        folder,
        cluster,
        dags=DAGS,
        namespace=f"airflow-{uuid4().hex[:6]}",
        executor="tests.airflow.held_executor.HeldExecutor",
        options=OPTIONS,
        components=COMPONENTS,
        env=env if request.param else env | {"TEST_NO_OWNERSHIP": "1"},
    ) as running:
        yield Held(running, folder, request.param)


def settle(held: Held, dag: str, run: str) -> tuple[str | None, int]:
    """(state, try) the task ends in."""
    held.deployment.airflow.wait_run(dag, run)
    row = held.row(dag, run)
    return row.state, row.try_number


@pytest.mark.parametrize("dag", ["deferral", "reschedule"])
def test_the_end_of_the_earlier_leg_comes_late(held: Held, dag: str) -> None:
    held.hold()
    run = held.deployment.airflow.trigger(dag)
    first = held.first_launch(dag, run)
    held.queued_again(dag, run, first)
    held.deployment.watch.wait_for("its end", lambda pod: pod.launch == first and pod.phase == "Succeeded")
    held.release()
    if held.checked:
        wait_until("its end was seen", lambda: held.is_gone(first) or held.is_harmed(dag, run), PATIENCE)
    held.wait_harm(f"{dag} failed", lambda: held.is_harmed(dag, run))
    held.go(dag)

    ended = settle(held, dag, run)

    assert (ended == ("success", 1)) is held.checked


def test_the_end_of_a_requeued_pod_comes_late(held: Held) -> None:
    """Stuck in queued: the scheduler takes it back and queues it again."""
    run = held.deployment.airflow.trigger("gated")
    first = held.first_launch("gated", run)
    held.hold()
    held.let_it_age("gated", run)
    second = held.queued_again("gated", run, first)
    held.delete_pod(first)
    held.release()
    # Without the check the vanished pod of a launch that was given up is replaced: a second worker for one task.
    held.wait_harm("a second pod of the first launch", lambda: len(held.deployment.watch.pods(first)) > 1)
    held.ungate(str(second.external_executor_id))

    ended = settle(held, "gated", run)

    pods = len(held.deployment.watch.pods(first)), len(held.deployment.watch.pods(second.external_executor_id))
    assert ((ended, pods) == (("success", 1), (1, 1))) is held.checked


def test_a_task_cleared_while_its_pod_is_pending_runs_once(held: Held) -> None:
    if not held.checked:
        pytest.skip("the row of the first launch is gone: without the check there is nothing to hit either")
    run = held.deployment.airflow.trigger("gated")
    first = held.first_launch("gated", run)
    held.deployment.watch.wait_for("its pod", lambda pod: pod.launch == first)
    held.hold()
    held.deployment.airflow.api.clear("gated", run, "wait")
    second = held.queued_again("gated", run, first)
    held.deployment.watch.wait_gone(first)
    held.release()
    held.ungate(str(second.external_executor_id))

    state, _ = settle(held, "gated", run)

    assert state == "success"
    assert len(held.deployment.watch.pods(first)) == 1


def test_a_task_cleared_while_it_runs_runs_again(held: Held) -> None:
    if not held.checked:
        pytest.skip("Airflow queues it again only after the executor said that the first pod has ended")
    run = held.deployment.airflow.trigger("long")
    held.deployment.airflow.wait_task("long", run, "wait", "running")
    first = str(held.row("long", run).external_executor_id)
    held.deployment.airflow.api.clear("long", run, "wait")
    held.queued_again("long", run, first)

    ended = settle(held, "long", run)

    assert ended == ("success", 2)
    assert len(held.deployment.watch.pods(first)) == 1
