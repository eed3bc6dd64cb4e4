"""Which node a pod fits on, and why not on the others. Pure.

Kubernetes: "Assigning Pods to Nodes", "Taints and Tolerations", "Resource requests and limits of Pod and container";
sentences as of kube-scheduler's plugins. See also `preemption`.
A port of the node is a resource of which there is one. Excluded: pod affinity, topology spread, preferences, `hostIP`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from executor.localcluster.node.api import Json
from executor.localcluster.node.taints import tolerated
from executor.localcluster.quantity import parse_quantity

Amounts = Mapping[str, Decimal]
HOST_PORT = "hostPort/"  # + protocol/number
NO_PORTS = "node(s) didn't have free ports for the requested pod ports"


@dataclass(frozen=True, slots=True)
class NodeRoom:
    """A node, with what its unfinished pods have asked for already."""

    name: str
    labels: Mapping[str, str]
    taints: tuple[Mapping[str, Any], ...]
    allocatable: Amounts
    used: Amounts
    ready: bool = True
    unschedulable: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """node: where the pod goes; without one, message says why not, in two parts: `why`, and what `preemption` says."""

    node: str | None
    why: str = ""
    preemption: str = ""

    @property
    def message(self) -> str:
        return f"{self.why} {self.preemption}".rstrip()


def pod_requests(spec: Json) -> dict[str, Decimal]:
    """What a pod asks for: containers and sidecars together, or an init container and the sidecars before it; and the
    ports of its node."""
    sidecars: dict[str, Decimal] = {}
    peak: dict[str, Decimal] = {}
    for container in spec.get("initContainers") or ():
        asked = _requests(container)
        if container.get("restartPolicy") == "Always":
            sidecars = add_amounts(sidecars, asked)
            asked = sidecars
        else:
            asked = add_amounts(sidecars, asked)
        peak = {name: max(peak.get(name, Decimal(0)), amount) for name, amount in {**peak, **asked}.items()}
    total = sidecars
    for container in spec["containers"]:
        total = add_amounts(total, _requests(container))
    names = {*total, *peak}
    zero = Decimal(0)
    overhead = {name: parse_quantity(amount) for name, amount in (spec.get("overhead") or {}).items()}
    asked = {name: max(total.get(name, zero), peak.get(name, zero)) + overhead.get(name, zero) for name in names}
    return asked | _host_ports(spec)


def _host_ports(spec: Json) -> dict[str, Decimal]:
    sidecars = [one for one in spec.get("initContainers") or () if one.get("restartPolicy") == "Always"]
    ports = [port for container in (*spec["containers"], *sidecars) for port in container.get("ports") or ()]
    taken = [port for port in ports if port.get("hostPort")]
    return {f"{HOST_PORT}{port.get('protocol', 'TCP')}/{port['hostPort']}": Decimal(1) for port in taken}


def _requests(container: Json) -> dict[str, Decimal]:
    resources = container.get("resources") or {}
    asked = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
    return {name: parse_quantity(str(amount)) for name, amount in asked.items()}


def add_amounts(left: Mapping[str, Decimal], right: Mapping[str, Decimal]) -> dict[str, Decimal]:
    return {name: left.get(name, Decimal(0)) + right.get(name, Decimal(0)) for name in {*left, *right}}


def choose_node(pod: Json, nodes: Sequence[NodeRoom]) -> Verdict:
    """The fitting node with most free memory, or the scheduler's sentence."""
    if not nodes:
        return Verdict(None, "no nodes available to schedule pods")
    spec = pod["spec"]
    claims = [
        volume["persistentVolumeClaim"] for volume in spec.get("volumes") or () if "persistentVolumeClaim" in volume
    ]
    asked = pod_requests(spec)
    reasons: Counter[str] = Counter()
    fitting: list[NodeRoom] = []
    for node in nodes:
        why = [f'persistentvolumeclaim "{claims[0]["claimName"]}" not found'] if claims else misfits(spec, asked, node)
        reasons.update(why)
        if not why:
            fitting.append(node)
    if fitting:
        return Verdict(max(fitting, key=lambda node: _free(node, "memory")).name)
    if claims:
        return Verdict(None, f"0/{len(nodes)} nodes are available: {', '.join(sorted(reasons))}.")
    return Verdict(None, *_sentences(reasons, len(nodes)))


def _sentences(reasons: Counter[str], count: int) -> tuple[str, str]:
    parts = sorted(f"{number} {reason}" for reason, number in reasons.items())
    only_room = all(reason.startswith(("Insufficient", "Too many")) or reason == NO_PORTS for reason in reasons)
    help_ = "No preemption victims found for incoming pod" if only_room else "Preemption is not helpful for scheduling"
    available = f"0/{count} nodes are available:"
    return f"{available} {', '.join(parts)}.", f"preemption: {available} {count} {help_}."


def misfits(spec: Json, asked: Amounts, node: NodeRoom) -> list[str]:
    """Why a pod does not fit a node; of the scheduler's plugins, in their order, the first that objects speaks."""
    objection = _objection(spec, node)
    if objection:
        return [objection]
    short = [name for name, amount in asked.items() if amount and amount > _free(node, name)]
    if any(name.startswith(HOST_PORT) for name in short):
        return [NO_PORTS]
    return [f"Insufficient {name}" for name in short]


def _objection(spec: Json, node: NodeRoom) -> str | None:
    cordoned = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
    if node.unschedulable and not tolerated(cordoned, spec):
        return "node(s) were unschedulable"
    hard = [taint for taint in _taints(node) if taint["effect"] != "PreferNoSchedule"]
    taint = next((taint for taint in hard if not tolerated(taint, spec)), None)
    if taint:
        return f"node(s) had untolerated taint {{{taint['key']}: {taint.get('value') or ''}}}"
    if not _selected(spec, node):
        return "node(s) didn't match Pod's node affinity/selector"
    return "Too many pods" if _free(node, "pods") < 1 else None


def _taints(node: NodeRoom) -> tuple[Mapping[str, Any], ...]:
    not_ready = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
    return node.taints if node.ready else (not_ready, *node.taints)


def _free(node: NodeRoom, resource: str) -> Decimal:
    there = Decimal(1) if resource.startswith(HOST_PORT) else node.allocatable.get(resource, Decimal(0))
    return there - node.used.get(resource, Decimal(0))


def _selected(spec: Json, node: NodeRoom) -> bool:
    wanted = spec.get("nodeSelector") or {}
    if any(node.labels.get(key) != value for key, value in wanted.items()):
        return False
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    return required is None or any(_term_matches(term, node) for term in required.get("nodeSelectorTerms") or ())


def _term_matches(term: Json, node: NodeRoom) -> bool:
    labels, fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
    if not labels and not fields:
        return False
    named = {"metadata.name": node.name}
    return all(_expression_matches(e, node.labels) for e in labels) and all(
        _expression_matches(e, named) for e in fields
    )


def _expression_matches(expression: Json, labels: Mapping[str, str]) -> bool:
    """One NodeSelectorRequirement. Gt and Lt compare whole numbers."""
    value, values = labels.get(expression["key"]), list(expression.get("values") or ())
    operators: Mapping[str, Callable[[], bool]] = {
        "In": lambda: value in values,
        "NotIn": lambda: value not in values,
        "Exists": lambda: value is not None,
        "DoesNotExist": lambda: value is None,
        "Gt": lambda: value is not None and int(value) > int(values[0]),
        "Lt": lambda: value is not None and int(value) < int(values[0]),
    }
    return operators[expression["operator"]]()
