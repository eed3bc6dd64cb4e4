"""What a pod says about itself: one class and one sentence a DAG author understands.

`base` alone decides how a task ended: a sidecar that never ends or the pod's phase do not (a pod whose leftovers were
stopped by a deadline shows phase Failed although `base` ended with 0). Pure: no clock, no I/O.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from executor.observe.last_words import last_words
from executor.observe.pod_view import Condition, ContainerStatus, PodView, Terminated

BASE = "base"
DISRUPTION_REASONS = frozenset(
    {"Evicted", "Preempted", "Preempting", "NodeLost", "NodeShutdown", "Shutdown", "Terminated", "NodeAffinity"}
    | {"UnexpectedAdmissionError", "OutOfcpu", "OutOfmemory", "OutOfpods"}
)
# The container runtime could not even start the command: the same image gives the same answer again.
NEVER_RUNS_REASONS = frozenset({"StartError", "ContainerCannotRun"})
SIGNAL_BASE = 128
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
        sentence = f"{_where(pod)} was deleted by somebody else."
        return Diagnosis(PodClass.VANISHED, sentence, "Deleted", bool(disruption))
    return _alive(pod, disruption)


def disruption_of(pod: PodView, *, deleted_by_us: bool) -> str:
    """The sentence of a disruption (eviction, preemption, drain, foreign deletion), '' if there is none.

    What comes after the end of `base` disrupts nothing: a finished pod may be deleted by whoever tidies up.
    """
    condition = _condition(pod, "DisruptionTarget")
    if condition is not None and condition.status == "True" and _before_end(pod, condition.last_transition_time):
        detail = condition.message or condition.reason
        return f"it was disrupted ({condition.reason}: {detail})"
    if pod.status.reason in DISRUPTION_REASONS:
        return f"it was disrupted ({pod.status.reason}: {pod.status.message or pod.status.reason})"
    if pod.metadata.deletion_timestamp is not None and not deleted_by_us and _before_end(pod, _deletion_asked(pod)):
        return "it was deleted by somebody else"
    return ""


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


def _where(pod: PodView) -> str:
    node = f" on node {pod.spec.node_name}" if pod.spec.node_name else ""
    return f"Pod {pod.metadata.namespace}/{pod.metadata.name}{node}"


def _ended(pod: PodView, end: Terminated, disruption: str) -> Diagnosis:
    disrupted = bool(disruption)
    if end.reason == "OOMKilled":
        return Diagnosis(PodClass.OUT_OF_MEMORY, _oom_sentence(pod, end), end.reason, disrupted)
    if end.exit_code == 0:
        sentence = f"{_where(pod)}: container base ended with 0{_because(disruption)}."
        return Diagnosis(PodClass.CLEAN, sentence, end.reason, disrupted)
    if end.reason in NEVER_RUNS_REASONS:
        text = f"{_where(pod)}: container base could not be started ({end.reason}): {end.message or 'no message'}"
        return Diagnosis(PodClass.NEVER_RUNS, f"{text}. {_IMAGE_ADVICE}", end.reason, disrupted)
    sentence = f"{_where(pod)}: container base {_how(end)}{_lifetime(end)}"
    return Diagnosis(PodClass.ERROR, f"{sentence}{_because(disruption)}.{_message(end)}", end.reason, disrupted)


def _because(disruption: str) -> str:
    return f" after {disruption}" if disruption else ""


_IMAGE_ADVICE = "Check the image: it needs python and apache-airflow to run a task."


def _oom_sentence(pod: PodView, end: Terminated) -> str:
    limit = next((c.resources.limits.get("memory") for c in pod.spec.containers if c.name == BASE), None)
    bound = f"its memory limit of {limit}" if limit is not None else "the memory of its node (it has no limit)"
    return (
        f"{_where(pod)}: container base was killed for using more than {bound} (OOMKilled, exit code "
        f"{end.exit_code}{_lifetime(end)}). Raise resources.limits.memory in pod_override or in the pod template."
    )


def _how(end: Terminated) -> str:
    number = end.signal or (end.exit_code - SIGNAL_BASE if end.exit_code > SIGNAL_BASE else 0)
    reason = f" ({end.reason})" if end.reason and end.reason != "Error" else ""
    if number:
        return f"was killed by {_signal_name(number)} (exit code {end.exit_code}){reason}"
    return f"ended with exit code {end.exit_code}{reason}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _lifetime(end: Terminated) -> str:
    if not (isinstance(end.started_at, datetime) and isinstance(end.finished_at, datetime)):
        return ""
    return f" after {(end.finished_at - end.started_at).total_seconds():.0f} s"


def _message(end: Terminated) -> str:
    text = last_words(end.message)
    return f" Its last words: {text}" if text else ""


def _failed_without_base(pod: PodView, disruption: str) -> Diagnosis:
    """Phase Failed while `base` never ended: evicted before it started, init container failed, deadline."""
    if disruption:
        return Diagnosis(PodClass.DISRUPTED, f"{_where(pod)}: {disruption}.", pod.status.reason, True)
    init = next((s for s in pod.status.init_container_statuses if _init_failed(s)), None)
    if init is not None and init.state.terminated is not None:
        end = init.state.terminated
        text = f"{_where(pod)}: init container {init.name} {_how(end)}, so the task was never started.{_message(end)}"
        return Diagnosis(PodClass.ERROR, text, end.reason)
    detail = f"{pod.status.reason or 'no reason given'}: {pod.status.message or 'no message'}"
    when = "while its task was running" if base_started(pod) else "before its task started"
    return Diagnosis(PodClass.ERROR, f"{_where(pod)} failed {when} ({detail}).", pod.status.reason)


def _init_failed(status: ContainerStatus) -> bool:
    return status.state.terminated is not None and status.state.terminated.exit_code != 0


def _alive(pod: PodView, disruption: str) -> Diagnosis:
    if disruption:
        cls = PodClass.RUNNING if base_started(pod) else PodClass.STARTING
        return Diagnosis(cls, f"{_where(pod)}: {disruption}.", "Terminating", True)
    if base_started(pod):
        return Diagnosis(PodClass.RUNNING, f"{_where(pod)} is running.")
    if pod.spec.scheduling_gates:
        gates = ", ".join(g.name for g in pod.spec.scheduling_gates)
        return Diagnosis(PodClass.GATED, f"{_where(pod)} waits behind scheduling gate {gates}.", "SchedulingGated")
    scheduled = _condition(pod, "PodScheduled")
    if scheduled is not None and scheduled.status == "False":
        text = f"{_where(pod)} is not scheduled: {scheduled.message or scheduled.reason}"
        return Diagnosis(PodClass.UNSCHEDULABLE, text, scheduled.reason)
    return _container_wait(pod)


def _container_wait(pod: PodView) -> Diagnosis:
    for status in _waiting_statuses(pod):
        waiting = status.state.waiting
        if waiting is None or waiting.reason in ("", "PodInitializing", "ContainerCreating"):
            continue
        image = f" (image {status.image})" if status.image else ""
        detail = f"{waiting.reason}: {waiting.message or 'no message'}"
        text = f"{_where(pod)}: container {status.name}{image} waits: {detail}"
        cls = PodClass.PULLING if waiting.reason in PULL_REASONS else PodClass.CONFIG
        return Diagnosis(cls, text, waiting.reason)
    return Diagnosis(PodClass.STARTING, f"{_where(pod)} is starting.")


def _waiting_statuses(pod: PodView) -> Iterator[ContainerStatus]:
    yield from pod.status.init_container_statuses
    yield from pod.status.container_statuses
