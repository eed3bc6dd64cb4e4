"""Who manages which fields of an object: ``metadata.managedFields``, read, written and kept up to date.

Owners are recorded from an object's first server-side apply on; what it had before belongs to ``before-first-apply``,
the name that a real server gives to the owner of what it has no record of. Pure.
Sources: Kubernetes page "Server-Side Apply"; apimachinery ``pkg/util/managedfields``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from executor.localcluster import field_sets
from executor.localcluster.field_sets import Paths, leaves, whole
from executor.localcluster.schema import Struct
from executor.localcluster.types import Json

BEFORE = "before-first-apply"
_OF_METADATA = (
    "name",
    "generateName",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "selfLink",
    "managedFields",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
)
SERVERS = frozenset(
    {("f:apiVersion",), ("f:kind",), ("f:metadata",), *(("f:metadata", f"f:{name}") for name in _OF_METADATA)}
)
"""Fields without owners: what the server sets, and what an object is named by."""


@dataclass(frozen=True, slots=True)
class Manager:
    """Whose fields: ``operation`` is ``Apply`` or ``Update``, ``version`` the apiVersion that names the fields."""

    name: str
    operation: str
    version: str
    subresource: str = ""

    def sentence(self) -> str:
        """How the refusal of a conflict names it."""
        where = f' with subresource "{self.subresource}"' if self.subresource else ""
        return f'"{self.name}"{where}' + (f" using {self.version}" if self.operation == "Update" else "")


@dataclass(frozen=True, slots=True)
class Owned:
    """The fields of one manager, since ``time``."""

    manager: Manager
    fields: Paths
    time: str


def read(entries: Iterable[Json]) -> list[Owned]:
    """``managedFields`` as values."""
    found = []
    for entry in entries:
        manager = Manager(
            entry.get("manager", ""), entry.get("operation", ""), entry["apiVersion"], entry.get("subresource", "")
        )
        found.append(Owned(manager, frozenset(field_sets.decode(entry.get("fieldsV1") or {})), entry.get("time", "")))
    return found


def written(owners: Iterable[Owned]) -> list[Json]:
    """Values as ``managedFields``, appliers first; who has no field any more is left out."""
    order = sorted(owners, key=lambda owned: (owned.manager.operation, owned.time, owned.manager.name))
    return [_entry(owned) for owned in order if owned.fields]


def _entry(owned: Owned) -> Json:
    manager = owned.manager
    entry: Json = {"manager": manager.name, "operation": manager.operation, "apiVersion": manager.version}
    entry |= {"time": owned.time, "fieldsType": "FieldsV1", "fieldsV1": field_sets.encode(owned.fields)}
    return entry | ({"subresource": manager.subresource} if manager.subresource else {})


def fields_of(shape: Struct, obj: Json) -> dict[field_sets.Path, object]:
    """Every field that can have an owner, with its value."""
    return {path: value for path, value in leaves(whole(shape, obj)) if path not in SERVERS}


def of_live(shape: Struct, obj: Json) -> list[Owned]:
    """The owners of an object as it is; of one that was never applied a single one."""
    if entries := obj["metadata"].get("managedFields"):
        return read(entries)
    manager = Manager(BEFORE, "Update", obj["apiVersion"])
    mine = frozenset(path for path in fields_of(shape, obj) if path[0] != "f:status")
    return [Owned(manager, mine, obj["metadata"].get("creationTimestamp", ""))]


def after_update(shape: Struct, old: Json, new: Json, manager: Manager, now: str) -> list[Json]:
    """``managedFields`` after a write that was no apply: who changes a field has it from then on."""
    before, after = fields_of(shape, old), fields_of(shape, new)
    lost = {path for path, value in before.items() if path not in after or after[path] != value}
    taken = frozenset(path for path, value in after.items() if path not in before or before[path] != value)
    owners = [replace(owned, fields=owned.fields - lost) for owned in read(old["metadata"]["managedFields"])]
    return written(granted(owners, manager, taken, now)) if lost or taken else old["metadata"]["managedFields"]


def granted(owners: Sequence[Owned], manager: Manager, fields: Paths, now: str) -> list[Owned]:
    """The owners with these fields given to one of them beside what it has."""
    mine = next((owned for owned in owners if owned.manager == manager), Owned(manager, frozenset(), now))
    others = [owned for owned in owners if owned.manager != manager]
    return [*others, replace(mine, fields=mine.fields | fields, time=now if fields else mine.time)]
