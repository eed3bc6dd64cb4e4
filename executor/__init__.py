"""Run every Airflow task in a Kubernetes pod of its own.

Public names are loaded lazily, so that importing this package in a worker or in a DAG file costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from executor.kubernetes_executor import KubernetesExecutor
    from executor.secret import Secret

__all__ = ["KubernetesExecutor", "Secret"]
__version__ = "0.1.0"

_HOME = {"KubernetesExecutor": "executor.kubernetes_executor", "Secret": "executor.secret"}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
