"""What charts are tested with: Helm's own engine, and an API server (the local cluster, or ``TEST_KUBECONFIG``'s)."""

from __future__ import annotations

import os

import pytest

from tests.contract.conftest import api, kubeconfig

__all__ = ["api", "helm_python", "kubeconfig"]


@pytest.fixture(scope="session")
def helm_python() -> str:
    """A Python that has helm-python-sdk: HELM_SDK_PYTHON. Without it tests are skipped, or fail with REQUIRE_HELM=1."""
    given = os.environ.get("HELM_SDK_PYTHON", "")
    if not given:
        absent = pytest.fail if os.environ.get("REQUIRE_HELM") == "1" else pytest.skip
        absent("HELM_SDK_PYTHON names no Python with helm-python-sdk (tests/chart/helm-requirements.txt)")
    return given
