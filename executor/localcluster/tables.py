"""Answers as ``Table``, the form that kubectl prints (Kubernetes page "API Concepts", resources as tables)."""

from __future__ import annotations

from collections.abc import Sequence

from executor.localcluster.table_rows import PLAIN_COLUMNS, ROWS, plain_row
from executor.localcluster.types import Json

_COMPLETED = {"Succeeded": "The pod has completed successfully.", "Failed": "The pod failed."}


def _column(title: str) -> Json:
    """A column definition, from a title as in :mod:`executor.localcluster.table_rows`."""
    name, _, kind = title.lstrip("-").partition(":")
    shape = "name" if name == "Name" else ""
    priority = 1 if title.startswith("-") else 0
    return {"name": name, "type": kind or "string", "format": shape, "description": "", "priority": priority}


def wanted(accept: str) -> bool:
    """Whether an ``Accept`` header asks for a table."""
    return any(";as=Table" in part.replace(" ", "") and ";v=v1;" in f"{part};" for part in accept.split(","))


def table(kind: str, objects: Sequence[Json], metadata: Json, include: str) -> Json:
    """Objects of one kind as a ``meta.k8s.io/v1`` Table; ``include`` is ``Metadata``, ``Object`` or ``None``."""
    columns, cells = ROWS.get(kind, (PLAIN_COLUMNS, plain_row))
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": [_column(title) for title in columns],
        "rows": [{"cells": cells(obj)} | _conditions(kind, obj) | _included(obj, include) for obj in objects],
    }


def _conditions(kind: str, obj: Json) -> Json:
    """What says that a row is about something that is over."""
    phase = (obj.get("status") or {}).get("phase", "")
    if kind != "Pod" or phase not in _COMPLETED:
        return {}
    return {"conditions": [{"type": "Completed", "status": "True", "reason": phase, "message": _COMPLETED[phase]}]}


def _included(obj: Json, include: str) -> Json:
    if include == "None":
        return {}
    if include == "Object":
        return {"object": obj}
    partial = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}
    return {"object": partial}
