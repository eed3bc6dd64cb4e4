"""Disruption budgets: how many pods may be taken away at once.

Counted from the pods that are there whenever somebody asks, and written into the budgets' status from time to time.
Sources: Kubernetes page "Specifying a Disruption Budget"; ``pkg/controller/disruption/disruption.go``. Excluded: the
scale of controllers (there are none): percentages and ``maxUnavailable`` count the pods that match.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from executor.localcluster.resources import POD_DISRUPTION_BUDGETS, PODS
from executor.localcluster.selectors import matches_labels
from executor.localcluster.stamps import timestamp
from executor.localcluster.status import ApiError
from executor.localcluster.store import Store
from executor.localcluster.types import Json

_ENDED = ("Succeeded", "Failed")


@dataclass(frozen=True, slots=True)
class Budget:
    """One budget counted now: pods that match, pods that are healthy, pods that have to be."""

    expected: int
    healthy: int
    desired: int

    @property
    def allowed(self) -> int:
        return max(self.healthy - self.desired, 0) if self.expected else 0


def budgets_of(store: Store, pod: Json) -> list[Json]:
    """The budgets whose selector matches a pod; one without a selector matches none."""
    metadata = pod["metadata"]
    found = (stored.object for stored in store.in_namespace(POD_DISRUPTION_BUDGETS, metadata["namespace"]))
    return [one for one in found if _selects(one, metadata.get("labels") or {})]


def _selects(budget: Json, labels: Json) -> bool:
    selector = (budget.get("spec") or {}).get("selector")
    return selector is not None and matches_labels(selector, labels)


def count(store: Store, budget: Json) -> Budget:
    """What a budget says about the pods of its namespace as they are now."""
    pods = list(_matching(store, budget))
    healthy = sum(is_ready(pod) and not pod["metadata"].get("deletionTimestamp") for pod in pods)
    return Budget(len(pods), healthy, _desired(budget.get("spec") or {}, len(pods)))


def _matching(store: Store, budget: Json) -> Iterator[Json]:
    for stored in store.in_namespace(PODS, budget["metadata"]["namespace"]):
        if _selects(budget, stored.view.labels):
            pod = stored.object
            if (pod.get("status") or {}).get("phase") not in _ENDED:
                yield pod


def _desired(spec: Json, expected: int) -> int:
    if "maxUnavailable" in spec:
        return max(expected - _scaled(spec["maxUnavailable"], expected), 0)
    return _scaled(spec.get("minAvailable", 1), expected)


def _scaled(value: int | str, total: int) -> int:
    """A number, or a percentage of ``total`` rounded up."""
    return value if isinstance(value, int) else -(-int(value.rstrip("%")) * total // 100)


def is_ready(pod: Json) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def check_eviction(store: Store, pod: Json) -> None:
    """Raise the 429 (or, for two budgets, the 500) of a pod that may not be taken now (``.../storage/eviction.go``)."""
    if (pod.get("status") or {}).get("phase") in (*_ENDED, "Pending") or pod["metadata"].get("deletionTimestamp"):
        return
    budgets = budgets_of(store, pod)
    if len(budgets) > 1:
        message = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
        raise ApiError(500, "", message)
    for budget in budgets:
        _check(budget, count(store, budget), is_ready(pod))


def _check(budget: Json, counted: Budget, ready: bool) -> None:
    policy = (budget.get("spec") or {}).get("unhealthyPodEvictionPolicy")
    healthy_enough = counted.healthy >= counted.desired > 0
    if counted.allowed > 0 or (not ready and (policy == "AlwaysAllow" or healthy_enough)):
        return
    name = budget["metadata"]["name"]
    why = f"The disruption budget {name} needs {counted.desired} healthy pods and has {counted.healthy} currently"
    message = "Cannot evict pod as it would violate the pod's disruption budget."
    raise ApiError(429, "TooManyRequests", message, {"causes": [{"reason": "DisruptionBudget", "message": why}]}, 0)


def status_of(store: Store, budget: Json, now: datetime) -> Json:
    """The status that the budget has to have now; the time of its condition changes with the condition only."""
    counted, old = count(store, budget), budget.get("status") or {}
    enough = counted.allowed > 0
    condition = {
        "type": "DisruptionAllowed",
        "status": "True" if enough else "False",
        "reason": "SufficientPods" if enough else "InsufficientPods",
        "message": "",
        "lastTransitionTime": timestamp(now),
    }
    before = next((one for one in old.get("conditions") or () if one["type"] == "DisruptionAllowed"), None)
    if before is not None and before["status"] == condition["status"]:
        condition = before
    return {
        "disruptionsAllowed": counted.allowed,
        "currentHealthy": counted.healthy,
        "desiredHealthy": counted.desired,
        "expectedPods": counted.expected,
        "conditions": [condition],
    }
