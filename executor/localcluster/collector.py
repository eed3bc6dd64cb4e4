"""What a real cluster cleans up: objects whose owners are gone, the content of ending namespaces, old events.

It runs a moment after the changes that call for it, so that a burst of deletions is one pass. Excluded: foreground
deletion (treated as background) and removal of single dangling owner references while other owners live.
Sources: Kubernetes pages "Garbage Collection" and "Namespaces".
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from executor.localcluster.passes import Passes
from executor.localcluster.registry import DeleteOptions, Registry
from executor.localcluster.resources import EVENTS, NAMESPACES, RESOURCES, Resource
from executor.localcluster.store import Change, Key, Stored

EVENTS_LIMIT = 10_000


class Collector:
    """Notes what may have to go, as changes happen, and deletes it in passes."""

    def __init__(self, registry: Registry, events_limit: int = EVENTS_LIMIT) -> None:
        self.registry = registry
        self.events_limit = events_limit
        self.store = registry.store
        self._orphans: set[tuple[Resource, Key]] = set()
        self._namespaces: set[str] = set()
        self._passes = Passes("collector", self.collect)
        self.store.listeners.append(self.notice)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Collect in the background while the context is open."""
        async with self._passes.running():
            yield

    def notice(self, resource: Resource, change: Change) -> None:
        """A change happened: remember whom it may leave behind."""
        stored = change.stored
        if change.type == "DELETED":
            self._orphans |= self.store.dependents.get(stored.uid, set())
            self._notice_emptier(stored.key[0])
        else:
            self._notice_kept(resource, stored)
        if self._orphans or self._namespaces or self._has_too_many_events():
            self._passes.wake()

    def _notice_kept(self, resource: Resource, stored: Stored) -> None:
        if stored.owners:
            self._orphans.add((resource, stored.key))
        if resource is NAMESPACES and stored.terminating:
            self._namespaces.add(stored.key[1])

    def _has_too_many_events(self) -> bool:
        return len(self.store.collections[EVENTS].objects) > self.events_limit

    def _notice_emptier(self, namespace: str) -> None:
        found = self.store.find(NAMESPACES, ("", namespace)) if namespace else None
        if found and found.terminating:
            self._namespaces.add(namespace)

    def collect(self) -> None:
        """One pass over everything noticed so far."""
        orphans, self._orphans = self._orphans, set()
        for resource, key in orphans:
            stored = self.store.find(resource, key)
            if stored is not None and self._is_orphan(stored):
                self.registry.delete(resource, key, DeleteOptions())
        namespaces, self._namespaces = self._namespaces, set()
        for name in namespaces:
            self._empty(name)
        if self._has_too_many_events():
            self._trim_events()

    def _trim_events(self) -> None:
        """Forget the oldest fifth of the events, as a real cluster forgets them by age."""
        for stored in list(self.store.collections[EVENTS].objects.values())[: self.events_limit // 5]:
            self.store.remove(EVENTS, stored)

    def _is_orphan(self, stored: Stored) -> bool:
        return bool(stored.owners) and not any(self._owns(uid, stored.key[0]) for uid in stored.owners)

    def _owns(self, uid: str, namespace: str) -> bool:
        """Whether an owner lives, in the same namespace or in none."""
        found = self.store.owners.get(uid)
        return found is not None and found[1][0] in ("", namespace)

    def _empty(self, namespace: str) -> None:
        """Delete the content; when nothing is left the namespace itself goes."""
        content = [
            (resource, stored.key)
            for resource in RESOURCES
            if resource.namespaced
            for stored in self.store.in_namespace(resource, namespace)
        ]
        for resource, key in content:
            if self.store.find(resource, key):
                self.registry.delete(resource, key, DeleteOptions())
        left = any(self.store.find(resource, key) for resource, key in content)
        found = self.store.find(NAMESPACES, ("", namespace))
        if found is not None and not left:
            self.store.remove(NAMESPACES, found)
