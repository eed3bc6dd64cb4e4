"""Binds pending pods to nodes, as a client of the API (Kubernetes: "Kubernetes Scheduler").

One pass over the waiting pods whenever a pod or node changes; in order of priority, then age. A pod that fits nowhere
gets the condition PodScheduled=False and a FailedScheduling event, and is tried again when something changes. Pods of
lower priority make room for it (`preemption`). With it runs what looks after nodes (`node_lifecycle`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from executor.localcluster.node.api import UNREACHABLE, ApiClient, ApiError, Json
from executor.localcluster.node.disruption import disrupt, patch_status, ref
from executor.localcluster.node.fit import NodeRoom, Verdict, add_amounts, choose_node, pod_requests
from executor.localcluster.node.mirror import Mirror
from executor.localcluster.node.node_lifecycle import NodeLifecycle
from executor.localcluster.node.preemption import BoundPod, plan_preemption
from executor.localcluster.node.recorder import EventRecorder, now_seconds
from executor.localcluster.node.timing import LifecycleTimes
from executor.localcluster.quantity import parse_quantity

log = logging.getLogger(__name__)
SCHEDULER = "default-scheduler"
RETRY = 1.0
BINDS_AT_ONCE = 8


class Scheduler:
    """One scheduler for one cluster; `run` until cancelled."""

    def __init__(self, api_url: str, token: str, ca_file: str | None, times: LifecycleTimes | None = None) -> None:
        self._api = ApiClient(api_url, token, ca_file)
        self._lifecycle = NodeLifecycle(
            self._api, times or LifecycleTimes(), lambda: {pod.node for pod in self._bound.values()}
        )
        self._events = EventRecorder(self._api, SCHEDULER)
        self._waiting: dict[str, Json] = {}
        self._bound: dict[str, BoundPod] = {}
        self._used: dict[str, dict[str, Decimal]] = {}
        self._nodes: dict[str, Json] = {}
        self._said: dict[str, str] = {}
        self._changed = asyncio.Event()

    async def run(self) -> None:
        async with self._api, asyncio.TaskGroup() as group:
            pods = Mirror(self._api, "/api/v1/pods", {}, self._pod_changed)
            nodes = Mirror(self._api, "/api/v1/nodes", {}, self._node_changed)
            for task in (pods.run(), nodes.run(), self._events.run(), self._lifecycle.run()):
                group.create_task(task)
            await asyncio.gather(pods.synced.wait(), nodes.synced.wait())
            await self._schedule_for_ever()

    def _pod_changed(self, pod: Json, gone: bool) -> None:
        uid, spec = pod["metadata"]["uid"], pod["spec"]
        finished = gone or (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
        if finished:
            self._forget(uid)
            if self._free(uid):
                self._changed.set()
        elif spec.get("nodeName"):
            self._forget(uid)
            self._take(pod, spec["nodeName"])
            if pod["metadata"].get("deletionTimestamp"):
                self._bound[uid] = replace(self._bound[uid], leaving=True)
        elif is_ours(pod) and uid not in self._bound:
            self._waiting[uid] = pod
            self._changed.set()
        else:
            self._forget(uid)

    def _forget(self, uid: str) -> None:
        self._waiting.pop(uid, None)
        self._said.pop(uid, None)

    def _node_changed(self, node: Json, gone: bool) -> None:
        name = node["metadata"]["name"]
        before = self._nodes.pop(name, None)
        if not gone:
            self._nodes[name] = node
        if gone or before is None or room_facts(before) != room_facts(node):
            self._changed.set()

    async def _schedule_for_ever(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self._pass()
            except (ApiError, *UNREACHABLE) as error:
                log.debug("scheduling is tried again: %r", error)
                await asyncio.sleep(RETRY)
                self._changed.set()

    async def _pass(self) -> None:
        """One look at every waiting pod; bindings are sent a few at a time."""
        batch: list[tuple[Json, str]] = []
        for pod in sorted(self._waiting.values(), key=queue_order):
            uid = pod["metadata"]["uid"]
            if uid not in self._waiting:
                continue
            verdict = choose_node(pod, self._rooms())
            if verdict.node is None:
                await self._make_room(pod, verdict)
                continue
            # assumed at once, so that the next pod of this pass sees the room taken
            self._take(pod, verdict.node)
            batch.append((pod, verdict.node))
            if len(batch) == BINDS_AT_ONCE:
                await self._bind_all(batch)
                batch = []
        await self._bind_all(batch)

    def _take(self, pod: Json, node: str) -> None:
        uid, spec = pod["metadata"]["uid"], pod["spec"]
        if uid not in self._bound:
            asked = {**pod_requests(spec), "pods": Decimal(1)}
            self._bound[uid] = BoundPod(ref(pod), node, asked, spec.get("priority") or 0)
            self._used[node] = add_amounts(self._used.get(node, {}), asked)

    def _free(self, uid: str) -> bool:
        """True if the pod held room on a node."""
        pod = self._bound.pop(uid, None)
        if pod is not None:
            self._used[pod.node] = add_amounts(self._used[pod.node], {name: -n for name, n in pod.asked.items()})
        return pod is not None

    def _rooms(self) -> list[NodeRoom]:
        return [node_room(node, self._used.get(name, {})) for name, node in self._nodes.items()]

    async def _bind_all(self, batch: list[tuple[Json, str]]) -> None:
        await asyncio.gather(*(self._bind(pod, node) for pod, node in batch))

    async def _bind(self, pod: Json, node: str) -> None:
        metadata = pod["metadata"]
        namespace, name, uid = metadata["namespace"], metadata["name"], metadata["uid"]
        body = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": name, "namespace": namespace, "uid": uid},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        }
        try:
            await self._api.post(f"/api/v1/namespaces/{namespace}/pods/{name}/binding", body)
        except (ApiError, *UNREACHABLE) as error:
            self._free(uid)
            log.debug("pod %s not bound: %r", name, error)
            if not isinstance(error, ApiError) or error.status not in (404, 409):
                raise
            return
        self._forget(uid)
        self._events.record(pod, "Scheduled", f"Successfully assigned {namespace}/{name} to {node}")

    async def _make_room(self, pod: Json, verdict: Verdict) -> None:
        """Delete pods of lower priority if that helps, and say in any case why the pod waits."""
        plan = plan_preemption(pod, self._rooms(), self._bound.values()) if verdict.preemption else None
        if plan is None:
            return await self._refuse(pod, verdict)
        message = f"{SCHEDULER}: preempting to accommodate a higher priority pod"
        for victim in plan.victims:
            if not victim.leaving and await disrupt(self._api, victim.ref, "PreemptionByScheduler", message):
                self._bound[victim.ref.uid] = replace(victim, leaving=True)
                text = f"Preempted by pod {pod['metadata']['uid']} on node {plan.node}"
                self._events.record(victim.ref.involved(), "Preempted", text)
        await self._refuse(pod, Verdict(None, verdict.why), plan.node)

    async def _refuse(self, pod: Json, verdict: Verdict, nominated: str | None = None) -> None:
        """Say why, once for each reason. nominated: the node where room is being made."""
        uid = pod["metadata"]["uid"]
        if self._said.get(uid) == verdict.message:
            return
        condition = {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": verdict.message,
            "lastTransitionTime": now_seconds(),
        }
        self._said[uid] = verdict.message
        try:
            there = await patch_status(self._api, ref(pod), {"conditions": [condition], "nominatedNodeName": nominated})
        except (ApiError, *UNREACHABLE):
            self._said.pop(uid, None)
            raise
        if there:
            self._events.record(pod, "FailedScheduling", verdict.message, "Warning")


def is_ours(pod: Json) -> bool:
    """A pod to be scheduled, and by this scheduler."""
    spec = pod["spec"]
    deleted = pod["metadata"].get("deletionTimestamp")
    return not deleted and not spec.get("schedulingGates") and spec.get("schedulerName", SCHEDULER) == SCHEDULER


def queue_order(pod: Json) -> tuple[int, str, int]:
    metadata = pod["metadata"]
    return (-(pod["spec"].get("priority") or 0), metadata["creationTimestamp"], int(metadata["resourceVersion"]))


def room_facts(node: Json) -> object:
    """The parts of a node that decide about pods; heartbeats are not among them."""
    spec, status = node.get("spec") or {}, node.get("status") or {}
    labels = node["metadata"].get("labels")
    return labels, spec.get("taints"), spec.get("unschedulable"), status.get("allocatable"), is_ready(node)


def is_ready(node: Json) -> bool:
    conditions = (node.get("status") or {}).get("conditions") or ()
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def node_room(node: Json, used: Mapping[str, Decimal]) -> NodeRoom:
    """A node as `fit` sees it."""
    spec, status, metadata = node.get("spec") or {}, node.get("status") or {}, node["metadata"]
    return NodeRoom(
        name=metadata["name"],
        labels=metadata.get("labels") or {},
        taints=tuple(spec.get("taints") or ()),
        allocatable={name: parse_quantity(amount) for name, amount in (status.get("allocatable") or {}).items()},
        used=used,
        ready=is_ready(node),
        unschedulable=bool(spec.get("unschedulable")),
    )
