"""Answers as ``Table``: the columns that kubectl prints (``pkg/printers/internalversion/printers.go``)."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from datetime import datetime

from executor.localcluster.stamps import utc_now
from executor.localcluster.types import Json

Row = Callable[[Json], list[object]]
_UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


def age(stamp: str | None, now: datetime | None = None) -> str:
    """Time since an RFC 3339 stamp in the two largest units that say something, as kubectl has it."""
    if not stamp:
        return "<unknown>"
    seconds = max(int(((now or utc_now()).replace(microsecond=0) - datetime.fromisoformat(stamp)).total_seconds()), 0)
    for (unit, size), (smaller, part) in itertools.pairwise(_UNITS):
        if seconds >= 2 * size:
            count, rest = seconds // size, seconds % size // part
            return f"{count}{unit}" if count >= 10 or not rest else f"{count}{unit}{rest}{smaller}"
    return f"{seconds}s"


def _created(obj: Json) -> str:
    return age(obj["metadata"].get("creationTimestamp"))


def _waiting_or_end(statuses: Sequence[Json], found: str) -> str:
    """The reason of the first container that waits or has ended, else what was found before."""
    for entry in reversed(statuses):
        state = entry.get("state") or {}
        ended = state.get("terminated")
        if reason := (state.get("waiting") or {}).get("reason"):
            found = reason
        elif ended:
            signal = ended.get("signal")
            found = ended.get("reason") or (f"Signal:{signal}" if signal else f"ExitCode:{ended.get('exitCode')}")
    return found


def _init_reason(pod: Json) -> str | None:
    """``Init:1/2`` and the like while init containers are at work; ``None`` when they are done."""
    statuses = (pod.get("status") or {}).get("initContainerStatuses") or ()
    for index, entry in enumerate(statuses):
        ended = (entry.get("state") or {}).get("terminated") or {}
        if ended.get("exitCode") != 0 and not entry.get("started"):
            return _unfinished_init(entry, f"Init:{index}/{len(statuses)}")
    return None


def _unfinished_init(entry: Json, progress: str) -> str:
    state = entry.get("state") or {}
    if ended := state.get("terminated"):
        return f"Init:{ended.get('reason') or 'ExitCode:' + str(ended.get('exitCode'))}"
    reason = (state.get("waiting") or {}).get("reason")
    return f"Init:{reason}" if reason and reason != "PodInitializing" else progress


def pod_state(pod: Json) -> str:
    """The column STATUS."""
    status = pod.get("status") or {}
    if pod["metadata"].get("deletionTimestamp"):
        return "Terminating"
    if pod["spec"].get("schedulingGates"):
        return "SchedulingGated"
    reason = str(status.get("reason") or status.get("phase") or "Unknown")
    return _init_reason(pod) or _waiting_or_end(status.get("containerStatuses") or (), reason)


def _pod(pod: Json) -> list[object]:
    status, spec = pod.get("status") or {}, pod["spec"]
    statuses = status.get("containerStatuses") or ()
    ready = f"{sum(bool(s.get('ready')) for s in statuses)}/{len(spec.get('containers') or ())}"
    restarts = sum(int(s.get("restartCount", 0)) for s in statuses)
    where = [status.get("podIP") or "<none>", spec.get("nodeName") or "<none>", "<none>", "<none>"]
    return [pod["metadata"]["name"], ready, pod_state(pod), str(restarts), _created(pod), *where]


def _node(node: Json) -> list[object]:
    conditions = {c["type"]: c.get("status") for c in (node.get("status") or {}).get("conditions") or ()}
    state = {"True": "Ready", None: "Unknown"}.get(conditions.get("Ready"), "NotReady")
    if (node.get("spec") or {}).get("unschedulable"):
        state += ",SchedulingDisabled"
    info = (node.get("status") or {}).get("nodeInfo") or {}
    return [node["metadata"]["name"], state, "<none>", _created(node), info.get("kubeletVersion", "")]


def _namespace(namespace: Json) -> list[object]:
    return [namespace["metadata"]["name"], (namespace.get("status") or {}).get("phase", ""), _created(namespace)]


def _event(event: Json) -> list[object]:
    about = event.get("involvedObject") or {}
    last = age(event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp"))
    subject = f"{str(about.get('kind', '')).lower()}/{about.get('name', '')}"
    return [last, event.get("type", ""), event.get("reason", ""), subject, str(event.get("message", "")).strip()]


def _secret(secret: Json) -> list[object]:
    return [secret["metadata"]["name"], secret.get("type", ""), len(secret.get("data") or {}), _created(secret)]


def _config_map(obj: Json) -> list[object]:
    count = len(obj.get("data") or {}) + len(obj.get("binaryData") or {})
    return [obj["metadata"]["name"], count, _created(obj)]


def _service_account(obj: Json) -> list[object]:
    return [obj["metadata"]["name"], len(obj.get("secrets") or ()), _created(obj)]


def _plain(obj: Json) -> list[object]:
    return [obj["metadata"]["name"], obj["metadata"].get("creationTimestamp", "")]


_POD_COLUMNS = ("Name", "Ready", "Status", "Restarts", "Age", "-IP", "-Node", "-Nominated Node", "-Readiness Gates")
_TABLES: dict[str, tuple[tuple[str, ...], Row]] = {
    "Pod": (_POD_COLUMNS, _pod),
    "Node": (("Name", "Status", "Roles", "Age", "Version"), _node),
    "Namespace": (("Name", "Status", "Age"), _namespace),
    "Event": (("Last Seen", "Type", "Reason", "Object", "Message"), _event),
    "Secret": (("Name", "Type", "Data", "Age"), _secret),
    "ConfigMap": (("Name", "Data", "Age"), _config_map),
    "ServiceAccount": (("Name", "Secrets", "Age"), _service_account),
}
_OTHER: tuple[tuple[str, ...], Row] = (("Name", "Created At"), _plain)


def _column(title: str) -> Json:
    """A column definition; a leading ``-`` marks what only ``-o wide`` shows."""
    wide, name = title.startswith("-"), title.lstrip("-")
    kind = "integer" if name in ("Data", "Secrets") else "string"
    shape = "name" if name == "Name" else ""
    return {"name": name, "type": kind, "format": shape, "description": "", "priority": 1 if wide else 0}


def wanted(accept: str) -> bool:
    """Whether an ``Accept`` header asks for a table."""
    return any(";as=Table" in part.replace(" ", "") and ";v=v1;" in f"{part};" for part in accept.split(","))


def table(kind: str, objects: Sequence[Json], metadata: Json, include: str) -> Json:
    """Objects of one kind as a ``meta.k8s.io/v1`` Table; ``include`` is ``Metadata``, ``Object`` or ``None``."""
    columns, cells = _TABLES.get(kind, _OTHER)
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": [_column(title) for title in columns],
        "rows": [{"cells": cells(obj)} | _included(obj, include) for obj in objects],
    }


def _included(obj: Json, include: str) -> Json:
    if include == "None":
        return {}
    if include == "Object":
        return {"object": obj}
    partial = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}
    return {"object": partial}
