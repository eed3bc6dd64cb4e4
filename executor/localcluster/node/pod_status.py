"""The status that the kubelet would write for a pod, computed from the records of its containers. Pure.

Sources: Kubernetes "Pod Lifecycle"; pkg/kubelet/kubelet_pods.go (getPhase), pkg/kubelet/status/generate.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from executor.localcluster.node.api import Json
from executor.localcluster.node.fields import POD_IP
from executor.localcluster.node.state import ContainerRecord, Running, State, Terminated, Waiting

END_REASONS: dict[str, Json] = {"Succeeded": {"reason": "PodCompleted"}, "Failed": {"reason": "PodFailed"}}
UNKNOWN = "The container could not be located when the pod was terminated"


@dataclass(frozen=True, slots=True)
class PodFacts:
    """All but the containers. start_time, now: RFC 3339. verdict: (reason, message) once the kubelet ended the pod;
    disruption: message of the condition DisruptionTarget, where it did so for the node's sake."""

    restart_policy: str
    start_time: str
    now: str
    sandbox_ready: bool
    stopping: bool = False
    verdict: tuple[str, str] | None = None
    disruption: str | None = None


def pod_phase(records: Sequence[ContainerRecord], facts: PodFacts) -> str:
    """Pending, Running, Succeeded or Failed; final only when no container runs any more."""
    main = [record for record in records if record.role == "main"]
    alive = any(isinstance(record.state, Running) for record in records)
    if not alive and (facts.verdict or _init_failed(records, facts)):
        return "Failed"
    if not alive and _all_ended(main):
        return _final_phase(any(record.exit_code != 0 for record in main), facts)
    return "Running" if any(map(_has_started, main)) else "Pending"


def _all_ended(records: Iterable[ContainerRecord]) -> bool:
    return all(isinstance(record.state, Terminated) for record in records)


def _final_phase(failed: bool, facts: PodFacts) -> str:
    """All main containers have ended: is the pod over, or will the restart policy start them again?"""
    starts_again = facts.restart_policy == "Always" or (failed and facts.restart_policy == "OnFailure")
    if starts_again and not facts.stopping:
        return "Running"
    return "Failed" if failed else "Succeeded"


def _has_started(record: ContainerRecord) -> bool:
    return not isinstance(record.state, Waiting) or record.last_state is not None


def _init_failed(records: Iterable[ContainerRecord], facts: PodFacts) -> bool:
    final = facts.stopping or facts.restart_policy == "Never"
    return final and any(record.role == "init" and record.exit_code not in (None, 0) for record in records)


def initialized(records: Sequence[ContainerRecord]) -> bool:
    """Init containers have ended well and sidecars have started, or did once, as a main container has run."""
    return any(map(_has_started, (record for record in records if record.role == "main"))) or all(
        record.exit_code == 0 if record.role == "init" else record.started or record.exit_code is not None
        for record in records
        if record.role != "main"
    )


def located(records: Iterable[ContainerRecord], now: str) -> list[ContainerRecord]:
    """Records of a pod that ends: a container that never ran counts as failed (TerminatePod in status_manager.go)."""
    return [
        record
        if not isinstance(record.state, Waiting)
        else replace(record, state=record.last_state or Terminated(137, "ContainerStatusUnknown", now, now, UNKNOWN))
        for record in records
    ]


def conditions(records: Sequence[ContainerRecord], facts: PodFacts, phase: str) -> list[Json]:
    """The kubelet's conditions, without transition times."""
    unready = [record.name for record in records if record.role != "init" and not record.ready]
    unfinished = [record.name for record in records if record.role == "init" and record.exit_code != 0]
    why_unready = END_REASONS.get(phase) or {
        "reason": "ContainersNotReady",
        "message": f"containers with unready status: [{' '.join(unready)}]",
    }
    why_uninitialized = {
        "reason": "ContainersNotInitialized",
        "message": f"containers with incomplete status: [{' '.join(unfinished)}]",
    }
    disruption = {"type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet"}
    return [
        *([{**disruption, "message": facts.disruption}] if facts.disruption else []),
        _condition("PodReadyToStartContainers", facts.sandbox_ready and phase not in END_REASONS, {}),
        _condition("Initialized", initialized(records) or phase == "Succeeded", why_uninitialized),
        _condition("Ready", not unready, why_unready),
        _condition("ContainersReady", not unready, why_unready),
    ]


def _condition(kind: str, true: bool, otherwise: Json) -> Json:
    return {"type": kind, "status": "True"} if true else {"type": kind, "status": "False", **otherwise}


def with_transition_times(new: list[Json], old: Iterable[Json], now: str) -> list[Json]:
    """Keep lastTransitionTime where the status did not change."""
    before = {condition["type"]: condition for condition in old}
    stamped = []
    for condition in new:
        same = before.get(condition["type"], {})
        kept = same.get("lastTransitionTime") if same.get("status") == condition["status"] else None
        stamped.append(
            {"reason": None, "message": None, **condition, "lastProbeTime": None, "lastTransitionTime": kept or now}
        )
    return stamped


def pod_status(records: Sequence[ContainerRecord], facts: PodFacts, old_conditions: Iterable[Json]) -> Json:
    """The body of a strategic merge patch of /status (`None` deletes a field)."""
    phase = pod_phase(records, facts)
    reason, message = facts.verdict if facts.verdict and phase == "Failed" else (None, None)
    address = {"podIP": POD_IP, "podIPs": [{"ip": POD_IP}]} if facts.sandbox_ready else {}
    return {
        "phase": phase,
        "reason": reason,
        "message": message,
        "conditions": with_transition_times(conditions(records, facts, phase), old_conditions, facts.now),
        "hostIP": POD_IP,
        "hostIPs": [{"ip": POD_IP}],
        **address,
        "startTime": facts.start_time,
        "initContainerStatuses": [container_status(record) for record in records if record.role != "main"] or None,
        "containerStatuses": [container_status(record) for record in records if record.role == "main"],
    }


def container_status(record: ContainerRecord) -> Json:
    status = {
        "name": record.name,
        "image": record.image,
        "imageID": record.image_id,
        "restartCount": record.restart_count,
        "ready": record.ready if record.role != "init" else record.exit_code == 0,
        "started": record.started,
        "state": _state(record.state),
        "lastState": _state(record.last_state) if record.last_state else {},
    }
    if record.container_id:
        status["containerID"] = record.container_id
    return status


def _state(state: State) -> Json:
    match state:
        case Waiting(reason, message):
            return {"waiting": {"reason": reason, **({"message": message} if message else {})}}
        case Running(started_at):
            return {"running": {"startedAt": started_at}}
        case Terminated():
            return {"terminated": _terminated(state)}


def _terminated(state: Terminated) -> Json:
    out = {
        "exitCode": state.exit_code,
        "reason": state.reason,
        "startedAt": state.started_at,
        "finishedAt": state.finished_at,
        "message": state.message,
        "containerID": state.container_id,
    }
    return {key: value for key, value in out.items() if value != ""}
