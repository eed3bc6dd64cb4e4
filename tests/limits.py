"""Limits of a test that are only reached when something is wrong."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest


def allow(seconds: float, items: Iterable[pytest.Item], folder: Path) -> None:
    """Give each test of this folder so many seconds, with its share of the fixtures, unless it says otherwise."""
    for item in items:
        if folder in item.path.parents and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(seconds))
