"""Is this row still this launch's? The predicate in front of every event.

An event carries only dag, task, run, map index and try; after a deferral, a sensor reschedule or a requeue the next
launch has the same key, and a late event would hit it (Airflow `jobs/scheduler_job_runner.py`,
`process_executor_events`). So the row decides, not the key.
"""

from __future__ import annotations

from executor.model import LIVE_STATES, RESTARTING, RUNNING, Kind, Launch, Row


def owns_row(launch: Launch, row: Row | None, job_id: int | None) -> bool:
    """True if the row still waits for this launch's end, as queued by this scheduler job."""
    if row is None or row.state not in LIVE_STATES:
        return False
    if launch.kind is Kind.CALLBACK:
        return True
    return (
        (row.ti_id == launch.ti_id or row.state == RESTARTING)  # a row cleared while it runs has a new id already
        and row.try_number == launch.try_number
        and row.external_executor_id == launch.named
        and row.queued_by_job_id == job_id
    )


def another_job_owns(launch: Launch, row: Row | None, job_id: int | None) -> bool:
    """True if another scheduler took this very launch over: its pod is that scheduler's to delete."""
    return (
        row is not None
        and row.state in LIVE_STATES
        and row.external_executor_id == launch.named
        and row.queued_by_job_id not in (None, job_id)
    )


def runs_here(row: Row, hostnames: frozenset[str], rivals: bool) -> bool:
    """For a RUNNING row: is it this pod that passed `/run`?

    hostnames: what the worker in this pod may have called itself; rivals: another pod of the same task instance is
    alive. With no rival it can only be ours, whatever `[core] hostname_callable` makes of the name.
    """
    return row.state != RUNNING or not rivals or (row.hostname or "") in hostnames


def names_another(row: Row, hostnames: frozenset[str], searched: str) -> bool:
    """True if the worker of a RUNNING row calls itself by a name that this pod's would not, and that nobody has looked
    for: a pod of an earlier launch that the watch has kept to itself, or what `[core] hostname_callable` made of it."""
    name = row.hostname or ""
    return row.state == RUNNING and name not in {"", searched, *hostnames}


def owns_launch(launch: Launch, row: Row | None) -> bool:
    """Whichever scheduler queued it: the row still waits for this launch."""
    if row is None or row.state not in LIVE_STATES:
        return False
    return launch.kind is Kind.CALLBACK or row.external_executor_id == launch.named
