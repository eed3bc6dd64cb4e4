"""Whose pod runs the task, where it is not the launch's own.

A worker is let in by its task instance's id, not by its launch (Airflow `execution_api`, `/run`). So the pod of a
launch that was given up, or of an earlier attempt whose create was carried out after all, may get the task; the
launch's own worker is then turned away, or its pod cannot start and nobody needs it. What becomes of the task is told
by the pod that runs it, which is followed from then on. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from executor.identity import LAUNCH_LABEL, may_be_pod_of
from executor.model import Launch, Row
from executor.observe.decision import Facts, Keep, Search, Switch
from executor.observe.diagnosis import Diagnosis, PodClass, hostnames, is_alive
from executor.observe.ownership import runs_in, worker_name
from executor.observe.pod_view import PodView

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def runner(facts: Facts, row: Row, own: frozenset[str], again_in: float) -> Keep | Search | Switch | None:
    """What to do while the row is RUNNING and no worker is at work in the launch's own pod; None: that ran the task.

    own: names of the worker in there. With `hostNetwork` all workers on a node have one name: then it is the living's.
    """
    here = runs_in(row, own)
    named = [pod for pod in facts.others if runs_in(row, hostnames(pod)) and (is_alive(pod) or not here)]
    if named:
        return Switch(max(named, key=is_alive).metadata.uid)
    if here:
        return None
    alive = [other for other in facts.others if is_alive(other)]
    sibling = next((other for other in alive if other.metadata.labels.get(LAUNCH_LABEL) == facts.launch.id), None)
    if sibling is not None:
        return Switch(sibling.metadata.uid)
    if alive:  # whatever `[core] hostname_callable` made of its name; nobody else tells what becomes of it
        return Keep(again_in=again_in)
    name = worker_name(row)
    return Search(name) if name not in ("", facts.searched) else None


def lost_runner(launch: Launch, row: Row) -> Diagnosis | None:
    """The end of the pod that ran the task, where it was looked for and does not exist; None: its name is no pod's."""
    name = worker_name(row)
    if not may_be_pod_of(name, launch.dag_id, launch.task_id):
        return None
    return Diagnosis(PodClass.VANISHED, f"Pod {name} does not exist any more.", "Deleted", True)


def speakers(row: Row, pods: Sequence[PodView]) -> list[PodView]:
    """Of the pods of this row's task instance, those whose log is the task's: the one that runs it first, then those of
    the row's launch, the newest first."""
    runs = [pod for pod in pods if runs_in(row, hostnames(pod))]
    mine = [pod for pod in pods if pod.metadata.labels.get(LAUNCH_LABEL) == row.external_executor_id]
    return [*_newest_first(runs), *(pod for pod in _newest_first(mine) if pod not in runs)]


def _newest_first(pods: Sequence[PodView]) -> list[PodView]:
    return sorted(pods, key=lambda pod: pod.metadata.creation_timestamp or _LONG_AGO, reverse=True)


__all__ = ["lost_runner", "runner", "speakers"]
