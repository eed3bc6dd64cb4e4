"""What a pod says about itself: one class and one sentence a DAG author understands.

`base` alone decides how a task ended: a sidecar that never ends or the pod's phase do not (a pod whose leftovers were
stopped by a deadline shows phase Failed although `base` ended with 0). Pure: no clock, no I/O.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

from executor.observe.pod_view import Condition, ContainerStatus, PodView, Terminated
from executor.observe.wording import LOST, disrupted, hint, how, in_short, out_of_memory, said, where

BASE = "base"
DISRUPTION_REASONS = frozenset(
    {"Evicted", "Preempted", "Preempting", "NodeLost", "NodeShutdown", "Shutdown", "Terminated", "NodeAffinity"}
    | {"UnexpectedAdmissionError", "OutOfcpu", "OutOfmemory", "OutOfpods"}
)
# The container runtime could not even start the command: the same image gives the same answer again.
NEVER_RUNS_REASONS = frozenset({"StartError", "ContainerCannotRun"})
DEADLINE = "DeadlineExceeded"
NOT_LOOKED_AT = "NotLookedAt"  # our own word: Kubernetes says nothing about such a pod
CLOCK_SKEW = timedelta(seconds=1)  # between the API server and the node


class PodClass(Enum):
    """How far the pod got, and how it ended."""

    VANISHED = "vanished"
    DISRUPTED = "disrupted"
    CLEAN = "finished"
    OUT_OF_MEMORY = "out of memory"
    ERROR = "worker error"
    NEVER_RUNS = "cannot start"
    RUNNING = "running"
    CONFIG = "waiting for configuration"
    PULLING = "waiting for an image"
    UNSCHEDULABLE = "waiting for a node"
    GATED = "waiting behind a scheduling gate"
    STARTING = "starting"


ENDED = frozenset(
    {
        PodClass.VANISHED,
        PodClass.DISRUPTED,
        PodClass.CLEAN,
        PodClass.OUT_OF_MEMORY,
        PodClass.ERROR,
        PodClass.NEVER_RUNS,
    }
)
WAITING = frozenset({PodClass.CONFIG, PodClass.PULLING, PodClass.UNSCHEDULABLE, PodClass.GATED, PodClass.STARTING})
PULL_REASONS = frozenset({"ErrImagePull", "ImagePullBackOff", "RegistryUnavailable"})


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """cls: the class; sentence: for people; reason: the Kubernetes reason it rests on, '' if none."""

    cls: PodClass
    sentence: str
    reason: str = ""
    disrupted: bool = False  # a disruption came before the end, whatever the exit code

    @property
    def told_as(self) -> str:
        """What tells a reason from another for people: a back-off is the same trouble as what it backs off from."""
        return "ErrImagePull" if self.reason in PULL_REASONS else self.reason


def diagnose(pod: PodView | None, *, present: bool, deleted_by_us: bool) -> Diagnosis:
    """Classify a pod. `pod` is its last seen object, None if it was never seen; rows are tried in order."""
    if pod is None:
        return Diagnosis(PodClass.VANISHED, "The pod does not exist.")
    disruption = disruption_of(pod, deleted_by_us=deleted_by_us)
    ended = base_end(pod)
    if ended is not None:
        return _ended(pod, ended, disruption)
    if pod.status.phase == "Failed":
        return _failed_without_base(pod, disruption)
    if not present:
        sentence = f"{where(pod)} {disruption or 'was deleted by somebody else'}."
        return Diagnosis(PodClass.VANISHED, sentence, "Deleted", bool(disruption))
    return _alive(pod, disruption)


def disruption_of(pod: PodView, *, deleted_by_us: bool) -> str:
    """What somebody else did to the pod (eviction, preemption, drain, deletion) as a phrase, '' if nothing.

    What comes after the end of `base` disrupts nothing: a finished pod may be deleted by whoever tidies up. A node
    that restarts, or whose runtime loses a container, says nothing but that it cannot find it.
    """
    condition, reason = _condition(pod, "DisruptionTarget"), pod.status.reason
    specific = reason if reason in DISRUPTION_REASONS else ""
    if condition is not None and condition.status == "True" and _before_end(pod, condition.last_transition_time):
        return disrupted(condition.reason, condition.message, specific)
    if specific:
        return disrupted(reason, pod.status.message)
    if pod.metadata.deletion_timestamp is not None and not deleted_by_us and _before_end(pod, _deletion_asked(pod)):
        return "was deleted by somebody else"
    return _lost(pod)


def _lost(pod: PodView) -> str:
    """The node could not find `base`, and nobody wanted its end; so ends also what was stopped before it started."""
    end = base_end(pod)
    wanted = pod.metadata.deletion_timestamp is not None or pod.status.reason == DEADLINE
    return disrupted(end.reason, end.message) if end is not None and end.reason == LOST and not wanted else ""


def _deletion_asked(pod: PodView) -> datetime | None:
    """deletionTimestamp is when the grace period ends (Kubernetes API, ObjectMeta)."""
    grace = timedelta(seconds=pod.metadata.deletion_grace_period_seconds or 0)
    return pod.metadata.deletion_timestamp - grace if pod.metadata.deletion_timestamp else None


def _before_end(pod: PodView, when: datetime | None) -> bool:
    """True if `base` had not ended by then, as far as two clocks can tell."""
    end = base_end(pod)
    if end is None or end.finished_at is None or when is None:
        return True
    return when <= end.finished_at + CLOCK_SKEW


def base_end(pod: PodView) -> Terminated | None:
    """How `base` ended, None while it has not."""
    status = _base(pod)
    return status.state.terminated if status else None


def base_started(pod: PodView) -> bool:
    """`base` runs, or ran."""
    status = _base(pod)
    return status is not None and (status.state.running is not None or status.state.terminated is not None)


def is_alive(pod: PodView) -> bool:
    """Its worker runs or may still start."""
    return base_end(pod) is None and pod.status.phase not in ("Succeeded", "Failed")


def speaker(pod: PodView) -> str:
    """The container whose log tells how the pod ended: `base`, or the init container that failed; '' if none ran."""
    if base_started(pod):
        return BASE
    init = failed_init(pod)
    return init.name if init is not None else ""


def base_running_since(pod: PodView) -> datetime | None:
    """When `base` started, None if it did not."""
    status = _base(pod)
    state = status and (status.state.running or status.state.terminated)
    return state.started_at if state else None


def hostnames(pod: PodView) -> frozenset[str]:
    """Names the worker in this pod may have given itself."""
    return frozenset({pod.metadata.name, pod.metadata.name[:63], pod.spec.node_name} - {""})


def _base(pod: PodView) -> ContainerStatus | None:
    return next((s for s in pod.status.container_statuses if s.name == BASE), None)


def _condition(pod: PodView, kind: str) -> Condition | None:
    return next((c for c in pod.status.conditions if c.type == kind), None)


def _ended(pod: PodView, end: Terminated, disruption: str) -> Diagnosis:
    """How `base` ended says more than the pod's phase. disruption: what came before that."""
    if disruption and disruption == _lost(pod):
        return Diagnosis(PodClass.ERROR, f"{where(pod)} {disruption}.", end.reason, True)
    found = _end_of_base(pod, end, disruption)
    subject = f"{where(pod)} {disruption}. Then container base" if disruption else f"{where(pod)}: container base"
    return replace(found, sentence=f"{subject} {found.sentence}", disrupted=bool(disruption))


