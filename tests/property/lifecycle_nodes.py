"""Kubelets and workers of the state machine: each move of a pod is asked for, and done if the pod is in a state for it.

A worker passes `/run` by its task instance's id alone, as Airflow's does, and reports by that id while the row is
RUNNING. What user code began is counted by launch.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from executor.identity import DEPLOYMENT_LABEL, LAUNCH_LABEL, SECRET_ANNOTATION
from tests.fakes.kube_play import Play
from tests.property.lifecycle_rows import Table, TaskRow
from tests.unit.control.pods import DEPLOYMENT, Cluster

Key = tuple[str, str]
MOVES = ("goes on", "success", "failed", "deferred", "rescheduled", "crash", "oom", "silent")
ACCIDENTS = ("deleted", "drained", "evicted", "node lost", "unschedulable", "no image")


@dataclass
class Nodes:
    """All nodes. at_work: uid of each pod whose worker passed `/run` -> the row's id it works for; reported: those that
    have told their result and are about to end."""

    cluster: Cluster
    table: Table
    at_work: dict[str, str] = field(default_factory=dict)
    reported: set[str] = field(default_factory=set)
    began: Counter[str] = field(default_factory=Counter)  # launch id -> how often user code began
    results: dict[str, str] = field(default_factory=dict)  # launch id -> what its worker reported

    def ours(self) -> list[Key]:
        pods = self.cluster.pods
        return [key for key in pods if pods[key]["metadata"]["labels"].get(DEPLOYMENT_LABEL) == DEPLOYMENT]

    def living(self) -> list[Key]:
        return [key for key in self.ours() if self._phase(key) in ("Pending", "Running")]

    def move(self, key: Key, how: str) -> None:
        """One step: a Pending pod comes nearer to its start whatever is asked; a worker does what is asked."""
        pod = self.cluster.pods.get(key)
        if pod is None:  # it went in this very second
            return
        uid, going = pod["metadata"]["uid"], not pod["metadata"].get("deletionTimestamp")
        if self._phase(key) == "Pending":
            if going:
                self._start(key, pod)
        elif self._phase(key) == "Running" and uid not in self.at_work:
            self._ask_to_run(key, pod)
        elif self._phase(key) == "Running" and (uid in self.reported or self._is_disowned(uid, key)):
            self._play(key).finish(0)
        elif self._phase(key) == "Running" and how != "goes on":
            self._end(key, pod, how)

    def accident(self, key: Key, how: str) -> None:
        if key not in self.cluster.pods:
            return
        play, pending = self._play(key), self._phase(key) == "Pending"
        match how:
            case "deleted":
                play.deleted()
            case "drained":
                play.disrupt()
            case "evicted":
                play.evicted()
            case "node lost":
                play.vanish()
            case "unschedulable" if pending and not self._node(key):
                play.unschedulable()
            case "no image" if pending:
                play.waiting("ImagePullBackOff", "Back-off pulling image")

    def tidy(self) -> None:
        """What is gone works no more."""
        uids = {pod["metadata"]["uid"] for pod in self.cluster.pods.values()}
        self.at_work = {uid: ti_id for uid, ti_id in self.at_work.items() if uid in uids}
        self.reported &= uids

    def _start(self, key: Key, pod: dict[str, Any]) -> None:
        """Scheduled, then running, once its volume is there."""
        secret = pod["metadata"]["annotations"].get(SECRET_ANNOTATION)
        data = self.cluster.secrets.get((key[0], str(secret)))
        if not self._node(key):
            self._play(key).scheduled()
        elif data is not None and pod["metadata"]["labels"][LAUNCH_LABEL] in data.data:
            self._play(key).running()

    def _ask_to_run(self, key: Key, pod: dict[str, Any]) -> None:
        ti_id, launch_id = pod["metadata"]["annotations"]["task_instance_id"], pod["metadata"]["labels"][LAUNCH_LABEL]
        row = self.table.tis.get(ti_id)
        if row is None or row.state not in ("queued", "restarting"):
            self._play(key).finish(1, "Error")
            return
        row.state, row.hostname = "running", key[1]
        self.at_work[pod["metadata"]["uid"]] = ti_id
        self.began[launch_id] += 1

    def _is_disowned(self, uid: str, key: Key) -> bool:
        """The worker's next heartbeat tells it that the row is not its own any more."""
        row = self.table.tis.get(self.at_work[uid])
        return row is None or row.state != "running" or row.hostname != key[1]

    def _end(self, key: Key, pod: dict[str, Any], how: str) -> None:
        row = self.table.tis[self.at_work[pod["metadata"]["uid"]]]
        assert isinstance(row, TaskRow)
        if how in ("crash", "oom", "silent"):
            {"crash": lambda: self._play(key).finish(3, "Error"), "oom": self._play(key).oom}.get(
                how, lambda: self._play(key).finish(0)
            )()
            return
        self.results[pod["metadata"]["labels"][LAUNCH_LABEL]] = how
        self.reported.add(pod["metadata"]["uid"])
        if how == "failed":
            self.table.fail(row)
        else:
            row.state = {"success": "success", "deferred": "deferred", "rescheduled": "up_for_reschedule"}[how]

    def _phase(self, key: Key) -> str:
        return str(self.cluster.pods[key]["status"]["phase"])

    def _node(self, key: Key) -> str:
        return str(self.cluster.pods[key]["spec"].get("nodeName") or "")

    def _play(self, key: Key) -> Play:
        return self.cluster.play(key[1], key[0])
