"""Pods, rows and facts in a line each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec

from executor.model import Kind, Launch, Row
from executor.observe.decide import Facts, Policy
from executor.observe.pod_view import PodView

JOB = 7
NODE = "node-9"
POLICY = Policy(job_id=JOB, fatal_reasons=frozenset({"CreateContainerConfigError", "ErrImagePull", "ImagePullBackOff"}))
LAUNCH = Launch("launch-1", Kind.TASK, "key", "ti-1", "dag", "task", "run", 2, -1)
CALLBACK = Launch("launch-1", Kind.CALLBACK, "key", "launch-1", "dag", "callback", "run", 1, -1)


def row(state: str | None = "queued", **changes: Any) -> Row:
    """The row of LAUNCH."""
    found = Row("ti-1", state, 2, "launch-1", JOB, "pod-1" if state == "running" else "")
    return replace(found, **changes)


def facts(launch: Launch = LAUNCH, **changes: Any) -> Facts:
    return Facts(launch, **{"posted_at": 100.0, "class_since": 100.0, **changes})


def pod(
    base: dict[str, Any] | None = None,
    *,
    phase: str = "Running",
    node: str = NODE,
    conditions: list[dict[str, Any]] | None = None,
    deleting: bool = False,
    deletion: tuple[str, int] | None = None,
    name: str = "pod-1",
    **more: Any,
) -> PodView:
    """base: the state of container base, None if the kubelet has not said anything yet."""
    uid = name.replace("pod-", "u")
    meta = {"name": name, "namespace": "ns", "uid": uid, "labels": more.pop("labels", {}), "annotations": {}}
    if created := more.pop("created", ""):
        meta["creationTimestamp"] = created
    if deleting:
        meta["deletionTimestamp"] = "2026-01-01T00:00:30Z"
    if deletion:
        meta["deletionTimestamp"], meta["deletionGracePeriodSeconds"] = deletion
    statuses = [] if base is None else [{"name": "base", "image": "i:1", "state": base}]
    status = {
        "phase": phase,
        "conditions": conditions or [],
        "containerStatuses": statuses + more.pop("sidecars", []),
        "initContainerStatuses": more.pop("inits", []),
        "reason": more.pop("reason", ""),
        "message": more.pop("message", ""),
    }
    containers = [{"name": "base", "image": "i:1", "resources": {"limits": more.pop("limits", {})}}]
    spec = {"containers": containers, "schedulingGates": [{"name": g} for g in more.pop("gates", [])]}
    if node:
        spec["nodeName"] = node
    assert not more
    return msgspec.convert({"metadata": meta, "spec": spec, "status": status}, PodView)


def ended(code: int = 0, reason: str = "", **more: Any) -> dict[str, Any]:
    reason = reason or ("Error" if code else "Completed")
    times = {"startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:00:42Z"}
    return {"terminated": {"exitCode": code, "reason": reason, **times, **more}}


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return {"waiting": {"reason": reason, "message": message}}


def disrupted(reason: str = "EvictionByEvictionAPI", message: str = "drained") -> list[dict[str, Any]]:
    return [{"type": "DisruptionTarget", "status": "True", "reason": reason, "message": message}]


def unscheduled(message: str = "0/3 nodes are available") -> list[dict[str, Any]]:
    return [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}]


RUNNING = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
