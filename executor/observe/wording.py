"""The words of a diagnosis: where, how, and what others' messages say, in a DAG author's language. Pure.

Messages of Kubernetes' parts are wrapped by each part they pass; `in_short` takes the wrapping off and keeps what the
last of them said. The class of an end never depends on it.
"""

from __future__ import annotations

import re
import signal
from datetime import datetime
from typing import Final

from executor.observe.last_words import last_words
from executor.observe.pod_view import PodView, Terminated

SIGNAL_BASE: Final = 128
# The kubelet's word for a container that was not there any more when it looked: after a reboot, or when its runtime
# has lost it. The exit code 137 beside it is made up (TerminatePod in pkg/kubelet/status/status_manager.go and
# convertToAPIContainerStatuses in pkg/kubelet/kubelet_pods.go).
LOST: Final = "ContainerStatusUnknown"
_CRASHES: Final = frozenset({"SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGABRT"})
_PREEMPTED: Final = "was preempted: a more important pod needed its room"
_SHUT_DOWN: Final = "was ended by its node, which shuts down"
_REFUSED: Final = "was refused by its node"
# Reasons of the condition DisruptionTarget and of the pod itself (Kubernetes: "Pod disruption conditions", "Node
# Shutdowns", "Node-pressure Eviction").
_DISRUPTIONS: Final = {
    "EvictionByEvictionAPI": "was evicted, as happens when a node is drained",
    "PreemptionByScheduler": _PREEMPTED,
    "DeletionByTaintManager": "was driven away by a taint of its node, which is lost or being emptied",
    "DeletionByPodGC": "was removed, because its node is gone",
    "TerminationByKubelet": "was ended by its node",
    "Evicted": "was evicted by its node",
    "Preempted": _PREEMPTED,
    "Preempting": _PREEMPTED,
    "NodeLost": "was lost with its node",
    LOST: "lost its container, as happens when a node restarts",
    "NodeShutdown": _SHUT_DOWN,
    "Shutdown": _SHUT_DOWN,
    "Terminated": _SHUT_DOWN,
    "NodeAffinity": _REFUSED,
    "UnexpectedAdmissionError": _REFUSED,
    "OutOfcpu": _REFUSED,
    "OutOfmemory": _REFUSED,
    "OutOfpods": _REFUSED,
}
# What the kubelet, its runtime and the scheduler put around a message (kubelet `images/`, containerd, runc, scheduler).
_WRAPPINGS: Final = re.compile(
    r'^(?:Error: |ErrImagePull: |rpc error: code = \w+ desc = |Back-off pulling image "[^"]*"(?:: )?'
    r'|Failed to pull image "[^"]*": |failed to pull and unpack image "[^"]*": |failed to resolve reference "[^"]*": '
    r'|failed to resolve image "[^"]*": |failed to copy: |failed to create containerd task: '
    r"|failed to create shim task: |OCI runtime create failed: |runc create failed: "
    r"|unable to start container process: |error during container init: )+"
)
_PREEMPTION: Final = re.compile(r"\s*preemption: .*$", re.DOTALL)


def where(pod: PodView) -> str:
    """Which pod, and on which node."""
    node = f" on node {pod.spec.node_name}" if pod.spec.node_name else ""
    return f"Pod {pod.metadata.namespace}/{pod.metadata.name}{node}"


def in_short(message: str) -> str:
    """One line of what a message says at its core; the message itself where nothing would be left."""
    text = " ".join(message.split())
    core = _PREEMPTION.sub("", _WRAPPINGS.sub("", text)).removesuffix(": unknown")
    return core or text


def disrupted(reason: str, message: str, specific: str = "") -> str:
    """What somebody else did to a pod, as a phrase; specific: a reason that tells more than `reason`."""
    what = _DISRUPTIONS.get(specific) or _DISRUPTIONS.get(reason) or "was disrupted"
    detail = in_short(message).rstrip(".")
    return f"{what} ({reason}: {detail})" if detail else f"{what} ({reason})"


def how(end: Terminated) -> str:
    """How a container ended, as a phrase."""
    if end.reason == LOST:
        return f"was not found any more ({LOST})"
    killer, reason = killed_by(end), "" if end.reason == "Error" else end.reason
    if killer:
        return f"was killed by {killer}{lifetime(end)} ({reason and f'{reason}, '}exit code {end.exit_code})"
    return f"ended with exit code {end.exit_code}{reason and f' ({reason})'}{lifetime(end)}"


def killed_by(end: Terminated) -> str:
    """The name of the signal that ended a container, '' if none did. By convention its number is added to 128."""
    if end.reason == LOST:
        return ""
    number = end.signal or (end.exit_code - SIGNAL_BASE if end.exit_code > SIGNAL_BASE else 0)
    if not number:
        return ""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def hint(end: Terminated) -> str:
    """What an end by a signal may mean, as a further sentence; '' where nothing is known."""
    killer = killed_by(end)
    if killer in _CRASHES:
        return " It crashed in native code: the interpreter, or a library it loads."
    if killer == "SIGKILL":
        return " Kubernetes does not say who killed it; most often memory ran short."
    return ""


def lifetime(end: Terminated) -> str:
    """For how long it ran, as the end of a phrase."""
    if not (isinstance(end.started_at, datetime) and isinstance(end.finished_at, datetime)):
        return ""
    return f" after {(end.finished_at - end.started_at).total_seconds():.0f} s"


def out_of_memory(pod: PodView, name: str, end: Terminated, consequence: str = "") -> str:
    """What is said about a container that had not enough memory, and what to do."""
    containers = (*pod.spec.init_containers, *pod.spec.containers)
    limit = next((one.resources.limits.get("memory") for one in containers if one.name == name), None)
    bound = f"its memory limit of {limit}" if limit is not None else "the memory of its node (it has no limit)"
    return (
        f"was killed for using more than {bound} (OOMKilled, exit code {end.exit_code}"
        f"{lifetime(end)}){consequence}. Raise resources.limits.memory in pod_override or in the pod template."
    )


def said(end: Terminated) -> str:
    """What the container said last, as a further sentence."""
    text = last_words(end.message) if end.reason != LOST else ""
    stop = "" if text.endswith((".", "!", "?")) else "."
    return f" Its last words: {text}{stop}" if text else ""
