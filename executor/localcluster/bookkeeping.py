"""Numbers that controllers of a real cluster keep in the status of quotas and disruption budgets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from executor.localcluster import disruption, quota
from executor.localcluster.passes import Passes
from executor.localcluster.registry import Registry
from executor.localcluster.resources import POD_DISRUPTION_BUDGETS, PODS, RESOURCE_QUOTAS, Resource
from executor.localcluster.store import Change
from executor.localcluster.types import Json


class Bookkeeper:
    """Notes in which namespaces something changed, and brings the status of their quotas and budgets up to date."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._store = registry.store
        self._touched: set[str] = set()
        self._passes = Passes("bookkeeping", self.write)
        for resource in (RESOURCE_QUOTAS, POD_DISRUPTION_BUDGETS):
            self._touched |= {key[0] for key in self._store.collections[resource].objects}
        self._store.listeners.append(self.notice)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Write in the background while the context is open."""
        async with self._passes.running():
            if self._touched:
                self._passes.wake()
            yield

    def notice(self, resource: Resource, change: Change) -> None:
        """A change happened: does it concern a quota or a budget?"""
        namespace = change.stored.key[0]
        about_pods = resource in (PODS, POD_DISRUPTION_BUDGETS) and self._has_budgets(namespace)
        if about_pods or self._registry.meter.measures(namespace):
            self._touched.add(namespace)
            self._passes.wake()

    def _has_budgets(self, namespace: str) -> bool:
        return any(True for _ in self._store.in_namespace(POD_DISRUPTION_BUDGETS, namespace))

    def write(self) -> None:
        """One pass over the namespaces noticed so far; a status that is right already is no write."""
        touched, self._touched = self._touched, set()
        for namespace in touched:
            self._refresh(RESOURCE_QUOTAS, namespace, lambda one: quota.status_of(one, self._registry.meter))
            now = self._registry.now()
            self._refresh(POD_DISRUPTION_BUDGETS, namespace, lambda one: disruption.status_of(self._store, one, now))  # noqa: B023

    def _refresh(self, resource: Resource, namespace: str, status_of: Callable[[Json], Json]) -> None:
        for stored in list(self._store.in_namespace(resource, namespace)):
            obj = stored.object
            self._store.replace(resource, stored, obj | {"status": status_of(obj)})
