"""Which parts of an object a writer may change, and which the server keeps as they were. Pure."""

from __future__ import annotations

from executor.localcluster.resources import Resource
from executor.localcluster.types import Json


def writable_part(resource: Resource, old: Json, new: Json, subresource: str) -> Json:
    """What an update may change: the main path all but status, ``/status`` only status (and labels, annotations)."""
    merged = dict(old if subresource == "status" else new)
    merged["apiVersion"], merged["kind"] = resource.api_version, resource.kind
    merged["metadata"] = _kept_metadata(old["metadata"], new.get("metadata") or {}, subresource)
    source = new if subresource == "status" else old
    if "status" in resource.subresources:
        merged.pop("status", None)
        if "status" in source:
            merged["status"] = source["status"]
    return merged


def _kept_metadata(old: Json, new: Json, subresource: str) -> Json:
    """The caller's metadata with the server's own fields kept as they were."""
    metadata = dict(new)
    fixed = ["name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"]
    fixed += ["generateName", "generation"] + (["ownerReferences", "finalizers"] if subresource == "status" else [])
    for name in fixed:
        metadata.pop(name, None)
        if name in old:
            metadata[name] = old[name]
    metadata.pop("managedFields", None)
    return metadata
