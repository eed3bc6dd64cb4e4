"""Fixtures of tests that run a command of ours in this process: the command line, and a database for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow import settings
from airflow.configuration import conf

from executor.demo.migration import prepare_database
from tests.unit.cli.conftest import run

__all__ = ["database", "run"]


@pytest.fixture
def database() -> Iterator[None]:
    """The schema in the database of this process, which is a file of its own home."""
    url = conf.get_mandatory_value("database", "sql_alchemy_conn")
    home: Any = SimpleNamespace(database_url=url)
    settings.engine.dispose()  # its connections may know a file of the same name that is gone
    prepare_database(home)
    yield
    settings.engine.dispose()
    Path(url.removeprefix("sqlite:///")).unlink()
