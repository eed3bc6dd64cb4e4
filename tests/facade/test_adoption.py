"""Rows of a dead scheduler are offered inside the transaction that makes them this scheduler's: until it is committed,
whoever reads them finds the dead one's name in them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import create_engine, insert, select
from sqlalchemy.orm import Session, lazyload

from executor.demo.cluster import LocalCluster
from executor.demo.home import AirflowHome
from executor.demo.migration import prepare_database
from executor.demo.processes import wait_until
from executor.kubernetes_executor import KubernetesExecutor
from executor.model import Adopted, Launch, Row
from tests.speed.burst import WorkersSucceed, make_workload

NAMESPACE = "facade"
DEAD_JOB, MY_JOB = 1, 2


class Committed(WorkersSucceed):
    """The row of one queued task, as whoever asks from outside the transaction sees it."""

    def __init__(self, workload: Any) -> None:
        self.workload, self.job, self.read_by = workload, DEAD_JOB, 0

    async def read(self, launches: Sequence[Launch]) -> Mapping[str, Row]:
        self.read_by += len(launches)
        return {one.id: Row(one.ti_id, "queued", one.try_number, one.id, self.job, "") for one in launches}

    async def rebuild(self, adopted: Sequence[Adopted]) -> Mapping[str, object]:
        return {str(one.launch_id): self.workload for one in adopted if self.job == MY_JOB}


@pytest.fixture
def workload() -> Any:
    return make_workload(1)


@pytest.fixture
def offered(tmp_path: Path, workload: Any) -> Iterator[list[Any]]:
    """The row, as Airflow hands it over: loaded by a session."""
    from airflow.models.taskinstance import TaskInstance

    home = AirflowHome.create(tmp_path / "home", "LocalExecutor")
    prepare_database(home)
    ti = workload.ti
    names = {"id": ti.id, "dag_id": ti.dag_id, "task_id": ti.task_id, "run_id": ti.run_id, "map_index": -1}
    more = {"state": "queued", "try_number": 1, "queue": "default", "pool": "default_pool", "pool_slots": 1}
    launch = {"external_executor_id": ti.external_executor_id, "queued_by_job_id": DEAD_JOB}
    engine = create_engine(home.database_url)
    with Session(engine) as session:
        session.execute(insert(TaskInstance.__table__).values(**names, **more, **launch))  # type: ignore[arg-type]
        tis = list(session.scalars(select(TaskInstance).options(lazyload("*"))))
        yield tis
    engine.dispose()


@pytest.fixture
def rows(workload: Any) -> Committed:
    return Committed(workload)


@pytest.fixture
def executor(settings: None, cluster: LocalCluster, rows: Committed) -> Iterator[KubernetesExecutor]:
    class Played(KubernetesExecutor):
        def _open_rows(self, settings: Any) -> Any:
            return rows

    executor = Played(parallelism=10)
    executor.job_id = MY_JOB
    executor.start()
    try:
        wait_until("the first list of pods", lambda: _listed(executor), 90)
        yield executor
    finally:
        executor.end()
        cluster.core.delete_collection_namespaced_pod(NAMESPACE, grace_period_seconds=0)


def test_nobody_reads_an_adopted_row_before_its_adoption_is_committed(
    executor: KubernetesExecutor, cluster: LocalCluster, rows: Committed, workload: Any, offered: list[Any]
) -> None:
    assert executor.try_adopt_task_instances(offered) == []
    patience = time.monotonic() + 0.5
    wait_until("the loop's chance to look too early", lambda: time.monotonic() > patience, 2)
    rows.job = MY_JOB
    pods = wait_until("its pod", lambda: executor.heartbeat() or cluster.pods(NAMESPACE), 90)

    assert [UUID(pod["metadata"]["labels"]["airflow-launch"]) for pod in pods] == [
        UUID(workload.ti.external_executor_id)
    ]


def test_what_is_given_up_in_the_transaction_that_adopts_it_gets_no_pod(
    executor: KubernetesExecutor, cluster: LocalCluster, rows: Committed, workload: Any, offered: list[Any]
) -> None:
    other = make_workload(2)
    executor.try_adopt_task_instances(offered)
    executor.change_state(workload.key, "failed")
    rows.job = MY_JOB
    executor.queue_workload(other, session=None)  # type: ignore[arg-type]
    pods = wait_until("a later pod", lambda: executor.heartbeat() or cluster.pods(NAMESPACE), 90)

    assert [pod["metadata"]["annotations"]["task_id"] for pod in pods] == ["task_2"]
    assert executor.slots_occupied == 1


def _listed(executor: Any) -> bool:
    executor.heartbeat()
    machine = executor._supervisor._machine
    return machine is not None and machine._observer.complete
