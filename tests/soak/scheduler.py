"""Airflow's own scheduler, with one part replaced: what looks at DAG runs.

    python -m tests.soak.scheduler STATUS_FILE

All tasks of the soak are independent and in one run, which Airflow would load whole in every loop. So the steps before
SCHEDULED are three statements here; from SCHEDULED on everything is Airflow's code: queueing, adoption, the executor's
events on rows that others may have locked, tasks stuck in queued, tasks without heartbeats.
Writes what the executor holds into STATUS_FILE, once a second.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from airflow.jobs.job import Job, run_job
from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
from airflow.utils.sqlalchemy import is_lock_not_available_error, prohibit_commit
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

#: As `DagRun.schedule_tis` does: a new try for whatever was not rescheduled by itself.
NEXT_TRY = text(
    "UPDATE task_instance SET state = 'scheduled', scheduled_dttm = now(), try_number = try_number + 1 "
    "WHERE id IN (SELECT id FROM task_instance WHERE state IS NULL OR state = 'up_for_retry' "
    "ORDER BY map_index LIMIT :limit FOR UPDATE SKIP LOCKED)"
)
SAME_TRY = text(
    "UPDATE task_instance SET state = 'scheduled', scheduled_dttm = now() WHERE id IN "
    "(SELECT id FROM task_instance WHERE state = 'up_for_reschedule' LIMIT :limit FOR UPDATE SKIP LOCKED)"
)
#: As the triggerer does when the trigger fires (`models/trigger.py`, `handle_event_submit`).
RESUME = text(
    "UPDATE task_instance SET state = 'scheduled', scheduled_dttm = now(), trigger_id = NULL WHERE id IN "
    "(SELECT id FROM task_instance WHERE state = 'deferred' LIMIT :limit FOR UPDATE SKIP LOCKED)"
)


class SoakScheduler(SchedulerJobRunner):
    """See the module."""

    def __init__(self, job: Job, status: Path) -> None:
        super().__init__(job=job)
        self._status, self._written = status, 0.0

    def _do_scheduling(self, session: Any) -> int:
        self._write_status()
        free = sum(executor.slots_available for executor in self.executors)
        with prohibit_commit(session) as guard:  # type: ignore[no-untyped-call]
            for statement in (NEXT_TRY, SAME_TRY, RESUME):
                session.execute(statement, {"limit": max(free, 0)})
            guard.commit()
            try:
                queued: int = self._critical_section_enqueue_task_instances(session=session) if free > 0 else 0
            except OperationalError as error:
                if not is_lock_not_available_error(error=error):
                    raise
                session.rollback()
                return 0
            guard.commit()
        return queued

    def _write_status(self) -> None:
        if time.monotonic() - self._written < 1:
            return
        self._written = time.monotonic()
        executor: Any = self.executors[0]
        held = {"job": self.job.id, "slots_occupied": executor.slots_occupied, "newest": len(executor._newest)}
        unfinished = self._status.with_suffix(".tmp")
        unfinished.write_text(json.dumps(held | (executor._supervisor.totals() if executor._supervisor else {})))
        os.replace(unfinished, self._status)


def main(status: str) -> None:
    job = Job()  # type: ignore[no-untyped-call]
    runner = SoakScheduler(job, Path(status))
    run_job(job=job, execute_callable=runner._execute)


if __name__ == "__main__":
    main(sys.argv[1])
