"""Whether the pods fit into the namespace: quotas and limit ranges. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from executor.cli.doctor.cluster_checks import ASK
from executor.cli.doctor.facts import LimitRange, Namespace, PlannedPod, Quota, Unread
from executor.cli.doctor.finding import Finding, failed, ok, skipped, warning
from executor.cli.doctor.worker import Worker
from executor.cli.pods import EXAMPLE_SECRET
from executor.kube.quantity import quantity

Json = Mapping[str, Any]
_RESOURCES = ("cpu", "memory", "ephemeral-storage")


def room_findings(namespace: Namespace, pod: PlannedPod, parallelism: int) -> Iterator[Finding]:
    """For a pod in this namespace. parallelism: how many of them Airflow would run at once."""
    yield from _quota_findings(namespace, pod, parallelism)
    yield from _limit_findings(namespace, pod)


def _quota_findings(namespace: Namespace, pod: PlannedPod, parallelism: int) -> Iterator[Finding]:
    check, quotas = f"quota in {namespace.name}", namespace.quotas
    if isinstance(quotas, Unread):
        yield skipped(check, quotas.why, ASK if quotas.forbidden else "")
        return
    for quota in quotas:
        yield _quota_finding(check, quota, needs(pod.manifest), parallelism)
    if not quotas:
        yield ok(check, "there is none")


def _limit_findings(namespace: Namespace, pod: PlannedPod) -> Iterator[Finding]:
    check, ranges = f"limit range in {namespace.name}", namespace.limit_ranges
    if isinstance(ranges, Unread):
        yield skipped(check, ranges.why, ASK if ranges.forbidden else "")
        return
    for limits in ranges:
        yield _limit_finding(check, limits, Worker(pod.manifest).base.get("resources") or {})
    if not ranges:
        yield ok(check, "there is none")


def needs(manifest: Json) -> dict[str, Decimal]:
    """What a pod takes of a quota (Kubernetes page "Resource Quotas"), where it says so itself."""
    spec: Json = manifest["spec"]
    found = {"pods": Decimal(1), "count/pods": Decimal(1)}
    if any((one.get("secret") or {}).get("secretName") == EXAMPLE_SECRET for one in spec.get("volumes") or ()):
        found |= {"secrets": Decimal(1), "count/secrets": Decimal(1)}  # at worst one for each pod
    for resource in _RESOURCES:
        found[f"limits.{resource}"] = _of_pod(spec, "limits", resource)
        found[f"requests.{resource}"] = found[resource] = _of_pod(spec, "requests", resource)
    return {name: amount for name, amount in found.items() if amount}


def _of_pod(spec: Json, kind: str, resource: str) -> Decimal:
    """All that run beside each other together, or the one init container that needs more."""
    inits = spec.get("initContainers") or ()
    beside = [*spec["containers"], *(one for one in inits if one.get("restartPolicy") == "Always")]
    together = sum((_amount(one, kind, resource) for one in beside), Decimal())
    return max([together, *(_amount(one, kind, resource) for one in inits)])


def _amount(container: Json, kind: str, resource: str) -> Decimal:
    """A container's request; without one its limit counts."""
    resources = container.get("resources") or {}
    values = [(resources.get(kind) or {}).get(resource)]
    if kind == "requests":
        values.append((resources.get("limits") or {}).get(resource))
    return next((quantity(value) for value in values if value is not None), Decimal())


def _quota_finding(check: str, quota: Quota, needed: Mapping[str, Decimal], parallelism: int) -> Finding:
    if quota.scoped:
        return skipped(check, f"{quota.name} is for some pods only (scopes)")
    limited = [name for name in quota.hard if name in needed]
    never = [name for name in limited if needed[name] > quantity(quota.hard[name])]
    if never:
        text = f"{quota.name} allows {quota.hard[never[0]]} of {never[0]}, a pod needs {needed[never[0]]}"
        return failed(check, f"{text}: no task ever starts", "Raise the quota, or lower resources in the pod template.")
    if not limited:
        return ok(check, f"{quota.name} limits nothing that the pod states")
    pods, name = min((_room(quota, one, needed[one]), one) for one in limited)
    if pods <= 0:
        text = f"{quota.name} is full: {quota.used.get(name, '0')} of {quota.hard[name]} {name} are used; tasks wait"
        return warning(check, text, "Raise the quota, or wait for what runs.")
    more = f"; more wait for room ([core] parallelism = {parallelism})" if pods < parallelism else ""
    return ok(check, f"{quota.name} has room for {pods} more pod{'' if pods == 1 else 's'} ({name}){more}")


def _room(quota: Quota, name: str, needed: Decimal) -> int:
    """For how many more pods."""
    return int((quantity(quota.hard[name]) - quantity(quota.used.get(name, "0"))) // needed)


def _limit_finding(check: str, limits: LimitRange, resources: Json) -> Finding:
    for resource, most in limits.most.items():
        for kind in ("limits", "requests"):
            value = (resources.get(kind) or {}).get(resource)
            if value is not None and quantity(value) > quantity(most):
                text = f"{limits.name} allows a container {most} of {resource}, base has {kind} of {value}: refused"
                return failed(check, text, "Lower resources in the pod template, or raise the limit range.")
    given = {name: value for name, value in limits.default.items() if name not in (resources.get("limits") or {})}
    if "memory" in given:
        text = f"{limits.name} gives tasks without a memory limit {given['memory']}, and they are killed beyond it"
        return warning(check, text, "State resources.limits.memory of container base in the pod template.")
    return ok(check, f"{limits.name} lets the pod be as it is")
