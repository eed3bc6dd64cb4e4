"""The Node object that the agent reports. Pure but for this machine's own facts."""

from __future__ import annotations

import platform
from dataclasses import dataclass

from executor.localcluster.node.api import Json
from executor.localcluster.node.fields import POD_IP

MAX_PODS = 1000
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True)
class NodeSize:
    """A node's name and capacity; cpu and memory are quantities."""

    name: str
    cpu: str
    memory: str


def _architecture() -> str:
    return ARCHITECTURES.get(platform.machine(), "unknown")


def new_node(name: str) -> Json:
    """The object to create."""
    system = {"os": "linux", "arch": _architecture()}
    labels = {f"{prefix}kubernetes.io/{key}": value for prefix in ("", "beta.") for key, value in system.items()}
    metadata = {"name": name, "labels": {**labels, "kubernetes.io/hostname": name}}
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": {}}


def node_status(size: NodeSize, now: str, ready_since: str) -> Json:
    """The status of a node that is well. now, ready_since: RFC 3339."""
    amounts = {"cpu": size.cpu, "memory": size.memory, "pods": str(MAX_PODS), "ephemeral-storage": "100Gi"}
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "KubeletReady",
        "message": "kubelet is posting ready status",
        "lastHeartbeatTime": now,
        "lastTransitionTime": ready_since,
    }
    return {
        "capacity": amounts,
        "allocatable": amounts,
        "conditions": [ready],
        "addresses": [{"type": "InternalIP", "address": POD_IP}, {"type": "Hostname", "address": size.name}],
        "nodeInfo": {
            "architecture": _architecture(),
            "operatingSystem": "linux",
            "kernelVersion": platform.release(),
            "osImage": "this machine",
            "containerRuntimeVersion": "localcluster://1.0",
            "kubeletVersion": "v1.36.0",
            "kubeProxyVersion": "",
            "machineID": "",
            "systemUUID": "",
            "bootID": "",
        },
    }


def ready_condition(node: Json) -> Json:
    """The Ready condition of a Node object; {} if it has none."""
    conditions = (node.get("status") or {}).get("conditions") or ()
    return next((condition for condition in conditions if condition["type"] == "Ready"), {})
