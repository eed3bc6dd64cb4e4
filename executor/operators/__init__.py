"""Container tasks: `PodOperator` runs an image as the task, in one pod, which the triggerer follows.

Public names are loaded lazily, so that importing this package in a DAG file costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from executor.operators.operator import PodOperator

__all__ = ["PodOperator"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("executor.operators.operator"), name)
