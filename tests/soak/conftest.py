"""The soak's fixtures: one cluster without nodes, one PostgreSQL, one seeded database that each run copies."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from executor.demo.cluster import LocalCluster
from executor.demo.home import AirflowHome
from tests.airflow.postgres import PostgresMissingError, PostgresServer, postgres_server
from tests.soak.run import CHECKOUT, Plan, Soak


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    try:
        with postgres_server() as running:
            yield running
    except PostgresMissingError as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def seeded(server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a database with the soak's DAG and run, to be copied."""
    url = server.new_database()
    home = AirflowHome.create(tmp_path_factory.mktemp("seed"), "LocalExecutor", database_url=url)
    environment = home.environment() | {"PYTHONPATH": str(CHECKOUT)}
    subprocess.run([sys.executable, "-m", "tests.soak.seed"], env=environment, check=True)
    return url


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    with LocalCluster(tmp_path_factory.mktemp("cluster"), "--no-nodes", "--plain-http") as running:
        yield running


@pytest.fixture
def soak(server: PostgresServer, seeded: str, cluster: LocalCluster, tmp_path: Path) -> Callable[[Plan], Soak]:
    def make(plan: Plan) -> Soak:
        return Soak(plan, tmp_path, cluster, server.copy_of(seeded), f"soak-{uuid4().hex[:6]}")

    return make
