"""Rows in PostgreSQL that somebody else holds locked: what needs them comes later, nothing else waits.

All rows are read and written by one thread of the executor: a call that waited for a lock would hold up the ends of all
tasks. That an event which the scheduler lost to a lock comes again is shown with the soak's tasks that die while their
row is locked.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from executor.demo.home import AirflowHome
from tests.airflow.locked_rows import PATIENCE
from tests.airflow.postgres import PostgresServer


@pytest.fixture(scope="module")
def answers(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Rows 0 and 1 are queued, 2 and 3 running; 0 and 2 are locked; see `locked_rows`."""
    url = postgres.new_database()
    home = AirflowHome.create(tmp_path_factory.mktemp("home"), "LocalExecutor", database_url=url)
    environment = home.environment() | {"PYTHONPATH": str(Path.cwd())}
    command = [sys.executable, "-m", "tests.airflow.locked_rows"]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=600)
    answers: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answers


def test_no_call_waits_for_the_lock(answers: dict[str, Any]) -> None:
    assert len(answers["locked"]["read"]) == 4
    assert "no answer" not in str(answers["locked"])
    assert answers["locked"]["seconds"] < PATIENCE


def test_free_rows_are_dealt_with_while_others_are_locked(answers: dict[str, Any]) -> None:
    assert answers["locked"]["kept fresh"] == 1
    assert answers["locked"]["given back"] == ["later", "GIVEN"]
    assert answers["during"] == {"fresh": [False, True, False, False], "max_tries": [1, 1, 1, 2]}


def test_what_was_locked_is_made_up_for(answers: dict[str, Any]) -> None:
    assert answers["free"]["kept fresh"] == 2
    assert answers["free"]["given back"] == ["GIVEN", "GIVEN"]
    assert answers["after"] == {"fresh": [True, True, False, False], "max_tries": [1, 1, 2, 2]}
