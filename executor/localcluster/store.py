"""Objects, their versions and the bounded history that watches read.

Invariants: one counter numbers every write of every resource; stored objects are never changed in place; a write is
synchronous, so nothing sees half of it. Watches hold a position in the shared history instead of a queue of their own:
memory stays bounded however slow a reader is, and a reader that falls out of the history gets the real 410.
Excluded: what objects mean (validation, defaults, graceful deletion).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import msgspec

from executor.localcluster.resources import RESOURCES, Resource
from executor.localcluster.selectors import View, view_of
from executor.localcluster.status import already_exists, conflict, expired, not_found, too_large_version
from executor.localcluster.types import Json

Key = tuple[str, str]
"""(namespace, name); the namespace is empty for cluster-scoped objects."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True)
class Stored:
    """One version of one object: its JSON, encoded once for every reader, and what is asked of it most.

    Trees of Python objects are ten times as large as their JSON, and the history holds many: so none is kept.
    """

    key: Key
    version: int
    raw: bytes
    uid: str
    owners: tuple[str, ...]
    terminating: bool
    view: View

    @property
    def object(self) -> Json:
        """The object, decoded for the caller, who may change it."""
        obj: Json = _decode(self.raw)
        return obj


def stored_form(resource: Resource, obj: Json, version: int) -> Stored:
    """An object as it is stored; its resourceVersion must be set already."""
    metadata = obj["metadata"]
    kind = {"kind": resource.kind, "apiVersion": resource.api_version}  # first: lists cut them off
    return Stored(
        key=(metadata.get("namespace", ""), metadata["name"]),
        version=version,
        raw=_encode(kind | obj),
        uid=metadata["uid"],
        owners=tuple(reference.get("uid", "") for reference in metadata.get("ownerReferences") or ()),
        terminating=bool(metadata.get("deletionTimestamp")),
        view=view_of(resource.kind, obj),
    )


@dataclass(frozen=True, slots=True)
class Change:
    """One write: ``previous`` is empty for a creation; for a deletion ``stored`` is the last object, newly numbered."""

    type: str
    stored: Stored
    previous: Stored | None


@dataclass(slots=True)
class Collection:
    """All objects of one resource, and the changes of the recent past.

    ``history[i]`` has the absolute position ``first + i``; ``floor`` is the version of the newest forgotten change.
    """

    resource: Resource
    objects: dict[Key, Stored] = field(default_factory=dict)
    history: list[Change] = field(default_factory=list)
    first: int = 0
    floor: int = 0
    readers: set[asyncio.Event] = field(default_factory=set)

    @property
    def end(self) -> int:
        return self.first + len(self.history)

    def record(self, change: Change, limit: int) -> None:
        self.history.append(change)
        if len(self.history) > limit + limit // 4:
            self.forget(len(self.history) - limit)
        for reader in self.readers:
            reader.set()

    def forget(self, count: int) -> None:
        if count <= 0:
            return
        self.floor = self.history[count - 1].stored.version
        del self.history[:count]
        self.first += count

    def position_after(self, version: int) -> int:
        """Where a watch from ``version`` starts; raises 410 when changes after it are forgotten."""
        if version < self.floor:
            raise expired(f"too old resource version: {version} ({self.floor})")
        low, high = 0, len(self.history)
        while low < high:
            middle = (low + high) // 2
            if self.history[middle].stored.version <= version:
                low = middle + 1
            else:
                high = middle
        return self.first + low

    def changes_from(self, position: int) -> list[Change]:
        """Changes at and after an absolute position; raises 410 when some of them are forgotten."""
        if position < self.first:
            raise expired(f"too old resource version: {self.floor} (the watch fell behind)")
        return self.history[position - self.first :]

    def objects_at(self, version: int) -> dict[Key, Stored]:
        """The collection as it was at ``version``: the present with the changes since then undone."""
        past = dict(self.objects)
        for change in reversed(self.changes_from(self.position_after(version))):
            if change.previous is None:
                past.pop(change.stored.key, None)
            else:
                past[change.stored.key] = change.previous
        return past


