"""What charts are tested with: Helm's own engine, and an API server (the local cluster, or ``TEST_KUBECONFIG``'s)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.contract.conftest import api, kubeconfig
from tests.limits import allow

__all__ = ["api", "helm_python", "kubeconfig"]

LONGEST = 600.0  # seconds of one test with its share of the fixtures; only reached when something is wrong


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """To build a wheel, or to start a cluster, may take its time on a busy machine."""
    allow(LONGEST, items, Path(__file__).parent)


@pytest.fixture(scope="session")
def helm_python() -> str:
    """A Python that has helm-python-sdk: HELM_SDK_PYTHON. Without it tests are skipped, or fail with REQUIRE_HELM=1."""
    given = os.environ.get("HELM_SDK_PYTHON", "")
    if not given:
        absent = pytest.fail if os.environ.get("REQUIRE_HELM") == "1" else pytest.skip
        absent("HELM_SDK_PYTHON names no Python with helm-python-sdk (tests/chart/helm-requirements.txt)")
    return given