def _end_of_base(pod: PodView, end: Terminated, disruption: str) -> Diagnosis:
    """Class, reason, and a sentence whose subject is the container."""
    if end.reason == "OOMKilled":
        return Diagnosis(PodClass.OUT_OF_MEMORY, out_of_memory(pod, BASE, end), end.reason)
    if end.exit_code == 0:
        return Diagnosis(PodClass.CLEAN, "ended with 0.", end.reason)
    if end.reason in NEVER_RUNS_REASONS:
        text = f"could not be started ({end.reason}): {in_short(end.message) or 'no message'}. {_IMAGE_ADVICE}"
        return Diagnosis(PodClass.NEVER_RUNS, text, end.reason)
    if not disruption and _deadline_passed(pod, end):
        text = f"{how(end)}, because the pod's activeDeadlineSeconds of {pod.spec.active_deadline_seconds} had passed"
        return Diagnosis(PodClass.ERROR, f"{text}. {_DEADLINE_ADVICE}", end.reason)
    why = "" if disruption else hint(end)
    return Diagnosis(PodClass.ERROR, f"{how(end)}.{why}{said(end)}", end.reason)


def _deadline_passed(pod: PodView, end: Terminated) -> bool:
    """The kubelet stopped `base`. It may also have ended before, and the deadline met the pod's leftovers."""
    limit, start = pod.spec.active_deadline_seconds, pod.status.start_time
    if end.reason == LOST:
        return pod.status.reason == DEADLINE
    if pod.status.reason != DEADLINE or not limit or start is None or end.finished_at is None:
        return False
    return end.finished_at >= start + timedelta(seconds=limit) - CLOCK_SKEW


