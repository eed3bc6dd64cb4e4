"""The kubelet's words when it ends a pod for the node's sake (pkg/kubelet/eviction/helpers.go). Pure.

The pressure is made up (a test asks for it); what the containers use is measured.
"""

from __future__ import annotations

from collections.abc import Mapping

from executor.localcluster.node.api import Json
from executor.localcluster.quantity import parse_quantity

REASON = "Evicted"
LOW = "The node was low on resource: memory. Threshold quantity: 100Mi, available: 96Mi. "


def eviction_message(pod: Json, memory: Mapping[str, int]) -> str:
    """memory: bytes that each running container holds."""
    return LOW + "".join(
        f"Container {container['name']} was using {memory[container['name']] // 1024}Ki, request is {request}, "
        "has larger consumption of memory. "
        for container in pod["spec"]["containers"]
        if memory.get(container["name"], 0) > parse_quantity(request := _request(container))
    )


def _request(container: Json) -> str:
    return str(((container.get("resources") or {}).get("requests") or {}).get("memory", "0"))
