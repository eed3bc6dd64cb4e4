"""Taints and tolerations (Kubernetes: "Taints and Tolerations"). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from executor.localcluster.node.api import Json

Taint = Mapping[str, Any]
UNREACHABLE_TAINT = "node.kubernetes.io/unreachable"
OUT_OF_SERVICE_TAINT = "node.kubernetes.io/out-of-service"


def tolerated(taint: Taint, spec: Json) -> bool:
    return any(_tolerates(toleration, taint) for toleration in spec.get("tolerations") or ())


def _tolerates(toleration: Json, taint: Taint) -> bool:
    if toleration.get("effect") and toleration["effect"] != taint["effect"]:
        return False
    exists = toleration.get("operator") == "Exists"
    if not toleration.get("key"):
        return exists
    same = bool(toleration["key"] == taint["key"])
    return same and (exists or (toleration.get("value") or "") == (taint.get("value") or ""))


def no_execute(node: Json) -> list[Taint]:
    """The taints of a Node object that drive pods away."""
    return [taint for taint in (node.get("spec") or {}).get("taints") or () if taint.get("effect") == "NoExecute"]


def stay_seconds(spec: Json, taints: Iterable[Taint]) -> float:
    """How long a pod may stay on a node with these NoExecute taints; infinity for ever (getMinTolerationTime)."""
    stay = float("inf")
    for taint in taints:
        used = [one for one in spec.get("tolerations") or () if _tolerates(one, taint)]
        if not used:
            return 0
        # of several that match one taint the first counts, as in GetMatchingTolerations
        seconds = used[0].get("tolerationSeconds")
        stay = min(stay, float("inf") if seconds is None else max(0, seconds))
    return stay
