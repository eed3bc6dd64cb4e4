"""How a container task ended, in one sentence for the DAG author. Pure.

The executor's own diagnosis, in the words of a task that *is* its container: the advice names PodOperator's parameters,
and nobody is told that the image needs Airflow.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from executor.observe.diagnosis import BASE, WAITING, Diagnosis, PodClass, base_end, diagnose
from executor.observe.pod_view import ContainerStatus, PodView, Terminated
from executor.observe.pull_errors import FINAL_REASONS, will_not_heal
from executor.observe.wording import how, in_short, lifetime, where

State = Literal["success", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class Ending:
    """The task's end. result: what goes into XComs, by key."""

    state: State
    sentence: str
    xcoms: dict[str, Any] | None = None


def with_base(pod: PodView, name: str) -> PodView:
    """The pod with container `name` called `base`, for a diagnosis that looks there."""
    if name == BASE:
        return pod
    status = pod.status
    named = tuple(_renamed(one, name) for one in status.container_statuses)
    return msgspec.structs.replace(pod, status=msgspec.structs.replace(status, container_statuses=named))


def _renamed(status: ContainerStatus, name: str) -> ContainerStatus:
    swap = {name: BASE, BASE: name}
    return msgspec.structs.replace(status, name=swap.get(status.name, status.name))


def end_of(pod: PodView, name: str) -> Terminated | None:
    """How container `name` ended; None while it has not."""
    return base_end(with_base(pod, name))


def diagnosis_of(pod: PodView | None, name: str, *, present: bool) -> Diagnosis:
    """The executor's diagnosis of a pod whose task is container `name`."""
    return diagnose(pod and with_base(pod, name), present=present, deleted_by_us=False)


def ended(pod: PodView, name: str, end: Terminated, skip: Container[int]) -> Ending:
    """The end of a task whose container ended. The result is not looked at here."""
    if end.exit_code in skip:
        return Ending("skipped", f"{where(pod)}: container {name} ended with exit code {end.exit_code}, which skips.")
    if end.exit_code == 0:
        return Ending("success", f"{where(pod)}: container {name} ended with 0{lifetime(end)}.")
    return Ending("failed", failure(pod, name))


def failure(pod: PodView | None, name: str, *, present: bool = True) -> str:
    """Why the task fails."""
    found = diagnosis_of(pod, name, present=present)
    end = end_of(pod, name) if pod is not None else None
    if pod is None or end is None or found.disrupted:
        return _named(found.sentence, name)
    special = _in_our_words(pod, name, end, found.cls)
    return f"{where(pod)}: container {name} {special}" if special else _named(found.sentence, name)


def _in_our_words(pod: PodView, name: str, end: Terminated, cls: PodClass) -> str:
    """Where the executor's advice is about workers; '' where it gives none."""
    if cls is PodClass.OUT_OF_MEMORY:
        return _out_of_memory(pod, name, end)
    if cls is PodClass.NEVER_RUNS:
        detail = in_short(end.message) or "no message"
        return f"could not be started ({end.reason}): {detail}. {_COMMAND_ADVICE}"
    limit = pod.spec.active_deadline_seconds
    if pod.status.reason == "DeadlineExceeded" and limit:
        return f"{how(end)}, because active_deadline_seconds={limit} had passed."
    return ""


def fatal_wait(found: Diagnosis) -> bool:
    """Whether a pod that waits for this will wait for ever."""
    return found.reason in FINAL_REASONS or (found.cls is PodClass.PULLING and will_not_heal(found.sentence))


def is_waiting(found: Diagnosis) -> bool:
    """The task's container has not started."""
    return found.cls in WAITING


_COMMAND_ADVICE = "Check cmds and the image: the program must be in it."


def _out_of_memory(pod: PodView, name: str, end: Terminated) -> str:
    limits = next((one.resources.limits for one in pod.spec.containers if one.name == name), {})
    limit = limits.get("memory")
    bound = f"its memory limit of {limit}" if limit is not None else "the memory of its node (it has no limit)"
    how_long = f"OOMKilled, exit code {end.exit_code}{lifetime(end)}"
    return f"was killed for using more than {bound} ({how_long}). Raise limits.memory in container_resources."


def _named(sentence: str, name: str) -> str:
    """The diagnosis calls the task's container base, which is its name unless the task says otherwise."""
    return sentence if name == BASE else sentence.replace("container base ", f"container {name} ")
