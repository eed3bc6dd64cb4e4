"""Which lists of a Pod are merged by a key, and which objects are unions.

The list rules are the `patchStrategy` and `patchMergeKey` tags of Kubernetes' Go types (k8s.io/api/core/v1/types.go and
apimachinery/pkg/apis/meta/v1/types.go). A list without a tag is replaced as a whole. The unions are those objects of
which the API server takes exactly one member.
"""

from __future__ import annotations

from collections.abc import Iterable

# The elements of such a list are plain values, merged as a set.
PRIMITIVE = ""

_MERGE_KEYS: dict[str, dict[str, str]] = {
    "V1ObjectMeta": {"finalizers": PRIMITIVE, "ownerReferences": "uid"},
    "V1PodSpec": {
        "containers": "name",
        "initContainers": "name",
        "ephemeralContainers": "name",
        "volumes": "name",
        "imagePullSecrets": "name",
        "resourceClaims": "name",
        "schedulingGates": "name",
        "hostAliases": "ip",
        "topologySpreadConstraints": "topologyKey",
    },
    "V1PodStatus": {
        "conditions": "type",
        "hostIPs": "ip",
        "podIPs": "ip",
        "resourceClaimStatuses": "name",
        "nodeAllocatableResourceClaimStatuses": "resourceClaimName",
    },
    "V1ContainerStatus": {"allocatedResourcesStatus": "name", "volumeMounts": "mountPath"},
}
_CONTAINER = {"env": "name", "ports": "containerPort", "volumeMounts": "mountPath", "volumeDevices": "devicePath"}
_MERGE_KEYS["V1Container"] = _MERGE_KEYS["V1EphemeralContainer"] = _CONTAINER

_HANDLER = frozenset({"exec", "httpGet", "tcpSocket", "grpc", "sleep"})

_UNIONS: dict[str, frozenset[str]] = {
    "V1EnvVar": frozenset({"value", "valueFrom"}),
    "V1EnvVarSource": frozenset({"fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef"}),
    "V1Probe": _HANDLER,
    "V1LifecycleHandler": _HANDLER,
    "V1PodResourceClaim": frozenset({"resourceClaimName", "resourceClaimTemplateName"}),
}


def merge_key(model: str | None, field: str) -> str | None:
    """Return the key by which the list `field` of `model` is merged, PRIMITIVE, or None for a list that is replaced."""
    rules = _MERGE_KEYS.get(model) if model else None
    return rules.get(field) if rules else None


def union_members(model: str | None, present: Iterable[str]) -> Iterable[str]:
    """Return those of the field names `present` that exclude one another in `model`."""
    if model == "V1Volume":  # every member but the name is a source, those of releases to come included
        return [name for name in present if name != "name"]
    members = _UNIONS.get(model) if model else None
    return [name for name in present if name in members] if members else ()
