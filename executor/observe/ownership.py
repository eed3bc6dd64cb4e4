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


def worker_name(row: Row) -> str:
    """The name by which a worker was let in, without a domain; '' while none was, or where it gave none."""
    return (row.hostname or "").partition(".")[0]


def runs_in(row: Row | None, hostnames: frozenset[str]) -> bool:
    """True if the worker that runs the task calls itself so: the row's launch, or an earlier one, made its pod.

    A worker is let in by its task instance's id, not by its launch (Airflow `execution_api`, `/run`): a pod of a launch
    that was given up may get the next launch's task. hostnames: what the worker in a pod may have called itself.
    """
    return row is not None and row.state == RUNNING and not hostnames.isdisjoint({row.hostname, worker_name(row)})


def owns_launch(launch: Launch, row: Row | None) -> bool:
    """Whichever scheduler queued it: the row still waits for this launch."""
    if row is None or row.state not in LIVE_STATES:
        return False
    return launch.kind is Kind.CALLBACK or row.external_executor_id == launch.named
