"""The columns and cells that kubectl prints of workloads, services and network policies."""

from __future__ import annotations

from collections.abc import Iterable

from executor.localcluster.stamps import age
from executor.localcluster.types import Json

_NONE = "<none>"


def _ends(obj: Json) -> tuple[str, str]:
    """Name and age."""
    return str(obj["metadata"]["name"]), age(obj["metadata"].get("creationTimestamp"))


def selector_text(selector: Json | None) -> str:
    """A label selector as ``a=b,c in (d)``."""
    if not selector:
        return _NONE
    parts = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    for one in selector.get("matchExpressions") or ():
        key, values = one["key"], ",".join(one.get("values") or ())
        texts = {"In": f"{key} in ({values})", "NotIn": f"{key} notin ({values})", "Exists": key}
        parts.append(texts.get(one["operator"], f"!{key}"))
    return ",".join(parts)


def _containers(template: Json) -> list[object]:
    found: list[Json] = template["spec"].get("containers") or []
    return [_joined(one.get(name, "") for one in found) for name in ("name", "image")]


def _joined(texts: Iterable[str]) -> str:
    return ",".join(texts) or _NONE


def _deployment(obj: Json) -> list[object]:
    (name, old), spec, status = _ends(obj), obj["spec"], obj.get("status") or {}
    ready = f"{status.get('readyReplicas', 0)}/{spec['replicas']}"
    counts = [status.get(field, 0) for field in ("updatedReplicas", "availableReplicas")]
    return [name, ready, *counts, old, *_containers(spec["template"]), selector_text(spec.get("selector"))]


def _stateful_set(obj: Json) -> list[object]:
    (name, old), spec, status = _ends(obj), obj["spec"], obj.get("status") or {}
    return [name, f"{status.get('readyReplicas', 0)}/{spec['replicas']}", old, *_containers(spec["template"])]


def _job(obj: Json) -> list[object]:
    (name, old), spec, status = _ends(obj), obj["spec"], obj.get("status") or {}
    ended = [c["type"] for c in status.get("conditions") or () if c.get("status") == "True"]
    state = next((kind for kind in ("Complete", "Failed") if kind in ended), "Running")
    state = "Suspended" if spec.get("suspend") else state
    done = f"{status.get('succeeded', 0)}/{spec.get('completions', 1)}"
    return [name, state, done, "", old, *_containers(spec["template"]), selector_text(spec.get("selector"))]


def _cron_job(obj: Json) -> list[object]:
    (name, old), spec, status = _ends(obj), obj["spec"], obj.get("status") or {}
    last = age(status["lastScheduleTime"]) if status.get("lastScheduleTime") else _NONE
    first = [name, spec.get("schedule", ""), spec.get("timeZone") or _NONE, str(bool(spec.get("suspend")))]
    job = spec["jobTemplate"]["spec"]
    rest = [*_containers(job["template"]), selector_text(job.get("selector"))]
    return [*first, len(status.get("active") or ()), last, old, *rest]


def _service(obj: Json) -> list[object]:
    (name, old), spec = _ends(obj), obj["spec"]
    ports = _joined(f"{port['port']}/{port['protocol']}" for port in spec.get("ports") or ())
    selector = selector_text({"matchLabels": spec["selector"]} if spec.get("selector") else None)
    return [name, spec["type"], spec.get("clusterIP") or _NONE, spec.get("externalName") or _NONE, ports, old, selector]


def _network_policy(obj: Json) -> list[object]:
    name, old = _ends(obj)
    return [name, selector_text(obj["spec"].get("podSelector")), old]


_TEMPLATE = ("-Containers", "-Images", "-Selector")
WORKLOAD_ROWS = {
    "Deployment": (("Name", "Ready", "Up-to-date:integer", "Available:integer", "Age", *_TEMPLATE), _deployment),
    "StatefulSet": (("Name", "Ready", "Age", *_TEMPLATE[:2]), _stateful_set),
    "Job": (("Name", "Status", "Completions", "Duration", "Age", *_TEMPLATE), _job),
    "CronJob": (
        ("Name", "Schedule", "Timezone", "Suspend", "Active:integer", "Last Schedule", "Age", *_TEMPLATE),
        _cron_job,
    ),
    "Service": (("Name", "Type", "Cluster-IP", "External-IP", "Port(s)", "Age", "-Selector"), _service),
    "NetworkPolicy": (("Name", "Pod-Selector", "Age"), _network_policy),
}
