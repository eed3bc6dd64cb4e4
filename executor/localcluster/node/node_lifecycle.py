"""What controllers of a real cluster do about nodes: a silent one is NotReady, its pods go elsewhere.

Node lifecycle: a Lease that is not renewed makes the node Unknown and `unreachable`; much later it is taken for dead
(`out-of-service`, which on real clusters people or a cloud's controller say). Taint eviction: NoExecute taints, also
those that people set, drive pods away after the time that they tolerate. Pod garbage collection: what is left of pods
on dead or deleted nodes is removed by force. (Kubernetes: "Nodes", "Taints and Tolerations", "Pod Lifecycle".)

Polls every few seconds: nodes are few, and time during which nothing could be read counts as nobody's silence.
Nodes without a Lease are left alone; so are pods that have finished.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Set
from dataclasses import dataclass

from executor.localcluster.node.api import UNREACHABLE, ApiClient, ApiError, Json
from executor.localcluster.node.disruption import delete, disrupt, patch_status, ref, set_condition
from executor.localcluster.node.node_object import ready_condition
from executor.localcluster.node.recorder import EventRecorder, now_seconds
from executor.localcluster.node.registration import LEASES
from executor.localcluster.node.taints import OUT_OF_SERVICE_TAINT, UNREACHABLE_TAINT, Taint, no_execute, stay_seconds
from executor.localcluster.node.timing import LifecycleTimes

log = logging.getLogger(__name__)
FINAL = ("Succeeded", "Failed")
OURS = (UNREACHABLE_TAINT, OUT_OF_SERVICE_TAINT)


@dataclass(slots=True)
class _Lease:
    """renewed: the renewTime last seen; silent: seconds, counted in looks at which it was the same."""

    renewed: str
    silent: float = 0.0


class NodeLifecycle:
    """`run` until cancelled. used_nodes: names of the nodes that unfinished pods are bound to."""

    def __init__(self, api: ApiClient, times: LifecycleTimes, used_nodes: Callable[[], set[str]]) -> None:
        self._api, self._times, self._used_nodes = api, times, used_nodes
        self._events = EventRecorder(api, "node-controller")
        self._leases: dict[str, _Lease] = {}
        self._tainted_since: dict[str, float] = {}
        self._missing_since: dict[str, float] = {}

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._events.run())
            while True:
                await asyncio.sleep(self._times.tick)
                try:
                    await self._look()
                except (ApiError, *UNREACHABLE) as error:
                    log.debug("nodes are looked at again later: %r", error)

    async def _look(self) -> None:
        leases = {lease["metadata"]["name"]: lease for lease in await self._items(LEASES)}
        nodes = {node["metadata"]["name"]: node for node in await self._items("/api/v1/nodes")}
        self._leases = {name: lease for name, lease in self._leases.items() if name in leases}
        driven: set[str] = set()
        for name, node in nodes.items():
            if name in leases:
                await self._judge(node, self._listen(name, leases[name]))
            driven |= await self._drive_away(node)
        self._tainted_since = {uid: since for uid, since in self._tainted_since.items() if uid in driven}
        await self._bury(nodes.keys())

    async def _items(self, path: str, **params: str) -> list[Json]:
        answer = await self._api.get(path, params)
        return answer.get("items") or []

    def _listen(self, name: str, lease: Json) -> float:
        """Seconds of silence of a node."""
        renewed = str((lease.get("spec") or {}).get("renewTime"))
        known = self._leases.get(name)
        if known is None or known.renewed != renewed:
            self._leases[name] = _Lease(renewed)
        else:
            known.silent += self._times.tick
        return self._leases[name].silent

    # --- node lifecycle

    async def _judge(self, node: Json, silent: float) -> None:
        ready = ready_condition(node).get("status")
        wanted = []
        if silent >= self._times.silence:
            wanted.append(UNREACHABLE_TAINT)
            if ready != "Unknown":
                await self._mark_unknown(node)
        elif ready != "True":
            return  # it lives again, and will say so
        if silent >= self._times.silence + self._times.out_of_service:
            wanted.append(OUT_OF_SERVICE_TAINT)
        await self._taint(node, wanted)

    async def _mark_unknown(self, node: Json) -> None:
        now, name = now_seconds(), node["metadata"]["name"]
        condition = {
            **ready_condition(node),
            "type": "Ready",
            "status": "Unknown",
            "reason": "NodeStatusUnknown",
            "message": "Kubelet stopped posting node status.",
            "lastTransitionTime": now,
        }
        await self._api.patch(f"/api/v1/nodes/{name}/status", {"status": {"conditions": [condition]}})
        for pod in await self._pods_on(name):
            if not is_final(pod):
                await set_condition(self._api, ref(pod), type="Ready", status="False")
                self._events.record(pod, "NodeNotReady", "Node is not ready", "Warning")

    async def _taint(self, node: Json, wanted: list[str]) -> None:
        """Give a node those of our taints that it should have, and no other of ours."""
        taints = (node.get("spec") or {}).get("taints") or []
        there = {taint["key"] for taint in taints if taint["key"] in OURS}
        if there == set(wanted):
            return
        kept = [taint for taint in taints if taint["key"] not in OURS or taint["key"] in wanted]
        kept += [taint for key in wanted if key not in there for taint in new_taints(key, now_seconds())]
        metadata = {"resourceVersion": node["metadata"]["resourceVersion"]}
        path = f"/api/v1/nodes/{node['metadata']['name']}"
        # a conflict is for the next look: the taints may have been changed by others
        await self._api.patch(path, {"metadata": metadata, "spec": {"taints": kept or None}})

    async def _pods_on(self, node: str) -> list[Json]:
        return await self._items("/api/v1/pods", fieldSelector=f"spec.nodeName={node}")

    # --- taint eviction, pod garbage collection

    async def _drive_away(self, node: Json) -> set[str]:
        """uids of pods that are on the node and should not be for ever."""
        taints = no_execute(node)
        if not taints:
            return set()
        dead = any(taint["key"] == OUT_OF_SERVICE_TAINT for taint in taints)
        pods = await self._pods_on(node["metadata"]["name"])
        for pod in pods:
            if not pod["metadata"].get("deletionTimestamp"):
                await self._evict_in_time(pod, taints)
            elif dead and ready_condition(node).get("status") != "True":
                await self._remove(pod)
        return {pod["metadata"]["uid"] for pod in pods}

    async def _evict_in_time(self, pod: Json, taints: list[Taint]) -> None:
        metadata, now = pod["metadata"], time.monotonic()
        since = self._tainted_since.setdefault(metadata["uid"], now)
        if is_final(pod) or now - since < stay_seconds(pod["spec"], taints):
            return
        self._events.record(
            pod, "TaintManagerEviction", f"Marking for deletion Pod {metadata['namespace']}/{metadata['name']}"
        )
        await disrupt(self._api, ref(pod), "DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint")

    async def _bury(self, names: Set[str]) -> None:
        """Remove the pods of nodes whose object is gone for good."""
        now = time.monotonic()
        missing = self._used_nodes() - names
        self._missing_since = {name: self._missing_since.get(name, now) for name in missing}
        for name, since in self._missing_since.items():
            for pod in await self._pods_on(name) if now - since >= self._times.quarantine else ():
                await self._remove(pod, "PodGC: node no longer exists")

    async def _remove(self, pod: Json, disruption: str = "") -> None:
        """Failed, then gone. disruption: message of the condition, where the deletion itself is one."""
        condition = {"type": "DisruptionTarget", "status": "True", "reason": "DeletionByPodGC", "message": disruption}
        conditions = [{**condition, "lastTransitionTime": now_seconds()}] if disruption else []
        if not is_final(pod):
            await patch_status(self._api, ref(pod), {"phase": "Failed", "conditions": conditions})
        await delete(self._api, ref(pod), grace=0)


def is_final(pod: Json) -> bool:
    return (pod.get("status") or {}).get("phase") in FINAL


def new_taints(key: str, now: str) -> list[Taint]:
    """The taints of that key that a node gets. now: RFC 3339."""
    if key == OUT_OF_SERVICE_TAINT:
        return [{"key": key, "value": "nodeshutdown", "effect": "NoExecute", "timeAdded": now}]
    return [{"key": key, "effect": "NoSchedule"}, {"key": key, "effect": "NoExecute", "timeAdded": now}]
