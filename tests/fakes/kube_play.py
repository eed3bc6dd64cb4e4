"""The hand of the kubelet, the scheduler and the drainer on one pod of `FakeKube`."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from executor.kube.port import PodRef
from executor.observe.pod_view import PodView

if TYPE_CHECKING:
    from tests.fakes.kube_store import PodStore


def ref(pod: dict[str, Any]) -> PodRef:
    """Which pod this is."""
    meta = pod["metadata"]
    return PodRef(meta["namespace"], meta["name"], meta["uid"])


def view(pod: dict[str, Any]) -> PodView:
    """The pod as the executor sees it."""
    return msgspec.convert(pod, PodView)


def stamp(when: datetime) -> str:
    """A time as Kubernetes writes it: UTC, whole seconds."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True)
class Play:
    """Writes a pod's status as a kubelet would. Every method returns self; uid guards against a namesake."""

    kube: PodStore
    key: tuple[str, str]
    uid: str | None = None

    def scheduled(self, node: str = "node-1") -> Play:
        """A node has it; its containers are being made."""
        with self._changing() as pod:
            pod["spec"]["nodeName"] = node
            pod["status"]["startTime"] = stamp(self.kube.now())
            _container(pod)["state"] = {"waiting": {"reason": "ContainerCreating"}}
            _condition(pod, "PodScheduled", "True")
        return self

    def unschedulable(self, message: str = "0/1 nodes are available: 1 Insufficient cpu.") -> Play:
        """No node has room."""
        with self._changing() as pod:
            _condition(pod, "PodScheduled", "False", "Unschedulable", message)
        return self

    def waiting(self, reason: str, message: str = "") -> Play:
        """`base` cannot start, for example ImagePullBackOff."""
        self.scheduled()
        with self._changing() as pod:
            _container(pod)["state"] = {"waiting": {"reason": reason, "message": message}}
        return self

    def running(self, node: str = "node-1") -> Play:
        """`base` runs."""
        self.scheduled(node)
        with self._changing() as pod:
            pod["status"]["phase"] = "Running"
            _container(pod).update(state={"running": {"startedAt": stamp(self.kube.now())}}, started=True)
        return self

    def finish(self, exit_code: int = 0, reason: str = "", *, message: str = "", signal: int = 0) -> Play:
        """`base` ends; the pod's phase follows."""
        with self._changing() as pod:
            self._end_base(pod, exit_code, reason, message, signal)
            pod["status"]["phase"] = "Failed" if exit_code else "Succeeded"
        return self

    def oom(self) -> Play:
        """`base` is killed for its memory."""
        return self.finish(137, "OOMKilled")

    def base_ended(self, exit_code: int = 0, reason: str = "") -> Play:
        """`base` ends and other containers go on: the phase stays Running."""
        with self._changing() as pod:
            self._end_base(pod, exit_code, reason, "", 0)
        return self

    def disrupt(self, reason: str = "EvictionByEvictionAPI", *, grace: int = 30) -> Play:
        """An eviction or a preemption: DisruptionTarget, then the deletion of somebody else."""
        with self._changing() as pod:
            _condition(pod, "DisruptionTarget", "True", reason, "somebody needs the room")
        return self.deleted(grace)

    def evicted(self, message: str = "The node was low on resource: memory.") -> Play:
        """Evicted by the kubelet: Failed, and the object stays."""
        with self._changing() as pod:
            _condition(pod, "DisruptionTarget", "True", "TerminationByKubelet", message)
            pod["status"].update(phase="Failed", reason="Evicted", message=message)
            if pod["status"].get("containerStatuses"):
                self._end_base(pod, 137, "ContainerStatusUnknown", "", 0)
        return self

    def deleted(self, grace: int = 30) -> Play:
        """Somebody else deletes it."""
        self.kube.start_deletion(self.kube.pods[self.key], grace)
        return self

    def stopped(self, exit_code: int = 143) -> Play:
        """The end of a graceful deletion: `base` has stopped, the object goes. Nothing when it is gone already."""
        pod = self.kube.pods.get(self.key)
        if pod is None or self.uid not in (None, pod["metadata"]["uid"]):
            return self
        if pod["status"].get("phase") not in ("Succeeded", "Failed"):
            self.finish(exit_code, "Error")
        self.kube.remove(self.key)
        return self

    def vanish(self) -> Play:
        """The object goes without a word, as when its node was removed by force."""
        self.kube.remove(self.key)
        return self

    def _changing(self) -> _Changing:
        return _Changing(self.kube, self.key)

    def _end_base(self, pod: dict[str, Any], exit_code: int, reason: str, message: str, signal: int) -> None:
        base = _container(pod)
        started = base.get("state", {}).get("running", {}).get("startedAt")
        base["state"] = {
            "terminated": {
                "exitCode": exit_code,
                "reason": reason or ("Error" if exit_code else "Completed"),
                "message": message,
                "signal": signal,
                "startedAt": started,
                "finishedAt": stamp(self.kube.now()),
            }
        }


class _Changing:
    """A copy of the pod to change, stored at the end."""

    def __init__(self, kube: PodStore, key: tuple[str, str]) -> None:
        self._kube = kube
        self._pod = copy.deepcopy(kube.pods[key])

    def __enter__(self) -> dict[str, Any]:
        return self._pod

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if error is None:
            self._kube.store(self._pod)


def _container(pod: dict[str, Any]) -> dict[str, Any]:
    """The status of `base`, made when it is asked for first."""
    statuses: list[dict[str, Any]] = pod["status"].setdefault("containerStatuses", [])
    if not statuses:
        statuses.append({"name": "base", "image": "", "state": {}, "restartCount": 0})
    return statuses[0]


def _condition(pod: dict[str, Any], kind: str, status: str, reason: str = "", message: str = "") -> None:
    conditions = [c for c in pod["status"].get("conditions", []) if c["type"] != kind]
    conditions.append({"type": kind, "status": status, "reason": reason, "message": message})
    pod["status"]["conditions"] = conditions
