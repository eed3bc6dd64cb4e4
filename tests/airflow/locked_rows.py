"""The rows thread on PostgreSQL, while somebody holds rows locked: what each call answered, and how fast.

    python -m tests.airflow.locked_rows

In the database that Airflow is configured with, which is new and empty. Prints one JSON object.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, create_engine, text
from sqlalchemy.pool import NullPool

from executor.control.ports import RowsDown
from executor.model import GivenBack, Kind, Launch
from executor.task_rows import TaskRows
from tests.soak import seed
from tests.soak.kinds import KINDS
from tests.soak.rows import SoakRows

JOB = 7
PATIENCE = 40.0  # seconds; a call that waits for the lock does not end before it is released
QUEUED_AT = "2026-01-01 00:00:00+00"


def prepare(engine: Engine, url: str) -> list[Launch]:
    """Two queued rows and two running ones, of a task with retries."""
    seed.main()
    kind = next(kind for kind in KINDS if kind.retries)
    SoakRows(url).insert([kind] * 4)
    with engine.begin() as connection:
        rows = connection.execute(text("SELECT id, map_index FROM task_instance ORDER BY map_index")).all()
        for ti_id, number in rows:
            values = {"id": ti_id, "launch": str(UUID(int=number)), "state": "queued" if number < 2 else "running"}
            connection.execute(
                text(
                    "UPDATE task_instance SET state = :state, try_number = 1, queued_by_job_id = NULL, "
                    f"external_executor_id = :launch, queued_dttm = '{QUEUED_AT}' WHERE id = :id"
                ),
                values,
            )
    return [_launch(str(ti_id), kind.name, number) for ti_id, number in rows]


def _launch(ti_id: str, task: str, number: int) -> Launch:
    launch_id = str(UUID(int=number))
    return Launch(launch_id, Kind.TASK, launch_id, ti_id, seed.DAG, task, seed.RUN, 1, number)


async def answer(call: Awaitable[Any]) -> Any:
    """What it answered, or why it did not."""
    try:
        found = await asyncio.wait_for(call, PATIENCE)
    except TimeoutError:
        return "no answer"
    except RowsDown:
        return "later"
    return found.name if isinstance(found, GivenBack) else found


async def look(rows: TaskRows, launches: list[Launch]) -> dict[str, Any]:
    """Each call that writes, about a locked row and a free one; then a read of all."""
    queued, running = launches[:2], launches[2:]
    began = time.monotonic()
    found: dict[str, Any] = {"kept fresh": await answer(rows.keep_fresh(queued))}
    found["given back"] = [await answer(rows.give_back(one, "It went.", reported=False)) for one in running]
    read = await answer(rows.read(launches))
    found["read"] = sorted(read) if isinstance(read, dict) else read
    found["seconds"] = time.monotonic() - began
    return found


def state(engine: Engine) -> dict[str, Any]:
    """Which rows were kept fresh, and every row's max_tries."""
    with engine.begin() as connection:
        found = connection.execute(
            text(f"SELECT queued_dttm > '{QUEUED_AT}', max_tries FROM task_instance ORDER BY map_index")
        ).all()
    return {"fresh": [fresh for fresh, _ in found], "max_tries": [tries for _, tries in found]}


async def main() -> None:
    url = os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
    engine = create_engine(url, poolclass=NullPool)
    launches = prepare(engine, url)
    rows = TaskRows(None)
    with engine.begin() as holder:
        for one in (launches[0], launches[2]):
            holder.execute(text("SELECT id FROM task_instance WHERE id = :id FOR UPDATE"), {"id": UUID(one.ti_id)})
        locked = await look(rows, launches)
        during = state(engine)
    free = await look(rows, launches)
    print(json.dumps({"locked": locked, "during": during, "free": free, "after": state(engine)}), flush=True)
    rows.close()
    sys.stdout.flush()
    os._exit(0)  # a rows thread that hangs on the lock must not hold up the end


if __name__ == "__main__":
    asyncio.run(main())
