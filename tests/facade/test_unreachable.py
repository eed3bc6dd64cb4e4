"""Kubernetes is not there when the scheduler starts: nothing is lost, and it says so without flooding the log."""

from __future__ import annotations

import gc
import logging
import os
import signal
import warnings
from pathlib import Path
from typing import Any

import pytest

from executor.demo.cluster import LocalCluster
from executor.demo.processes import free_ports, wait_until
from executor.kubernetes_executor import KubernetesExecutor
from tests.facade.conftest import NAMESPACE, Driven
from tests.speed.burst import WorkersSucceed, configure


def test_tasks_wait_for_an_api_server_that_comes_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Played(KubernetesExecutor):
        def _open_rows(self, settings: Any) -> Any:
            return WorkersSucceed()

    caplog.set_level(logging.WARNING)
    cluster = LocalCluster(tmp_path, "--no-nodes", "--port", str(free_ports(1)[0]))
    for name, value in configure(str(cluster.kubeconfig), NAMESPACE).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "a secret for tests, long enough to sign with " * 2)
    executor = Played(parallelism=100)
    executor.job_id = 1
    executor.start()  # there is no kubeconfig yet
    try:
        driven = Driven(executor, cluster)
        driven.queue(3)
        driven.beat_until("the loop to have tried", lambda: "No connection to Kubernetes" in caplog.text)
        assert driven.events == {}
        assert len(executor.running) == 3
        cluster.start()
        cluster.ensure_namespace(NAMESPACE)
        driven.beat_until("their pods", lambda: len(driven.pods()) == 3)

        cluster.stop()  # and goes away again
        driven.queue(2)
        wait_until("the complaint", lambda: executor.heartbeat() or "cannot be watched" in caplog.text, 90)
        assert driven.events == {}
    finally:
        executor.end()
        cluster.stop()

    said = [record for record in caplog.records if record.name.startswith("executor.") and "Kubernetes" in record.msg]
    assert len(said) <= 3


def test_no_connection_is_left_to_an_api_server_that_does_not_say_goodbye(
    driven: Driven, cluster: LocalCluster
) -> None:
    """TLS waits for the peer's farewell; the loop ends before it comes, and nobody would close what is open then."""
    driven.queue(1)
    driven.beat_until("a pod", driven.pods)
    os.kill(cluster.child.pid, signal.SIGSTOP)
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            driven.executor.end()
            gc.unfreeze()
            gc.collect()
    finally:
        os.kill(cluster.child.pid, signal.SIGCONT)

    assert [str(one.message) for one in warned if one.category is ResourceWarning] == []
