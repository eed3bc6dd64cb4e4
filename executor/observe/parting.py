"""Whether a pod whose worker runs, or may still start, can be deleted without hitting a task that others wait for.

A worker is let in by its task instance's id, not by its launch (Airflow `execution_api`, `/run`): up to its end the pod
of a launch that was given up can get the task of the next one. Pure.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import Enum, auto

from executor.model import QUEUED, SCHEDULED, UP_FOR_RETRY, Kind, Launch, Row
from executor.observe.diagnosis import base_running_since, base_started, hostnames, is_alive
from executor.observe.ownership import runs_in
from executor.observe.pod_view import PodView

STARTING_UP = timedelta(seconds=60)  # a worker that has not asked to be let in by then hangs
SOON_QUEUED = frozenset({QUEUED, SCHEDULED, UP_FOR_RETRY})  # a worker that asks is let in, now or in a moment


class Parting(Enum):
    """What to do with a pod that its launch does not need any more, and that was alive when that was decided."""

    DELETE = auto()
    GONE = auto()  # it was already, says the API server
    STAY = auto()  # it runs the task, and the launch that the row names follows it; or it has ended, and may be kept
    WAIT = auto()  # it may be let in at any moment, or turned away: look again


def part(launch: Launch, pod: PodView, row: Row | None, now: datetime, *, doomed: bool) -> Parting:
    """Decide about a pod as it is now, by its row as it was read after that.

    doomed: the scheduler gave the launch up, so that its own row's word does not save it. A pod that has not started
    can be deleted safely as long as it is still this version of it: there is no worker that could ask.
    """
    if not is_alive(pod):
        return Parting.STAY
    if row is None or launch.kind is Kind.CALLBACK:
        return Parting.DELETE
    if runs_in(row, hostnames(pod)) and not (doomed and row.external_executor_id == launch.named):
        return Parting.STAY
    since = base_running_since(pod)
    young = base_started(pod) and since is not None and now - since < STARTING_UP
    leaves = pod.metadata.deletion_timestamp is not None
    heard = row.state in SOON_QUEUED and row.ti_id == launch.ti_id
    return Parting.WAIT if young and heard and not leaves else Parting.DELETE
