"""Each row of what users suffer, and what is promised instead, has a test here that injects the fault.

Coroutines run in virtual time (`stage`); other tests drive real executors against one local cluster (`wire`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest

from executor.demo.cluster import LocalCluster
from tests.promises.wire import Driven, Namespace, Rows
from tests.speed.burst import configure
from tests.virtual_time import VirtualTimeLoop

RECONCILE_SECONDS = 2  # 30 by default

_numbers = count(1)


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], VirtualTimeLoop]]:
    return {"virtual": VirtualTimeLoop}


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """One for all tests that need a real one; pods are played."""
    with LocalCluster(tmp_path_factory.mktemp("cluster"), "--no-nodes") as running:
        yield running


@pytest.fixture
def namespace(cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Namespace]:
    """One of the test's own; executors made from now on use it. No fault is left behind."""
    made = Namespace(cluster, f"promise-{next(_numbers)}")
    for name, value in configure(str(cluster.kubeconfig), made.name).items():
        monkeypatch.setenv(name, value)
    own = "AIRFLOW__KUBERNETES_POD_EXECUTOR__"
    monkeypatch.setenv(f"{own}RECONCILE_INTERVAL", str(RECONCILE_SECONDS))
    monkeypatch.setenv(f"{own}DEPLOYMENT_ID", made.name)
    monkeypatch.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "a secret for tests, long enough to sign with " * 2)
    monkeypatch.setenv("AIRFLOW__LOGGING__BASE_LOG_FOLDER", str(tmp_path / "logs"))
    yield made
    cluster.admin("reset")


@pytest.fixture
def rows() -> Rows:
    """The database that all schedulers of the test share."""
    return Rows()


@pytest.fixture
def start(namespace: Namespace, rows: Rows) -> Iterator[Callable[..., Driven]]:
    """`start(job=2)`: another scheduler."""
    with ExitStack() as stack:

        def one(job: int = 1) -> Driven:
            driven = Driven(rows, job)
            stack.callback(driven.executor.end)
            return driven

        yield one


@pytest.fixture
def driven(start: Callable[..., Driven]) -> Driven:
    return start()
