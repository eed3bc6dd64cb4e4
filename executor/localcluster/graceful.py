"""How long a deletion takes, and when an object that waited for its deletion goes. Pure."""

from __future__ import annotations

from executor.localcluster.resources import PODS, Resource
from executor.localcluster.types import Json


def grace_of(resource: Resource, obj: Json, asked: int | None) -> int:
    """Seconds until a pod is removed; 0 for other kinds, for pods on no node and for finished ones."""
    if resource is not PODS or not obj["spec"].get("nodeName"):
        return 0
    if obj.get("status", {}).get("phase") in ("Succeeded", "Failed"):
        return 0
    if asked is not None:
        return asked if asked >= 0 else 1
    return int(obj["spec"].get("terminationGracePeriodSeconds", 30))


def ready_to_go(obj: Json) -> bool:
    """Whether an update took the last finalizer from an object that only waited for that."""
    metadata = obj["metadata"]
    waiting = metadata.get("deletionTimestamp") and not metadata.get("finalizers")
    return bool(waiting) and not metadata.get("deletionGracePeriodSeconds") and obj["kind"] != "Namespace"