class Store:
    """Every object of the cluster. All methods are synchronous and belong to the event loop's thread."""

    def __init__(self, history_limit: int = 20_000) -> None:
        self.version = 1
        self.history_limit = history_limit
        self.collections = {resource: Collection(resource) for resource in RESOURCES}
        self.owners: dict[str, tuple[Resource, Key]] = {}
        self.dependents: dict[str, set[tuple[Resource, Key]]] = {}
        self.listeners: list[Callable[[Resource, Change], None]] = []

    def get(self, resource: Resource, key: Key) -> Stored:
        stored = self.collections[resource].objects.get(key)
        if stored is None:
            raise not_found(resource, key[1])
        return stored

    def find(self, resource: Resource, key: Key) -> Stored | None:
        return self.collections[resource].objects.get(key)

    def in_namespace(self, resource: Resource, namespace: str) -> Iterator[Stored]:
        objects = self.collections[resource].objects
        return (stored for key, stored in objects.items() if key[0] == namespace)

    def create(self, resource: Resource, obj: Json) -> Stored:
        """Number and keep a new object; raises AlreadyExists."""
        metadata = obj["metadata"]
        if (metadata.get("namespace", ""), metadata["name"]) in self.collections[resource].objects:
            raise already_exists(resource, metadata["name"])
        stored = self._number(resource, obj)
        self._commit(resource, Change("ADDED", stored, None))
        return stored

    def replace(self, resource: Resource, previous: Stored, obj: Json) -> Stored:
        """Put ``obj`` in place of ``previous``; the same content is no write. Raises Conflict."""
        current = self.get(resource, previous.key)
        if current.version != previous.version:
            raise conflict(resource, previous.key[1])
        obj["metadata"]["resourceVersion"] = str(previous.version)
        if obj == previous.object:
            return previous
        stored = self._number(resource, obj)
        self._commit(resource, Change("MODIFIED", stored, previous))
        return stored

    def remove(self, resource: Resource, previous: Stored) -> Stored:
        """Forget an object; what watches see as its last state carries the version of the deletion."""
        stored = self._number(resource, previous.object)
        self._commit(resource, Change("DELETED", stored, previous))
        return stored

    def at(self, resource: Resource, version: int) -> dict[Key, Stored]:
        """Objects as they were at ``version``; raises 410 (forgotten) or 504 (in the future)."""
        if version > self.version:
            raise too_large_version(version, self.version)
        if version == self.version:
            return self.collections[resource].objects
        return self.collections[resource].objects_at(version)

    def begin(self, version: int) -> None:
        """Go on from ``version``, nothing before it is known: used where objects are read from disk."""
        self.version = version
        for collection in self.collections.values():
            collection.floor = version

    def restore(self, resource: Resource, version: int, raw: bytes) -> None:
        """Put an object where it was, as it was."""
        stored = stored_form(resource, _decode(raw), version)
        self.collections[resource].objects[stored.key] = stored
        self._index_owners(resource, Change("ADDED", stored, None))

    def replay(self, resource: Resource, kind: str, version: int, raw: bytes) -> None:
        """Let a change of the past happen again, with its version."""
        stored = stored_form(resource, _decode(raw), version)
        self.version = version
        self._commit(resource, Change(kind, stored, self.find(resource, stored.key)))

    def compact(self) -> None:
        """Forget all history, as etcd's compaction does: every older version is 410 from now on."""
        for collection in self.collections.values():
            collection.forget(len(collection.history))
            collection.floor = self.version

    def _number(self, resource: Resource, obj: Json) -> Stored:
        obj["metadata"]["resourceVersion"] = str(self.version + 1)
        stored = stored_form(resource, obj, self.version + 1)
        self.version += 1
        return stored

    def _commit(self, resource: Resource, change: Change) -> None:
        collection, stored = self.collections[resource], change.stored
        self._index_owners(resource, change)
        if change.type == "DELETED":
            del collection.objects[stored.key]
        else:
            collection.objects[stored.key] = stored
        collection.record(change, self.history_limit)
        for listener in self.listeners:
            listener(resource, change)

    def _index_owners(self, resource: Resource, change: Change) -> None:
        mine, stored = (resource, change.stored.key), change.stored
        for uid in change.previous.owners if change.previous else ():
            self.dependents.get(uid, set()).discard(mine)
            if not self.dependents.get(uid):
                self.dependents.pop(uid, None)
        if change.type == "DELETED":
            self.owners.pop(stored.uid, None)
            return
        self.owners[stored.uid] = mine
        for uid in stored.owners:
            self.dependents.setdefault(uid, set()).add(mine)
