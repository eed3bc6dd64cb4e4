"""Which pods make room for one of higher priority (Kubernetes: "Pod Priority and Preemption"). Pure.

Excluded: disruption budgets, and victims of a node where anything but room is missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from executor.localcluster.node.api import Json
from executor.localcluster.node.disruption import PodRef
from executor.localcluster.node.fit import NodeRoom, add_amounts, misfits, pod_requests


@dataclass(frozen=True, slots=True)
class BoundPod:
    """What is kept of a pod that has a node. asked: with one of "pods"; leaving: is being deleted."""

    ref: PodRef
    node: str
    asked: Mapping[str, Decimal]
    priority: int = 0
    leaving: bool = False


@dataclass(frozen=True, slots=True)
class Preemption:
    """The node that gets room when the victims have gone."""

    node: str
    victims: tuple[BoundPod, ...]


def plan_preemption(pod: Json, rooms: Sequence[NodeRoom], bound: Iterable[BoundPod]) -> Preemption | None:
    """Where the pod fits once the fewest and least important pods have gone; None if it may not or need not be."""
    spec = pod["spec"]
    priority = spec.get("priority") or 0
    if spec.get("preemptionPolicy") == "Never":
        return None
    lower = [other for other in bound if other.priority < priority]
    plans = [plan for room in rooms if (plan := _plan(spec, room, lower)) is not None]
    return min(plans, key=_cost, default=None)


def _plan(spec: Json, room: NodeRoom, lower: Iterable[BoundPod]) -> Preemption | None:
    """Take all lower pods away, then give back the most important ones that still fit (selectVictimsOnNode)."""
    here = [pod for pod in lower if pod.node == room.name]
    candidates = sorted(here, key=lambda pod: (pod.leaving, -pod.priority))  # who leaves anyway is spared last
    asked = pod_requests(spec)
    used = dict(room.used)
    for pod in candidates:
        used = _without(used, pod)
    if misfits(spec, asked, replace(room, used=used)):
        return None
    victims = []
    for pod in candidates:
        with_it = add_amounts(used, pod.asked)
        if misfits(spec, asked, replace(room, used=with_it)):
            victims.append(pod)
        else:
            used = with_it
    return Preemption(room.name, tuple(victims)) if victims else None


def _without(used: Mapping[str, Decimal], pod: BoundPod) -> dict[str, Decimal]:
    return add_amounts(used, {name: -amount for name, amount in pod.asked.items()})


def _cost(plan: Preemption) -> tuple[int, int, int]:
    """pickOneNodeForPreemption: least important most important victim, least priority together, fewest."""
    priorities = [pod.priority for pod in plan.victims]
    return (max(priorities), sum(priorities), len(priorities))
