"""Fixtures of the tests with real Airflow; `harness.py` says how to use them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import yaml

from executor.demo.cluster import LocalCluster
from tests.airflow.harness import COMPONENTS, EXECUTOR, Deployment, deploy
from tests.airflow.postgres import PostgresMissingError, PostgresServer, postgres_server
from tests.limits import allow

LONGEST = 900.0  # seconds of one test with its share of the fixtures; only reached when something is wrong


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The limit of one test is for those that wait for no Airflow: to start one takes a minute on a busy machine."""
    allow(LONGEST, items, Path(__file__).parent)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """One local cluster for the session, with two images beside this machine's own files; see `write_images`."""
    folder = tmp_path_factory.mktemp("cluster")
    with LocalCluster(folder, "--images", str(write_images(folder))) as running:
        yield running


def write_images(folder: Path) -> Path:
    """missing/image:1 is in no registry; bare/python:1 has a Python, but no Airflow."""
    programs = folder / "bare" / "opt" / "bin"
    programs.mkdir(parents=True)
    (programs / "python").symlink_to("/usr/bin/python3")
    bare = {
        "root": str(folder / "bare"),
        "mounts": {path: path for path in ("/usr", "/bin", "/lib", "/lib64")},
        "env": {"PATH": "/opt/bin:/usr/bin:/bin"},
    }
    images = folder / "images.yaml"
    images.write_text(yaml.safe_dump({"missing/image:1": {"missing": True}, "bare/python:1": bare}))
    return images


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One PostgreSQL for the session; tests that need it are skipped, with the reason, where there is none."""
    try:
        with postgres_server() as server:
            yield server
    except PostgresMissingError as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def database(request: pytest.FixtureRequest) -> str | None:
    """The URL of a new database: None for SQLite, the default; see `on_both_databases`."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return None
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.new_database()


@pytest.fixture(scope="module")
def deployment(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    cluster: LocalCluster,
    database: str | None,
) -> Iterator[Deployment]:
    """One Airflow for the module, as its variables DAGS, OPTIONS, COMPONENTS, EXECUTOR and SCHEDULER_ENV say."""
    module = request.module
    with deploy(
        tmp_path_factory.mktemp("deployment"),
        cluster,
        dags=getattr(module, "DAGS", ""),
        namespace=f"airflow-{uuid4().hex[:6]}",
        executor=getattr(module, "EXECUTOR", EXECUTOR),
        database_url=database,
        options=getattr(module, "OPTIONS", None),
        components=getattr(module, "COMPONENTS", COMPONENTS),
        env=getattr(module, "SCHEDULER_ENV", None),
    ) as running:
        yield running
