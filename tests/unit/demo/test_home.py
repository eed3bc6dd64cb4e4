"""An AIRFLOW_HOME of its own: nothing of the caller's comes in, nothing secret goes out."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from executor.demo.home import AirflowHome
from executor.demo.pod_template import WorkerFiles, with_sidecar, worker_pod, write_pod_template


@pytest.fixture
def home(tmp_path: Path) -> AirflowHome:
    return AirflowHome.create(tmp_path, "executor.KubernetesExecutor", options={"core": {"parallelism": "3"}})


def test_the_callers_airflow_is_not_seen(tmp_path: Path) -> None:
    script = (
        "from pathlib import Path; from executor.demo.home import AirflowHome\n"
        f"print(sorted(AirflowHome.create(Path({str(tmp_path)!r}), 'X').environment().items()))"
    )
    foreign = {"AIRFLOW__CORE__EXECUTOR": "Theirs", "AIRFLOW_CONN_DB": "Theirs", "AIRFLOW_HOME": "/Theirs"}
    said = subprocess.run([sys.executable, "-c", script], env=os.environ | foreign, capture_output=True, check=True)
    assert b"Theirs" not in said.stdout
    assert b"('AIRFLOW__CORE__EXECUTOR', 'X')" in said.stdout


def test_options_of_the_test_win_and_none_takes_away(tmp_path: Path) -> None:
    options = {"core": {"parallelism": "3", "load_examples": None}}
    environment = AirflowHome.create(tmp_path, "X", options=options).environment()
    assert environment["AIRFLOW__CORE__PARALLELISM"] == "3"
    assert "AIRFLOW__CORE__LOAD_EXAMPLES" not in environment


def test_postgresql_gets_both_drivers(tmp_path: Path) -> None:
    home = AirflowHome.create(tmp_path, "X", database_url="postgresql+psycopg2://u:p@127.0.0.1:5/d")
    environment = home.environment()
    assert environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] == "postgresql+psycopg2://u:p@127.0.0.1:5/d"
    assert environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC"] == "postgresql+asyncpg://u:p@127.0.0.1:5/d"


def test_neither_repr_nor_pod_template_holds_a_secret(home: AirflowHome) -> None:
    template = yaml.safe_dump(worker_pod(home, WorkerFiles.of_this_machine(home)))
    for secret in (home.jwt_secret, home.fernet_key):
        assert secret in home.environment().values()
        assert secret not in repr(home)
        assert secret not in template
    assert home.database_url not in template


def test_templates_are_files_that_hold_what_they_were_made_of(home: AirflowHome, tmp_path: Path) -> None:
    plain = worker_pod(home, WorkerFiles.of_config_map("dags"), "image:1")
    more = with_sidecar(plain, "image:1")
    assert yaml.safe_load(write_pod_template(tmp_path / "t.yaml", more).read_text()) == more
    assert [container["name"] for container in more["spec"]["containers"]] == ["sidecar", "base"]
    assert [volume["name"] for volume in plain["spec"]["volumes"]] == ["dags", "logs"]
    assert home.execution_api_url in yaml.safe_dump(more)
