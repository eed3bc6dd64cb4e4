"""What a waiting container task weighs in Airflow's own trigger runner, beside a trigger that does nothing.

Both start as `start_from_trigger` does it, with a copy of the DAG for each trigger. Counted is what Python allocates;
the same with the processes of a real triggerer: `test_pod_waiting.py`.
"""

from __future__ import annotations

import asyncio
import gc
import json
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from airflow.executors.workloads.task import TaskInstanceDTO
from airflow.executors.workloads.trigger import RunTrigger
from airflow.jobs.triggerer_job_runner import TriggerRunner
from airflow.models.trigger import Trigger
from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import ErrorResponse, SetXCom
from airflow.serialization.serialized_objects import DagSerialization

from executor.operators.hub import Hub
from tests.operators.dags import waiting
from tests.operators.world import Kube

FIRST, MORE = 4, {1: 25, 20: 12, 200: 4}
BUDGET = 20_000  # bytes
STILL = 10_000  # bytes; what moves less has settled
PATIENCE = 60.0  # seconds, reached only when something is wrong


class NoAnswers:
    """A supervisor that knows no connection, and takes every XCom."""

    async def asend(self, message: Any) -> Any:
        if isinstance(message, SetXCom):
            return None
        raise AirflowRuntimeError(ErrorResponse(error=ErrorType.CONNECTION_NOT_FOUND))


class Now(Kube):
    def now(self) -> datetime:
        return datetime.now(UTC)


class Everywhere(dict[Any, Any]):
    """One cluster, whichever is asked for."""

    def __init__(self, kube: Kube) -> None:
        super().__init__()
        self.kube = kube

    def __contains__(self, key: object) -> bool:
        return True

    def __getitem__(self, key: Any) -> Kube:
        return self.kube


@pytest.fixture(autouse=True)
def _supervisor() -> Iterator[None]:
    before = getattr(task_runner, "SUPERVISOR_COMMS", None)
    task_runner.SUPERVISOR_COMMS = NoAnswers()
    yield
    task_runner.SUPERVISOR_COMMS = before


def workloads(kind: str, size: int) -> Iterator[RunTrigger]:
    """What a supervisor sends its runner, one task after the other, read from its own JSON."""
    dag = getattr(waiting, f"{kind}_{size}")
    stored = json.loads(json.dumps(DagSerialization.to_dict(dag)))
    now = datetime.now(UTC).isoformat()
    interval = dict.fromkeys(("logical_date", "data_interval_start", "data_interval_end", "end_date", "partition_key"))
    for number in range(FIRST + MORE[size]):
        task, run = dag.tasks[number % size], f"run-{number // size}"
        who = {"dag_id": dag.dag_id, "task_id": task.task_id, "run_id": run, "try_number": 1, "map_index": -1}
        ti = TaskInstanceDTO(
            **who, id=uuid4(), dag_version_id=uuid4(), pool_slots=1, priority_weight=1, queue="default", hostname=""
        )
        of_run = {"dag_id": dag.dag_id, "run_id": run, "run_after": now, "start_date": now, "state": "running"}
        told = RunTrigger(
            id=number,
            classpath=task.start_trigger_args.trigger_cls,
            encrypted_kwargs=Trigger.encrypt_kwargs(task.start_trigger_args.trigger_kwargs),
            ti=ti,
            dag_data=stored,
            dag_run_data={**interval, **of_run, "run_type": "manual", "conf": {}, "consumed_asset_events": []},
        )
        yield RunTrigger.model_validate_json(told.model_dump_json())


async def weight(kind: str, size: int) -> float:
    """Bytes for each waiting task."""
    kube, runner = Now(), TriggerRunner()
    Hub.here()._apis = Everywhere(kube)
    given = workloads(kind, size)
    try:
        tracemalloc.start()
        await start(runner, given, FIRST)
        await pods_made(kube, FIRST if kind == "pods" else 0)
        await settled()
        tracemalloc.stop()
        tracemalloc.start()
        await start(runner, given, MORE[size])
        await pods_made(kube, FIRST + MORE[size] if kind == "pods" else 0)
        used = await settled()
        assert not any(one["task"].done() for one in runner.triggers.values())
        return used / MORE[size]
    finally:
        tracemalloc.stop()
        await stop(runner)


async def start(runner: TriggerRunner, given: Iterator[RunTrigger], count: int) -> None:
    for _ in range(count):
        runner.to_create.append(next(given))
        await runner.create_triggers()


async def pods_made(kube: Kube, count: int) -> None:
    """Wait until there are so many."""
    async with asyncio.timeout(PATIENCE):
        while len(kube.pods) < count:  # noqa: ASYNC110 - the runner's own threads and loops take part
            await asyncio.sleep(0.05)
    assert len(kube.pods) == count


async def settled() -> int:
    """Wait until what comes with the start of triggers is done; return the bytes that are in use then."""
    before, used = -STILL, 0
    async with asyncio.timeout(PATIENCE):
        while abs(used - before) >= STILL:
            await asyncio.sleep(0.25)  # real seconds
            if gc.isenabled():
                gc.collect()
            before, used = used, tracemalloc.get_traced_memory()[0]
    return used


async def stop(runner: TriggerRunner) -> None:
    tasks = [one["task"] for one in runner.triggers.values()]
    for one in tasks:
        one.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await Hub.here().close()


@pytest.mark.parametrize("size", waiting.SIZES)
async def test_a_waiting_task_weighs_little_beside_its_trigger(size: int) -> None:
    bare, ours = await weight("bare", size), await weight("pods", size)
    print(
        f"DAG of {size}: {bare / 1000:.1f} KB for a trigger that does nothing, {(ours - bare) / 1000:+.1f} KB for ours"
    )
    assert ours - bare <= BUDGET
    assert ours <= 60_000, "the DAG that each trigger gets is let go of"


async def test_a_dag_is_freed_without_waiting_for_garbage_collection() -> None:
    gc.collect()
    gc.disable()
    try:
        ours = await weight("pods", 20)
    finally:
        gc.enable()
    print(f"uncollected, DAG of 20: {ours / 1000:.1f} KB for ours")
    assert ours < 85_000, "40 KB of it are the DAG"
