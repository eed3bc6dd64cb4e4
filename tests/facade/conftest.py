"""The executor object itself, in this process, against a local cluster without nodes: pods are played by status writes.

Rows are a fake that says what the workers would have written; tokens are real.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from executor.demo.cluster import LocalCluster
from executor.demo.processes import wait_until
from executor.kubernetes_executor import KubernetesExecutor
from tests.speed.burst import WorkersSucceed, configure, make_workload

NAMESPACE = "facade"


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    with LocalCluster(tmp_path_factory.mktemp("cluster"), "--no-nodes") as running:
        running.ensure_namespace(NAMESPACE)
        yield running


@pytest.fixture
def settings(cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in configure(str(cluster.kubeconfig), NAMESPACE).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "a secret for tests, long enough to sign with " * 2)
    monkeypatch.setenv("AIRFLOW__LOGGING__BASE_LOG_FOLDER", str(tmp_path / "logs"))


class Driven:
    """An executor and what a scheduler would do with it."""

    def __init__(self, executor: Any, cluster: LocalCluster) -> None:
        self.executor = executor
        self.cluster = cluster
        self.queued = 0

    def queue(self, tasks: int, override: dict[str, Any] | None = None) -> list[Any]:
        self.queued += tasks
        workloads = [make_workload(number) for number in range(self.queued - tasks, self.queued)]
        for workload in workloads:
            if override is not None:
                workload.ti.executor_config = {"pod_override": override}
            self.executor.queue_workload(workload, session=None)
        return workloads

    def beat_until(self, what: str, fits: Any, timeout: float = 90) -> Any:
        def beat() -> Any:
            self.executor.heartbeat()
            self.events |= self.executor.get_event_buffer()
            return fits()

        self.events: dict[Any, Any] = {}
        return wait_until(what, beat, timeout, pause=0.02)

    def pods(self) -> list[dict[str, Any]]:
        return self.cluster.pods(NAMESPACE)

    def secrets(self) -> list[Any]:
        items = self.cluster.core.list_namespaced_secret(NAMESPACE, label_selector="airflow-deployment").items
        return list(items)


@pytest.fixture
def driven(settings: None, cluster: LocalCluster) -> Iterator[Driven]:
    class Played(KubernetesExecutor):
        def _open_rows(self, settings: Any) -> Any:
            return rows

    rows = WorkersSucceed()
    executor = Played(parallelism=1000)
    executor.job_id = 1
    executor.start()
    yield Driven(executor, cluster)
    executor.end()
    cluster.core.delete_collection_namespaced_pod(NAMESPACE, grace_period_seconds=0)
    wait_until("no pod", lambda: not cluster.pods(NAMESPACE), 90)
