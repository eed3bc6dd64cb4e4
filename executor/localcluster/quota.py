"""Resource quotas: what the objects of a namespace may use together.

Sources: Kubernetes page "Resource Quotas"; ``apiserver/pkg/admission/plugin/resourcequota/controller.go``. Excluded:
the scopes ``CrossNamespacePodAffinity`` and ``VolumeAttributesClass``.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from executor.localcluster import status
from executor.localcluster.quantity import canonical, format_quantity, parse_quantity
from executor.localcluster.resources import PODS, RESOURCE_QUOTAS, Resource
from executor.localcluster.store import Store
from executor.localcluster.types import Json
from executor.localcluster.usage import Meter, Scopes, Usage, add, container_amounts, scopes_of, usage_of

_ZERO = Decimal(0)
_SHORT = {"cpu": "requests.cpu", "memory": "requests.memory", "ephemeral-storage": "requests.ephemeral-storage"}


def charge(store: Store, meter: Meter, resource: Resource, obj: Json) -> None:
    """Refuse an object that would exceed a quota of its namespace (403), or that says too little to be counted."""
    namespace = obj["metadata"].get("namespace", "")
    if not meter.measures(namespace):
        return
    groups = meter.groups(namespace)
    wanted, scopes = usage_of(resource, obj), scopes_of(resource, obj)
    for stored in sorted(store.in_namespace(RESOURCE_QUOTAS, namespace), key=lambda one: one.key):
        quota = stored.object
        if _is_about(quota.get("spec") or {}, scopes):
            _check(quota, resource, obj, wanted, _used(quota, groups))


def status_of(quota: Json, meter: Meter) -> Json:
    """The status that a quota has to have now."""
    hard: dict[str, str] = (quota.get("spec") or {}).get("hard") or {}
    used = _used(quota, meter.groups(quota["metadata"]["namespace"]))
    amounts = {name: format_quantity(used.get(_full(name), _ZERO), limit) for name, limit in hard.items()}
    return {"hard": dict(hard), "used": amounts}


def _used(quota: Json, groups: Iterable[tuple[Scopes, Usage]]) -> Usage:
    total: dict[str, Decimal] = {}
    for scopes, usage in groups:
        if _is_about(quota.get("spec") or {}, scopes):
            add(total, usage)
    return total


def _is_about(spec: Json, scopes: Scopes) -> bool:
    """Whether a quota counts objects that are in these scopes."""
    if not all(scope in scopes for scope in spec.get("scopes") or ()):
        return False
    expressions = (spec.get("scopeSelector") or {}).get("matchExpressions") or ()
    return all(_holds(expression, scopes) for expression in expressions)


def _holds(expression: Json, scopes: Scopes) -> bool:
    scope, operator = expression.get("scopeName", ""), expression.get("operator")
    if operator in ("Exists", "DoesNotExist"):
        return (scope in scopes) is (operator == "Exists")
    within = any(f"{scope}={value}" in scopes for value in expression.get("values") or ())
    return within if operator == "In" else scope in scopes and not within


def _full(name: str) -> str:
    return _SHORT.get(name, name)


def _check(quota: Json, resource: Resource, obj: Json, wanted: Usage, used: Usage) -> None:
    hard: dict[str, str] = (quota.get("spec") or {}).get("hard") or {}
    name, quota_name = obj["metadata"]["name"], quota["metadata"]["name"]
    if resource is PODS and (missing := _unsaid(obj["spec"], hard)):
        raise status.forbidden(resource, name, f"failed quota: {quota_name}: must specify {'; '.join(missing)}")
    if over := sorted(one for one in hard if _is_over(one, hard[one], wanted, used)):
        raise status.forbidden(resource, name, _exceeded(quota_name, over, hard, wanted, used))


def _unsaid(spec: Json, hard: dict[str, str]) -> list[str]:
    """What each single container has to name under this quota and does not: ``limits.memory for: base,side``."""
    containers = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    unsaid = []
    for resource in sorted(filter(_must_be_said, hard)):
        kind, _, amount = _full(resource).partition(".")
        names = sorted(one["name"] for one in containers if amount not in container_amounts(one, kind))
        unsaid += [f"{resource} for: {','.join(names)}"] if names else []
    return unsaid


def _must_be_said(resource: str) -> bool:
    return _full(resource).startswith(("requests.", "limits.")) and resource != "requests.storage"


def _is_over(resource: str, limit: str, wanted: Usage, used: Usage) -> bool:
    full = _full(resource)
    return full in wanted and used.get(full, _ZERO) + wanted[full] > parse_quantity(limit)


def _exceeded(quota: str, over: list[str], hard: dict[str, str], wanted: Usage, used: Usage) -> str:
    def amounts(values: Usage) -> str:
        pairs = ((name, Decimal(values.get(_full(name), 0))) for name in over)
        return ",".join(f"{name}={format_quantity(amount, hard[name])}" for name, amount in pairs)

    limited = ",".join(f"{name}={canonical(hard[name])}" for name in over)
    return f"exceeded quota: {quota}, requested: {amounts(wanted)}, used: {amounts(used)}, limited: {limited}"
