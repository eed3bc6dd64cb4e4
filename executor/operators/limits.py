"""When time alone ends a container task. Pure; times of a pod are the API server's and its node's."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from executor.observe.pod_view import PodView
from executor.observe.wording import where
from executor.operators import outcome
from executor.operators.task import ContainerTask


@dataclass(frozen=True, slots=True, order=True)
class Limit:
    """The moment, and what is said then."""

    at: datetime
    words: str

    def sentence(self, pod: PodView, name: str) -> str:
        """Why the task fails, and what its pod was waiting for or doing."""
        doing = outcome.diagnosis_of(pod, name, present=True).sentence
        return f"{where(pod)} was stopped: {self.words}. {doing}"


def limit_of(task: ContainerTask, pod: PodView | None) -> Limit | None:
    """The next one for this pod; None if its time has no limit, or it has ended."""
    if pod is None or outcome.end_of(pod, task.base) is not None:
        return None
    found = [one for one in (_whole(task, pod), _start(task, pod)) if one is not None]
    return min(found, default=None)


def _whole(task: ContainerTask, pod: PodView) -> Limit | None:
    made, seconds = pod.metadata.creation_timestamp, task.execution_timeout
    if made is None or seconds is None:
        return None
    return Limit(made + timedelta(seconds=seconds), f"execution_timeout ({seconds:g} s) is over")


def _start(task: ContainerTask, pod: PodView) -> Limit | None:
    made = pod.metadata.creation_timestamp
    if made is None or not outcome.is_waiting(outcome.diagnosis_of(pod, task.base, present=True)):
        return None
    scheduled = next((one for one in pod.status.conditions if one.type == "PodScheduled"), None)
    if scheduled is None or scheduled.status != "True":
        seconds = task.schedule_timeout
        return Limit(
            made + timedelta(seconds=seconds), f"it found no node within {seconds:g} s (schedule_timeout_seconds)"
        )
    seconds = task.startup_timeout
    since = scheduled.last_transition_time or made
    return Limit(since + timedelta(seconds=seconds), f"it did not start within {seconds:g} s (startup_timeout_seconds)")
