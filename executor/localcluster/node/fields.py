"""The downward API: what `fieldRef` and `resourceFieldRef` stand for (Kubernetes: "Downward API")."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from executor.localcluster.node.api import Json
from executor.localcluster.quantity import parse_quantity

POD_IP = "127.0.0.1"
_KEYED = re.compile(r"metadata\.(labels|annotations)\['(.+)'\]")


class FieldError(ValueError):
    """A reference to a field that the downward API does not have."""


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What a container may ask about its node. cpu: cores; memory: bytes."""

    name: str
    cpu: Decimal
    memory: Decimal


def pod_field(path: str, pod: Json, node: NodeFacts) -> str:
    """The text of a fieldRef. Raises FieldError."""
    metadata, spec = pod["metadata"], pod["spec"]
    keyed = _KEYED.fullmatch(path)
    if keyed:
        return str((metadata.get(keyed[1]) or {}).get(keyed[2], ""))
    simple: Mapping[str, Callable[[], str]] = {
        "metadata.name": lambda: metadata["name"],
        "metadata.namespace": lambda: metadata["namespace"],
        "metadata.uid": lambda: metadata["uid"],
        "metadata.labels": lambda: _format_map(metadata.get("labels")),
        "metadata.annotations": lambda: _format_map(metadata.get("annotations")),
        "spec.nodeName": lambda: node.name,
        "spec.serviceAccountName": lambda: spec.get("serviceAccountName", "default"),
        "status.podIP": lambda: POD_IP,
        "status.podIPs": lambda: POD_IP,
        "status.hostIP": lambda: POD_IP,
        "status.hostIPs": lambda: POD_IP,
    }
    if path not in simple:
        raise FieldError(f"unsupported fieldPath: {path}")
    return simple[path]()


def _format_map(values: Mapping[str, str] | None) -> str:
    return "\n".join(f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in sorted((values or {}).items()))


def resource_field(reference: Json, container: Json, node: NodeFacts) -> str:
    """The text of a resourceFieldRef, rounded up to whole divisors; a limit that is not set is the node's."""
    kind, _, resource = str(reference["resource"]).partition(".")
    resources = container.get("resources") or {}
    amounts = resources.get(kind) or {}
    if resource in amounts:
        amount = parse_quantity(amounts[resource])
    elif kind == "limits" and resource in ("cpu", "memory"):
        amount = node.cpu if resource == "cpu" else node.memory
    else:
        amount = Decimal(0)
    divisor = parse_quantity(reference.get("divisor") or "1") or Decimal(1)
    return str(math.ceil(amount / divisor))
