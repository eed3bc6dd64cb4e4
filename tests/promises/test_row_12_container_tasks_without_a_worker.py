"""A task that is a container is one pod, not a worker's pod and a second one.

What users suffer: under an executor of pods the provider's operator starts a worker pod whose only job is to make a
second pod and to watch it; 1,000 tasks are 2,000 pods, and deferrable 3,000.
What we promise: PodOperator goes straight to the triggerer, where the task is its pod: as many pods as tasks, no
worker, and result and log come back. Airflow's own decision (`DagRun.schedule_tis`) on the DAG as it is stored; then
all of it in virtual time. On a real Airflow: `tests/operators/test_pod_operator.py`.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.models.trigger import Trigger
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.sdk import DAG
from airflow.serialization.serialized_objects import DagSerialization
from sqlalchemy import Table, create_engine, select
from sqlalchemy.orm import Session, lazyload
from sqlalchemy.pool import StaticPool

from executor.operators import PodOperator
from executor.operators.carried import unpack
from executor.operators.outcome import Ending
from executor.operators.xcom import mark_of
from tests.operators.world import NAMESPACE, World, identity

TASKS = 1000
GIVEN: dict[str, Any] = {"image": "tools:1", "cmds": ["count"], "do_xcom_push": True, "deferrable": True}


@pytest.fixture
def session() -> Iterator[Session]:
    """The two tables that scheduling writes."""
    engine = create_engine("sqlite://", poolclass=StaticPool)
    for model in (Trigger, TaskInstance):
        table: Table = model.__table__
        table.create(engine)
    with Session(engine) as open_session:
        yield open_session
    engine.dispose()


def scheduled(operator: Any, session: Session, count: int) -> tuple[Counter[str], list[dict[str, Any]]]:
    """The states of a mapped task's instances once Airflow has scheduled them, and the arguments of their triggers."""
    with DAG("d", schedule=None) as dag:
        operator.partial(task_id="t", **GIVEN).expand(arguments=[[str(number)] for number in range(count)])
    stored: Any = DagSerialization.from_dict(json.loads(json.dumps(DagSerialization.to_dict(dag)))).get_task("t")
    instances = [TaskInstance(stored, dag_version_id=None, run_id="r", map_index=index) for index in range(count)]
    session.add_all(instances)
    session.flush()
    DagRun(dag_id="d", run_id="r").schedule_tis(instances, session=session)
    session.flush()
    session.expire_all()
    states = Counter(str(state) for state in session.scalars(select(TaskInstance.state)))
    return states, [row.kwargs for row in session.scalars(select(Trigger).options(lazyload("*")))]


def test_row_12_the_providers_operator_has_a_worker_for_each_task(session: Session) -> None:
    """What the next test would see if it were so."""
    states, triggers = scheduled(KubernetesPodOperator, session, 10)
    assert (states, triggers) == ({"scheduled": 10}, [])


async def test_row_12_as_many_pods_as_tasks_and_no_worker(session: Session) -> None:
    states, triggers = scheduled(PodOperator, session, TASKS)
    assert states == {"deferred": TASKS}
    world = World()
    tasks = [
        world.start(world.life(identity(number, task_id=f"t{number}"), **unpack(told["parameters"])))
        for number, told in enumerate(triggers)
    ]
    await asyncio.sleep(5)
    for (_, name), pod in list(world.kube.pods.items()):
        world.kube.play(name).running()
        answer = pod["metadata"]["annotations"]["task_id"]
        world.kube.writes((NAMESPACE, name), f"it is {answer}\n{result(name, answer)}")
        world.kube.play(name).finish(0)
    endings: list[Ending] = await asyncio.gather(*tasks)
    assert (len(world.kube.pods), world.kube.count("create")) == (TASKS, TASKS)
    assert [(one.state, (one.xcoms or {})["return_value"]) for one in endings] == [
        ("success", f"t{number}") for number in range(TASKS)
    ]
    assert {line for line in world.said.lines if line.startswith("[base] ")} == {
        f"[base] it is t{number}" for number in range(TASKS)
    }


def result(pod: str, value: str) -> str:
    """What the shell around the command writes."""
    mark, content = mark_of(pod), json.dumps(value)
    return f"\n{mark} {len(content)}\n{content}\n{mark} end\n"
