"""What happens to pods and nodes in real life, on demand, on a local cluster: for tests, one call each.

Where Kubernetes has a call for it, that call is made; what only a node can do goes through its control file
(`executor.localcluster.node.faults`); such a call returns when the node does as told. None waits for what becomes of
a pod. Mishaps of the API server itself are `LocalCluster.admin`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kubernetes import client

from executor.demo.processes import wait_until
from executor.localcluster.node.faults import done_file, faults_file

_PATIENCE = 10.0
_PREEMPTED = "default-scheduler: preempting to accommodate a higher priority pod"


class Mishaps:
    """core: the official client's `CoreV1Api`; state: the local cluster's ``--state`` folder (`LocalCluster.state`)."""

    def __init__(self, core: Any, state: Path) -> None:
        self._core, self._state = core, state

    # --- to one pod

    def delete(self, pod: str, namespace: str = "default", grace: int | None = None) -> None:
        """Delete a pod as anybody may. grace: seconds, None for the pod's own."""
        self._core.delete_namespaced_pod(pod, namespace, body=client.V1DeleteOptions(grace_period_seconds=grace))

    def drain(self, pod: str, namespace: str = "default") -> None:
        """Evict a pod as ``kubectl drain`` does: DisruptionTarget EvictionByEvictionAPI, then its grace period."""
        metadata = client.V1ObjectMeta(name=pod, namespace=namespace)
        self._core.create_namespaced_pod_eviction(pod, namespace, client.V1Eviction(metadata=metadata))

    def preempt(self, pod: str, namespace: str = "default") -> None:
        """What a scheduler does to a victim: DisruptionTarget PreemptionByScheduler, then a deletion."""
        target = {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}
        status = {"status": {"conditions": [{**target, "message": _PREEMPTED}]}}
        self._core.patch_namespaced_pod_status(pod, namespace, status)
        self.delete(pod, namespace)

    def evict(self, pod: str, namespace: str = "default") -> None:
        """The node ends a pod for lack of memory: Failed, reason Evicted, TerminationByKubelet; the object stays."""
        node, uid = self._place(pod, namespace)
        self._add(node, "evict", uid)

    def run_out_of_memory(self, pod: str, namespace: str = "default", container: str = "") -> None:
        """A running container (the first one) is killed at its memory limit: 137, OOMKilled."""
        node, uid = self._place(pod, namespace)
        self._add(node, "oom", f"{uid}/{container}" if container else uid)

    # --- to a node

    def stop_node(self, node: str = "local") -> None:
        """The machine loses power: its containers end, and nobody reports it."""
        self._change(node, stop=True)

    def lose_node(self, node: str = "local") -> None:
        """The network loses the machine: its containers go on, and nobody hears of them."""
        self._change(node, lose=True)

    def mend_node(self, node: str = "local") -> None:
        """The machine is back."""
        self._change(node, stop=False, lose=False)

    def delete_node(self, node: str = "local") -> None:
        """The machine is taken away for good: off, and no Node any more. `mend_node` brings a new one of that name."""
        self.stop_node(node)
        self._core.delete_node(node)

    # --- to images

    def break_image(self, image: str, error: str = "", failures: int = 0, node: str = "local") -> None:
        """Pulls of an image fail from now on: with that text, or as not found without one.

        failures: only so many pulls, then it is found; 0: until `mend_image`.
        """
        entry: dict[str, Any] = {"error": error, "failures": failures} if error else {"missing": True}
        self.set_image(image, entry, node)

    def set_image(self, image: str, entry: dict[str, Any], node: str = "local") -> None:
        """What an image is from now on; entry: as in the file of ``--images``."""
        self._change(node, images={**self._read(node).get("images", {}), image: entry})

    def mend_image(self, image: str, node: str = "local") -> None:
        """An image is again what it was at the start."""
        others = {name: entry for name, entry in self._read(node).get("images", {}).items() if name != image}
        self._change(node, images=others)

    # --- the control file

    def _place(self, pod: str, namespace: str) -> tuple[str, str]:
        """The node of a pod, and its uid. Raises ValueError for a pod that runs nowhere yet."""
        found = self._core.read_namespaced_pod(pod, namespace)
        if not found.spec.node_name:
            raise ValueError(f"pod {namespace}/{pod} has no node yet; wait until it runs")
        return found.spec.node_name, found.metadata.uid

    def _add(self, node: str, kind: str, entry: str) -> None:
        there = self._read(node).get(kind, [])
        self._change(node, **{kind: [*(one for one in there if one != entry), entry]})

    def _change(self, node: str, **faults: Any) -> None:
        path = faults_file(self._state, node)
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_suffix(".new")
        text = json.dumps(self._read(node) | faults)
        new.write_text(text)
        new.replace(path)
        done = done_file(self._state, node)
        wait_until(f"node {node} does as {path} says", lambda: _text(done) == text, _PATIENCE, pause=0.05)

    def _read(self, node: str) -> dict[str, Any]:
        path = faults_file(self._state, node)
        found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        return found


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""
