"""Resource quotas: what pods of a namespace may use together.

Usage is counted when a pod comes, from the pods that are there: no counter can drift. Sources: Kubernetes page
"Resource Quotas"; ``pkg/quota/v1/evaluator/core/pods.go``. Excluded: scopes, the status of a quota, and quotas on other
kinds than pods.
"""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

from executor.localcluster import status
from executor.localcluster.quantity import canonical, format_quantity, parse_quantity
from executor.localcluster.resources import PODS, RESOURCE_QUOTAS
from executor.localcluster.store import Store
from executor.localcluster.types import Json

Usage = dict[str, Decimal]
_SHORT = {"cpu": "requests.cpu", "memory": "requests.memory", "count/pods": "pods"}


def pod_requirements(spec: Json, kind: str) -> Usage:
    """Sum over containers and sidecars of ``requests`` or ``limits``; a larger init container counts instead."""
    running: Counter[str] = Counter()
    peak: Usage = {}
    for container in spec.get("initContainers") or ():
        amounts = _amounts(container, kind)
        if container.get("restartPolicy") == "Always":
            running.update(amounts)
            amounts = {}
        for name in {*amounts, *running}:
            peak[name] = max(peak.get(name, Decimal(0)), amounts.get(name, Decimal(0)) + running[name])
    for container in spec.get("containers") or ():
        running.update(_amounts(container, kind))
    return {name: max(peak.get(name, Decimal(0)), Decimal(running[name])) for name in {*peak, *running}}


def _amounts(container: Json, kind: str) -> Usage:
    amounts = (container.get("resources") or {}).get(kind) or {}
    return {name: parse_quantity(text) for name, text in amounts.items()}


def pod_usage(pod: Json) -> Usage:
    """What one pod counts for: nothing once it has ended."""
    if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return {}
    usage = {"pods": Decimal(1)}
    for kind in ("requests", "limits"):
        usage |= {f"{kind}.{name}": amount for name, amount in pod_requirements(pod["spec"], kind).items()}
    return usage


def charge_pod(store: Store, pod: Json) -> None:
    """Refuse a pod that would exceed a quota of its namespace (403), or that says too little to be counted."""
    namespace = pod["metadata"]["namespace"]
    quotas = list(store.in_namespace(RESOURCE_QUOTAS, namespace))
    if not quotas:
        return
    used: Counter[str] = Counter()
    for stored in store.in_namespace(PODS, namespace):
        used.update(pod_usage(stored.object))
    for quota in quotas:
        _check(quota.object, pod, used)


def _check(quota: Json, pod: Json, used: Counter[str]) -> None:
    hard: dict[str, str] = (quota.get("spec") or {}).get("hard") or {}
    wanted, name, quota_name = pod_usage(pod), pod["metadata"]["name"], quota["metadata"]["name"]
    if missing := _unsaid(pod["spec"], hard):
        raise status.forbidden(PODS, name, f"failed quota: {quota_name}: must specify {'; '.join(missing)}")
    if over := sorted(resource for resource in hard if _is_over(resource, hard[resource], wanted, used)):
        raise status.forbidden(PODS, name, _exceeded(quota_name, over, hard, wanted, used))


def _unsaid(spec: Json, hard: dict[str, str]) -> list[str]:
    """What each single container has to name under this quota and does not: ``limits.memory for: base,side``."""
    containers = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    unsaid = []
    for resource in sorted(filter(_must_be_said, hard)):
        kind, _, amount = _must_be_said(resource).partition(".")
        names = sorted(one["name"] for one in containers if amount not in _amounts(one, kind))
        unsaid += [f"{resource} for: {','.join(names)}"] if names else []
    return unsaid


def _must_be_said(resource: str) -> str:
    """The amount that a pod has to name under such a quota; empty when there is none to name."""
    full = _SHORT.get(resource, resource)
    return full if full.startswith(("requests.", "limits.")) else ""


def _is_over(resource: str, limit: str, wanted: Usage, used: Counter[str]) -> bool:
    full = _SHORT.get(resource, resource)
    return full in wanted and used[full] + wanted[full] > parse_quantity(limit)


def _exceeded(quota: str, over: list[str], hard: dict[str, str], wanted: Usage, used: Counter[str]) -> str:
    def amounts(values: dict[str, Decimal] | Counter[str]) -> str:
        pairs = ((r, Decimal(values[_SHORT.get(r, r)])) for r in over)
        return ",".join(f"{r}={format_quantity(amount, hard[r])}" for r, amount in pairs)

    limited = ",".join(f"{resource}={canonical(hard[resource])}" for resource in over)
    return f"exceeded quota: {quota}, requested: {amounts(wanted)}, used: {amounts(used)}, limited: {limited}"
