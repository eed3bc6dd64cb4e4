"""How lists and maps of the kinds served here merge: by which keys, as a set, or not at all.

The models of the Python client leave this out. Sources: the tags ``patchMergeKey`` (strategic merge patches) and
``listType``, ``listMapKey``, ``mapType``, ``structType`` (server-side apply) of ``k8s.io/api``.
"""

from __future__ import annotations

_CONDITIONS = {"conditions": "type"}
_CONTAINER = {"env": "name", "ports": "containerPort", "volumeMounts": "mountPath", "volumeDevices": "devicePath"}
PATCH_KEYS: dict[str, dict[str, str]] = {
    "V1PodSpec": {
        "containers": "name",
        "initContainers": "name",
        "ephemeralContainers": "name",
        "volumes": "name",
        "imagePullSecrets": "name",
        "hostAliases": "ip",
        "topologySpreadConstraints": "topologyKey",
        "resourceClaims": "name",
        "schedulingGates": "name",
    },
    "V1Container": _CONTAINER,
    "V1EphemeralContainer": _CONTAINER,
    "V1ObjectMeta": {"ownerReferences": "uid", "finalizers": ""},
    "V1PodStatus": {"conditions": "type", "podIPs": "ip", "hostIPs": "ip", "resourceClaimStatuses": "name"},
    "V1NodeStatus": {"conditions": "type", "addresses": "type"},
    "V1NodeSpec": {"podCIDRs": ""},
    "V1NamespaceStatus": _CONDITIONS,
    "V1PersistentVolumeClaimStatus": _CONDITIONS,
    "V1PodDisruptionBudgetStatus": _CONDITIONS,
    "V1DeploymentStatus": _CONDITIONS,
    "V1StatefulSetStatus": _CONDITIONS,
    "V1JobStatus": _CONDITIONS,
    "V1ServiceStatus": _CONDITIONS,
    "V1ServiceSpec": {"ports": "port"},
    "V1ServiceAccount": {"secrets": "name"},
}
"""Merge key of strategic merge patches by model and field; an empty key marks a set of plain values."""

_PORTS: dict[str, tuple[str, ...]] = {"ports": ("containerPort", "protocol")}
_APPLY_DIFFERENCES: dict[str, dict[str, tuple[str, ...]]] = {
    "V1PodSpec": {"topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable")},
    "V1Container": _PORTS,
    "V1EphemeralContainer": _PORTS,
    "V1ServiceSpec": {"ports": ("port", "protocol")},
    "V1ResourceRequirements": {"claims": ("name",)},
}
_ATOMIC_LISTS = frozenset({("V1PodStatus", "hostIPs"), ("V1JobStatus", "conditions")})
KEY_DEFAULTS = {"protocol": "TCP"}
"""What a key means where an item leaves it out."""


def _apply_keys() -> dict[str, dict[str, tuple[str, ...]]]:
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for model, keys in PATCH_KEYS.items():
        merging = {name: key for name, key in keys.items() if (model, name) not in _ATOMIC_LISTS}
        found[model] = {name: (key,) if key else () for name, key in merging.items()}
    for model, others in _APPLY_DIFFERENCES.items():
        found[model] = {**found.get(model, {}), **others}
    return found


APPLY_KEYS = _apply_keys()
"""Keys of server-side apply by model and field; empty for a set; a list that is not named is replaced as a whole."""

ATOMIC_STRUCTS = frozenset(
    {
        "V1ConfigMapKeySelector",
        "V1FileKeySelector",
        "V1LabelSelector",
        "V1LocalObjectReference",
        "V1NodeSelector",
        "V1NodeSelectorTerm",
        "V1ObjectFieldSelector",
        "V1ObjectReference",
        "V1OwnerReference",
        "V1ResourceFieldSelector",
        "V1RoleRef",
        "V1ScopeSelector",
        "V1SecretKeySelector",
        "V1TypedLocalObjectReference",
        "RbacV1Subject",
    }
)
"""Structs that server-side apply replaces as a whole."""

ATOMIC_MAPS = frozenset({("V1PodSpec", "nodeSelector"), ("V1ServiceSpec", "selector")})
"""Maps, by model and field, that server-side apply replaces as a whole."""
