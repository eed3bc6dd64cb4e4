"""What objects count for in quotas, and the running totals of every namespace that has one.

Totals are kept for groups of objects that the same scopes select; a quota adds up the groups that it is about. Sources:
Kubernetes page "Resource Quotas"; ``pkg/quota/v1/evaluator/core``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal

from executor.localcluster.pod_defaults import qos_class
from executor.localcluster.quantity import parse_quantity
from executor.localcluster.resources import PODS, RESOURCE_QUOTAS, RESOURCES, Resource
from executor.localcluster.store import Change, Store
from executor.localcluster.types import Json

Usage = Mapping[str, Decimal]
Scopes = frozenset[str]
_ONE = Decimal(1)
_BARE_COUNTS = frozenset({"secrets", "configmaps", "persistentvolumeclaims", "resourcequotas"})
_ENDED = ("Succeeded", "Failed")


def pod_requirements(spec: Json, kind: str) -> Usage:
    """Sum over containers and sidecars of ``requests`` or ``limits``; a larger init container counts instead."""
    running: Counter[str] = Counter()
    peak: dict[str, Decimal] = {}
    for container in spec.get("initContainers") or ():
        amounts = container_amounts(container, kind)
        if container.get("restartPolicy") == "Always":
            running.update(amounts)
            amounts = {}
        for name in {*amounts, *running}:
            peak[name] = max(peak.get(name, Decimal(0)), amounts.get(name, Decimal(0)) + running[name])
    for container in spec.get("containers") or ():
        running.update(container_amounts(container, kind))
    return {name: max(peak.get(name, Decimal(0)), Decimal(running[name])) for name in {*peak, *running}}


def container_amounts(container: Json, kind: str) -> dict[str, Decimal]:
    amounts = (container.get("resources") or {}).get(kind) or {}
    return {name: parse_quantity(text) for name, text in amounts.items()}


def usage_of(resource: Resource, obj: Json) -> Usage:
    """What one object counts for; a pod that has ended only counts as an object."""
    usage: dict[str, Decimal] = {f"count/{resource.qualified}": _ONE}
    if resource is not PODS:
        bare = {resource.plural: _ONE} if resource.plural in _BARE_COUNTS else {}
        return {**usage, **bare, **_storage(resource, obj)}
    if (obj.get("status") or {}).get("phase") in _ENDED:
        return usage
    usage["pods"] = _ONE
    for kind in ("requests", "limits"):
        usage |= {f"{kind}.{name}": amount for name, amount in pod_requirements(obj["spec"], kind).items()}
    return usage


def _storage(resource: Resource, obj: Json) -> Usage:
    if resource.plural != "persistentvolumeclaims":
        return {}
    asked = ((obj.get("spec") or {}).get("resources") or {}).get("requests") or {}
    return {"requests.storage": parse_quantity(asked["storage"])} if "storage" in asked else {}


def scopes_of(resource: Resource, obj: Json) -> Scopes:
    """The scopes that an object is in; only pods are in any."""
    if resource is not PODS:
        return frozenset()
    spec = obj["spec"]
    best_effort = qos_class(spec) == "BestEffort"
    ends = spec.get("activeDeadlineSeconds") is not None
    found = {"BestEffort" if best_effort else "NotBestEffort", "Terminating" if ends else "NotTerminating"}
    if name := spec.get("priorityClassName"):
        found |= {"PriorityClass", f"PriorityClass={name}"}
    return frozenset(found)


def add(total: dict[str, Decimal], usage: Usage, times: int = 1) -> None:
    """Add a usage to a total, in place."""
    for name, amount in usage.items():
        total[name] = total.get(name, Decimal(0)) + times * amount


class Meter:
    """Totals of what is there now, kept as changes happen, for namespaces that have a quota."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._totals: dict[str, dict[Scopes, dict[str, Decimal]]] = {}
        self._charged: dict[str, tuple[Scopes, Usage]] = {}
        for stored in store.collections[RESOURCE_QUOTAS].objects.values():
            self._begin(stored.key[0])
        store.listeners.append(self.notice)

    def groups(self, namespace: str) -> Iterable[tuple[Scopes, Usage]]:
        """(scopes, total) of each group of objects of a namespace; nothing where there is no quota."""
        return [(scopes, dict(total)) for scopes, total in self._totals.get(namespace, {}).items()]

    def measures(self, namespace: str) -> bool:
        return namespace in self._totals

    def notice(self, resource: Resource, change: Change) -> None:
        """A change happened: charge it, or begin with a namespace's first quota, or end with its last."""
        namespace = change.stored.key[0]
        if resource is RESOURCE_QUOTAS and change.type != "MODIFIED":
            self._begin_or_end(namespace)
        if namespace in self._totals:
            self._release(namespace, change.stored.uid)
            if change.type != "DELETED":
                self._charge(namespace, change.stored.uid, resource, change.stored.object)

    def _begin_or_end(self, namespace: str) -> None:
        wanted = any(True for _ in self._store.in_namespace(RESOURCE_QUOTAS, namespace))
        if wanted and namespace not in self._totals:
            self._begin(namespace)
        elif not wanted and self._totals.pop(namespace, None) is not None:
            for resource in RESOURCES:
                for stored in self._store.in_namespace(resource, namespace):
                    self._charged.pop(stored.uid, None)

    def _begin(self, namespace: str) -> None:
        if namespace in self._totals:
            return
        self._totals[namespace] = {}
        for resource in RESOURCES:
            for stored in self._store.in_namespace(resource, namespace) if resource.namespaced else ():
                self._charge(namespace, stored.uid, resource, stored.object)

    def _charge(self, namespace: str, uid: str, resource: Resource, obj: Json) -> None:
        self._release(namespace, uid)
        charged = self._charged[uid] = scopes_of(resource, obj), usage_of(resource, obj)
        add(self._totals[namespace].setdefault(charged[0], {}), charged[1])

    def _release(self, namespace: str, uid: str) -> None:
        scopes, usage = self._charged.pop(uid, (frozenset(), {}))
        if usage:
            add(self._totals[namespace][scopes], usage, -1)
