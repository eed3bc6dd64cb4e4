"""`cleanup` as a command: a real API server, a real database, and pods of everybody's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex
from typing import Any
from uuid import UUID, uuid4

import pytest
from airflow.configuration import conf
from airflow.models.taskinstance import TaskInstance
from sqlalchemy import create_engine, insert, text

from executor.airflow_config import read_settings
from executor.demo.cluster import LocalCluster
from executor.demo.processes import wait_until
from executor.identity import Identity, annotations, labels
from tests.cluster.in_process import database, run
from tests.unit.cli.conftest import Run

__all__ = ["database", "run"]  # fixtures

KPO = {"dag_id": "d", "task_id": "t", "airflow_version": "3.3.2", "airflow_kpo_in_cluster": "True"}
UPSTREAM = {"dag_id": "d", "task_id": "t", "airflow_version": "3.3.2", "kubernetes_executor": "True", "try_number": "1"}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    with LocalCluster(tmp_path_factory.mktemp("cluster"), "--no-nodes") as running:
        yield running


@pytest.fixture
def namespace(cluster: LocalCluster, tmp_path: Path, database: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The executor's; a pod is old here after 0.4 seconds."""
    name = f"t-{token_hex(4)}"
    cluster.ensure_namespace(name)
    monkeypatch.setenv("AIRFLOW__KUBERNETES_EXECUTOR__NAMESPACE", name)
    monkeypatch.setenv("AIRFLOW__KUBERNETES_EXECUTOR__IN_CLUSTER", "False")
    monkeypatch.setenv("AIRFLOW__KUBERNETES_EXECUTOR__CONFIG_FILE", str(cluster.kubeconfig))
    monkeypatch.setenv("AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD", "0.2")
    monkeypatch.setenv("AIRFLOW__LOGGING__BASE_LOG_FOLDER", str(tmp_path / "logs"))
    yield name
    cluster.core.delete_namespace(name)


class Left:
    """Pods that a scheduler left in a namespace."""

    def __init__(self, cluster: LocalCluster, namespace: str) -> None:
        self._cluster, self._namespace = cluster, namespace

    def task(self, task_id: str, state: str | None, phase: str = "Pending") -> None:
        """A pod of ours; its row is in that state, None: there is none."""
        identity = _identity(task_id)
        if state is not None:
            _insert_row(identity, state)
        meta = {"name": task_id, "labels": labels(identity), "annotations": annotations(identity)}
        self._pod(meta, phase)

    def other(self, name: str, names: dict[str, str]) -> None:
        self._pod({"name": name, "labels": names}, "Succeeded")

    def _pod(self, meta: dict[str, Any], phase: str) -> None:
        core, spec = self._cluster.core, {"restartPolicy": "Never", "containers": [{"name": "base", "image": "i"}]}
        core.create_namespaced_pod(self._namespace, {"metadata": meta, "spec": spec})
        core.patch_namespaced_pod_status(meta["name"], self._namespace, {"status": {"phase": phase}})

    def names(self) -> set[str]:
        living = [pod["metadata"] for pod in self._cluster.pods(self._namespace)]
        return {meta["name"] for meta in living if "deletionTimestamp" not in meta}


@pytest.fixture
def left(cluster: LocalCluster, namespace: str) -> Left:
    made = Left(cluster, namespace)
    made.task("wanted", "queued")
    made.task("running", "running", "Running")
    made.task("marked", "failed")
    made.task("done", "success", "Succeeded")
    made.task("forgotten", None, "Failed")
    made.other("operator", KPO)
    made.other("upstreams", UPSTREAM)
    made.other("web", {})
    return made


def _identity(task_id: str) -> Identity:
    return Identity(
        launch_id=str(uuid4()),
        attempt=1,
        ti_id=str(uuid4()),
        dag_id="d",
        task_id=task_id,
        run_id="r",
        try_number=1,
        map_index=-1,
        deployment=read_settings().deployment_id,
        job_id="1",
        airflow_version="3.3.2",
    )


def _insert_row(one: Identity, state: str) -> None:
    names = {"id": UUID(one.ti_id), "dag_id": one.dag_id, "task_id": one.task_id, "run_id": one.run_id}
    more = {"map_index": -1, "state": state, "try_number": 1, "pool": "default_pool", "pool_slots": 1}
    table: Any = TaskInstance.__table__
    _execute(insert(table).values(**names, **more, external_executor_id=one.launch_id, queued_by_job_id=1))


def _execute(statement: Any) -> None:
    """As nobody else does: a row needs no run here."""
    engine = create_engine(conf.get_mandatory_value("database", "sql_alchemy_conn"))
    with engine.begin() as connection:
        connection.execute(statement)
    engine.dispose()


def listed(shown: str) -> set[str]:
    return {one["name"] for one in json.loads(shown)["removed"]}


GOING = {"marked", "done", "forgotten"}


def test_a_dry_run_and_then_the_real_thing(run: Run, left: Left) -> None:
    before = left.names()
    wait_until("old pods", lambda: listed(run("cleanup", "--dry-run", "-o", "json").out) == GOING, 60)
    assert left.names() == before
    shown = run("cleanup")
    assert (shown.code, before - left.names()) == (0, GOING)
    assert shown.err.endswith("3 pods, 0 secrets deleted\n")
    assert run("cleanup", "--dry-run").out == ""


def test_the_words_of_those_who_come_from_cleanup_pods(run: Run, left: Left, namespace: str) -> None:
    wait_until("old pods", lambda: listed(run("cleanup", "--dry-run", "-o", "json").out) == GOING, 60)
    elsewhere = run("cleanup", "--namespace", "default", "--dry-run", "-o", "json")
    spared = run("cleanup", "--namespace", namespace, "--min-pending-minutes", "30", "-o", "json")
    assert (listed(elsewhere.out), listed(spared.out)) == (set(), GOING - {"marked"})
    assert run("cleanup", "--min-completed-minutes", "5", "--dry-run").out.split(":")[0] == f"pod {namespace}/marked"


def test_without_a_database_nothing_is_deleted(run: Run, left: Left) -> None:
    wait_until("old pods", lambda: listed(run("cleanup", "--dry-run", "-o", "json").out) == GOING, 60)
    _execute(text("ALTER TABLE task_instance RENAME TO elsewhere"))
    before = left.names()
    shown = run("cleanup")
    assert (shown.code, "no such table" in shown.err, left.names()) == (1, True, before)
