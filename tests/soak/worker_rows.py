"""What workers, people and clocks write into the soak's rows, as Airflow's API does it, one transaction each.

The execution API's rules (`api_fastapi/execution_api/routes/task_instances.py`): a worker is let in (`run`) where the
row, found by its id, is queued or restarting; it may end a row that is running; a try that will be retried gets a new
id. A person's clear gives a new id, too (`models/taskinstance.py`, `clear_task_instances`). No history is written.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import asyncpg  # type: ignore[import-untyped]

LET_IN = """
UPDATE task_instance SET state = 'running', hostname = $2, pid = 1, start_date = now(), end_date = NULL,
  last_heartbeat_at = now()
WHERE id = $1 AND state IN ('queued', 'restarting') AND queued_dttm > now() - interval '1 hour' RETURNING id
"""
IS_STUCK = "SELECT id FROM task_instance WHERE id = $1 AND state = 'queued' AND queued_dttm < now() - interval '1 hour'"
REPORT = """
UPDATE task_instance SET state = $2, end_date = now(), next_method = NULL WHERE id = $1 AND state = 'running'
RETURNING id
"""
RETRY = """
UPDATE task_instance SET state = 'up_for_retry', id = $2, end_date = now(), next_method = NULL
WHERE id = $1 AND state = 'running' AND try_number <= max_tries RETURNING id
"""
DEFER = """
UPDATE task_instance SET state = 'deferred', next_method = 'execute_complete' WHERE id = $1 AND state = 'running'
RETURNING id
"""
CLEAR_RUNNING = (
    "UPDATE task_instance SET state = 'restarting', id = $2 WHERE id = $1 AND state = 'running' RETURNING id"
)
CLEAR_WAITING = """
UPDATE task_instance SET state = NULL, id = $2, external_executor_id = NULL, next_method = NULL
WHERE id = $1 AND state = 'queued' RETURNING id
"""
MARK = "UPDATE task_instance SET state = 'success', end_date = now() WHERE id = $1 RETURNING id"
LONG_QUEUED = """
UPDATE task_instance SET queued_dttm = now() - interval '1 day'
WHERE id = $1 AND state = 'queued' AND external_executor_id = $2 RETURNING id
"""
QUEUED_ANEW = "SELECT id FROM task_instance WHERE id = $1 AND state = 'queued' AND external_executor_id != $2"
LONG_SILENT = """
UPDATE task_instance SET last_heartbeat_at = now() - interval '1 day' WHERE id = $1 AND state = 'running' RETURNING id
"""


@dataclass(frozen=True, slots=True)
class WorkerRows:
    """Every method says whether there was such a row in such a state."""

    pool: asyncpg.Pool

    async def let_in(self, ti_id: str, hostname: str) -> bool:
        """Not while the row is queued for too long: Airflow's scheduler reads such rows, and requeues them a moment
        later whatever became of them (`_reschedule_stuck_task`). Who was let in between would run twice, by its doing.
        """
        return await self._change(LET_IN, ti_id, hostname)

    async def is_stuck(self, ti_id: str) -> bool:
        """Queued for too long."""
        return await self._change(IS_STUCK, ti_id)

    async def report(self, ti_id: str, state: str) -> bool:
        return await self._change(REPORT, ti_id, state)

    async def report_failure(self, ti_id: str) -> bool:
        """For retry where tries are left."""
        return await self._change(RETRY, ti_id, uuid4()) or await self._change(REPORT, ti_id, "failed")

    async def defer(self, ti_id: str) -> bool:
        return await self._change(DEFER, ti_id)

    async def clear_running(self, ti_id: str) -> bool:
        return await self._change(CLEAR_RUNNING, ti_id, uuid4())

    async def clear_waiting(self, ti_id: str) -> bool:
        return await self._change(CLEAR_WAITING, ti_id, uuid4())

    async def mark(self, ti_id: str) -> bool:
        return await self._change(MARK, ti_id)

    async def queue_long_ago(self, ti_id: str, launch: str) -> bool:
        """Where it is queued for this launch: the next one is not to pay for a pod that is collected late."""
        return await self._change(LONG_QUEUED, ti_id, launch)

    async def is_queued_anew(self, ti_id: str, launch: str) -> bool:
        """For another launch."""
        return await self._change(QUEUED_ANEW, ti_id, launch)

    async def fall_silent(self, ti_id: str) -> bool:
        return await self._change(LONG_SILENT, ti_id)

    async def lock(self, ti_id: str, seconds: float, locked: asyncio.Event) -> None:
        """Hold the row's lock for so long; `locked` is set when it is held."""
        async with self.pool.acquire() as connection, connection.transaction():
            await connection.execute("SELECT id FROM task_instance WHERE id = $1 FOR UPDATE", UUID(ti_id))
            locked.set()
            await asyncio.sleep(seconds)

    async def _change(self, statement: str, ti_id: str, *values: Any) -> bool:
        return await self.pool.fetchval(statement, UUID(ti_id), *values) is not None