_IMAGE_ADVICE = "Check the image: it needs python and apache-airflow to run a task."
_DEADLINE_ADVICE = "Raise spec.activeDeadlineSeconds in pod_override or in the pod template."


def _failed_without_base(pod: PodView, disruption: str) -> Diagnosis:
    """Phase Failed while `base` never ended: evicted before it started, init container failed, deadline."""
    if disruption:
        return Diagnosis(PodClass.DISRUPTED, f"{where(pod)} {disruption}.", pod.status.reason, True)
    init = failed_init(pod)
    if init is not None and init.state.terminated is not None:
        return _init_ended(pod, init.name, init.state.terminated)
    detail = f"{pod.status.reason or 'no reason given'}: {pod.status.message or 'no message'}"
    when = "while its task was running" if base_started(pod) else "before its task started"
    advice = f" {_DEADLINE_ADVICE}" if pod.status.reason == DEADLINE else ""
    return Diagnosis(PodClass.ERROR, f"{where(pod)} failed {when} ({detail}).{advice}", pod.status.reason)


def _init_ended(pod: PodView, name: str, end: Terminated) -> Diagnosis:
    subject, never = f"{where(pod)}: init container {name}", ", so the task was never started"
    if end.reason == "OOMKilled":
        text = f"{subject} {out_of_memory(pod, name, end, never)}"
        return Diagnosis(PodClass.OUT_OF_MEMORY, text, end.reason)
    return Diagnosis(PodClass.ERROR, f"{subject} {how(end)}{never}.{hint(end)}{said(end)}", end.reason)


def failed_init(pod: PodView) -> ContainerStatus | None:
    """The init container for which the pod failed."""
    return next((one for one in pod.status.init_container_statuses if _init_failed(one)), None)


def _init_failed(status: ContainerStatus) -> bool:
    return status.state.terminated is not None and status.state.terminated.exit_code != 0


def _alive(pod: PodView, disruption: str) -> Diagnosis:
    if disruption:
        cls = PodClass.RUNNING if base_started(pod) else PodClass.STARTING
        return Diagnosis(cls, f"{where(pod)} {disruption}.", "Terminating", True)
    if base_started(pod):
        return Diagnosis(PodClass.RUNNING, f"{where(pod)} is running.")
    if pod.spec.scheduling_gates:
        gates = ", ".join(g.name for g in pod.spec.scheduling_gates)
        return Diagnosis(PodClass.GATED, f"{where(pod)} waits behind scheduling gate {gates}.", "SchedulingGated")
    scheduled = _condition(pod, "PodScheduled")
    if scheduled is not None and scheduled.status == "False":
        text = f"{where(pod)} is not scheduled: {in_short(scheduled.message).rstrip('.') or scheduled.reason}."
        return Diagnosis(PodClass.UNSCHEDULABLE, text, scheduled.reason)
    if scheduled is None and not pod.spec.node_name:
        text = f"{where(pod)} is not scheduled: no scheduler of the cluster has looked at it yet."
        return Diagnosis(PodClass.UNSCHEDULABLE, text, NOT_LOOKED_AT)
    return _container_wait(pod)


def _container_wait(pod: PodView) -> Diagnosis:
    for status in _waiting_statuses(pod):
        waiting = status.state.waiting
        if waiting is None or waiting.reason in ("", "PodInitializing", "ContainerCreating"):
            continue
        detail = in_short(waiting.message) or "no message"
        if waiting.reason in PULL_REASONS:
            what = f"the image {status.image} of container {status.name} cannot be pulled: {detail} ({waiting.reason})"
            return Diagnosis(PodClass.PULLING, f"{where(pod)}: {what}.", waiting.reason)
        text = f"{where(pod)}: container {status.name} cannot start: {waiting.reason}: {detail}"
        return Diagnosis(PodClass.CONFIG, f"{text.rstrip('.')}.", waiting.reason)
    return Diagnosis(PodClass.STARTING, f"{where(pod)} has not started.")


def _waiting_statuses(pod: PodView) -> Iterator[ContainerStatus]:
    yield from pod.status.init_container_statuses
    yield from pod.status.container_statuses
