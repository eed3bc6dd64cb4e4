"""Tests that import Airflow read no configuration but the one they make, and write into no home but their own."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest

_AIRFLOW_HOME = tempfile.TemporaryDirectory(prefix="airflow-home-")
os.environ["AIRFLOW_HOME"] = _AIRFLOW_HOME.name

#: Files in these take longest, each for a minute or so with few tests in it.
LONGEST = ("operators", "soak", "airflow", "chart", "cluster")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files come first, so that the last one to end does not leave the other processes without work."""
    items.sort(key=lambda item: _rank(item.path.relative_to(Path(__file__).parent).parts))


def _rank(parts: Sequence[str]) -> int:
    return LONGEST.index(parts[0]) if parts[0] in LONGEST else len(LONGEST)
