"""Container tasks: `PodOperator` runs an image as the task, in one pod, which the triggerer follows;
`pod_task`, which is `@task.pod` under a name that type checkers know, runs a Python function so.

Public names are loaded lazily, so that importing this package in a DAG file costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from executor.operators.decorator import pod_task
    from executor.operators.operator import PodOperator

__all__ = ["PodOperator", "pod_task"]

_HOMES = {"PodOperator": "operator", "pod_task": "decorator"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"executor.operators.{_HOMES[name]}"), name)
