"""What becomes of pods that an earlier life of the agent ran: their processes died with it, their status is in the API.

As the kubelet does after a reboot (convertStatusToAPIStatus in pkg/kubelet/kubelet_pods.go): a container that ran
and is not to be found ended with 137, ContainerStatusUnknown. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from executor.localcluster.node.api import Json
from executor.localcluster.node.pod_status import located
from executor.localcluster.node.state import ContainerRecord, Running, State, Terminated, Waiting

LOST = "The container could not be located when the pod was deleted.  The container used to be Running"


def first_records(pod: Json) -> list[ContainerRecord]:
    """Records of a pod whose containers have not been touched."""
    spec = pod["spec"]
    initial = spec.get("initContainers") or ()
    waiting = Waiting("PodInitializing" if initial else "ContainerCreating")
    records = [
        ContainerRecord(c["name"], c["image"], "sidecar" if c.get("restartPolicy") == "Always" else "init", waiting)
        for c in initial
    ]
    return records + [ContainerRecord(c["name"], c["image"], "main", waiting) for c in spec["containers"]]


def records_before(pod: Json) -> list[ContainerRecord]:
    """The records that the pod's status tells of."""
    status = pod.get("status") or {}
    told = {
        one["name"]: one
        for one in [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    }
    return [_read(record, told.get(record.name) or {}) for record in first_records(pod)]


def was_running(records: Iterable[ContainerRecord]) -> bool:
    """Whether any container was started in the earlier life."""
    return any(not isinstance(record.state, Waiting) or record.last_state is not None for record in records)


def ended_records(records: Iterable[ContainerRecord], now: str) -> list[ContainerRecord]:
    """Records of a pod that is not started again."""
    return located([_stopped(record) for record in records], now)


def restarted_records(pod: Json, records: Iterable[ContainerRecord], now: str) -> list[ContainerRecord]:
    """Records of a pod that starts again, from its init containers on; what a restart does not repeat stays ended."""
    keeps = pod["spec"].get("restartPolicy") == "OnFailure"
    fresh = {record.name: record for record in first_records(pod)}
    return [
        record if keeps and record.role == "main" and record.exit_code == 0 else _again(record, fresh[record.name], now)
        for record in records
    ]


def _read(record: ContainerRecord, told: Json) -> ContainerRecord:
    last = _state(told.get("lastState") or {})
    return replace(
        record,
        state=_state(told.get("state") or {}) or record.state,
        last_state=last if isinstance(last, Terminated) else None,
        restart_count=told.get("restartCount") or 0,
        container_id=told.get("containerID") or "",
        image_id=told.get("imageID") or "",
    )


def _state(state: Json) -> State | None:
    if ended := state.get("terminated"):
        return Terminated(
            exit_code=ended.get("exitCode") or 0,
            reason=ended.get("reason") or "",
            started_at=ended.get("startedAt") or "",
            finished_at=ended.get("finishedAt") or "",
            message=ended.get("message") or "",
            container_id=ended.get("containerID") or "",
        )
    if running := state.get("running"):
        return Running(running.get("startedAt") or "")
    return None


def _stopped(record: ContainerRecord) -> ContainerRecord:
    """A running container is gone: without a state of its own, for `located` to say so."""
    return replace(record, state=Waiting("")) if isinstance(record.state, Running) else record


def _again(record: ContainerRecord, fresh: ContainerRecord, now: str) -> ContainerRecord:
    ended = record.last_state
    if isinstance(record.state, Terminated):
        ended = record.state
    elif isinstance(record.state, Running):
        ended = Terminated(137, "ContainerStatusUnknown", record.state.started_at, now, LOST, record.container_id)
    started = not isinstance(record.state, Waiting)
    return replace(fresh, last_state=ended, restart_count=record.restart_count + started)
