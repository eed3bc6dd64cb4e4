"""kill -9 of any process at any moment changes no result: states, XComs and pods are those of an undisturbed run.

One seed on a DAG of six tasks; with SOAK=1 twenty (CHAOS_SEEDS=3,7 for some of them), on the demo's DAGs as well.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from executor.demo.processes import wait_until
from tests.airflow.chaos_demo import add_demo, demo_options
from tests.airflow.chaos_outcome import Outcome, TaskOutcome, differences, read_outcome
from tests.airflow.chaos_world import ChaosWorld, Disturbance, chaos_world
from tests.airflow.harness import PATIENCE

DAGS = """
from airflow.providers.standard.sensors.date_time import DateTimeSensorAsync
from airflow.sdk import dag, task


@dag(dag_id="chaos", schedule=None, default_args={"retries": 2})
def chaos():
    @task
    def start():
        return [1, 2, 3]

    @task
    def square(number):
        return number * number

    @task
    def total(numbers):
        return sum(numbers)

    wait = DateTimeSensorAsync(
        task_id="wait", target_time="{{ (dag_run.run_after + macros.timedelta(seconds=10)).isoformat() }}"
    )
    squares = square.expand(number=start())
    wait >> total(squares)


chaos()
"""
SOAK = bool(os.environ.get("SOAK"))
CI_SEED = 7
DURATION = 19.0  # seconds of an undisturbed run of that DAG on two quiet cores


def seeds() -> list[int]:
    if chosen := os.environ.get("CHAOS_SEEDS"):
        return [int(one) for one in chosen.split(",")]
    return list(range(20)) if SOAK else [CI_SEED]


def once(xcom: str | None, launches: int = 1) -> TaskOutcome:
    return TaskOutcome("success", 1, {1: launches}, (1,) * launches, xcom)


#: What the undisturbed run of that DAG comes to; the long version of the test runs it to see that this is so.
UNDISTURBED = Outcome(
    {"chaos": "success"},
    {
        ("chaos", "start", -1): once("[1, 2, 3]"),
        ("chaos", "square", 0): once("1"),
        ("chaos", "square", 1): once("4"),
        ("chaos", "square", 2): once("9"),
        ("chaos", "wait", -1): once(None, launches=2),
        ("chaos", "total", -1): once("14"),
    },
)


@dataclass(frozen=True)
class Quiet:
    """What an undisturbed run of these DAGs came to, and how many seconds it took."""

    dags: tuple[str, ...]
    outcome: Outcome
    duration: float


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChaosWorld]:
    folder = tmp_path_factory.mktemp("chaos")
    more: dict[str, Any] = {"options": demo_options(), "env": {"DEMO_TEMPLATES": str(folder)}} if SOAK else {}
    with chaos_world(folder, DAGS, **more) as running:
        yield running


@pytest.fixture(scope="module")
def quiet(world: ChaosWorld) -> Quiet:
    if not SOAK:
        return Quiet(("chaos",), UNDISTURBED, DURATION)
    dags = ("chaos", *add_demo(world.deployment, world.folder))
    world.deployment.airflow.wait_dags(*dags)
    started = time.monotonic()
    outcome = play(world, dags, None)
    return Quiet(dags, outcome, time.monotonic() - started)


def play(world: ChaosWorld, dags: tuple[str, ...], disturbance: Disturbance | None) -> Outcome:
    """Run the DAGs, with a crash in it."""
    deployment = world.deployment
    runs = {dag: deployment.airflow.trigger(dag) for dag in dags}
    if disturbance is not None:
        pause(disturbance.after)
        world.kill(disturbance.victim)
        pause(disturbance.down)
        world.start(disturbance.victim)
    for dag, run in runs.items():
        deployment.airflow.wait_run(dag, run, timeout=600)
    deployment.watch.wait_gone()
    return read_outcome(deployment, runs)


def pause(seconds: float) -> None:
    over = time.monotonic() + seconds
    wait_until("the moment", lambda: time.monotonic() >= over, seconds + PATIENCE, pause=0.05)


def secrets(world: ChaosWorld) -> set[str]:
    """Names of the workload Secrets there are."""
    deployment = world.deployment
    ours = {"namespace": deployment.namespace, "label_selector": "airflow-deployment"}
    return {secret.metadata.name for secret in deployment.cluster.core.list_namespaced_secret(**ours).items}


@pytest.mark.skipif(not SOAK, reason="part of the long version: SOAK=1")
@pytest.mark.timeout(900)
def test_the_undisturbed_run_is_what_the_short_version_compares_with(quiet: Quiet) -> None:
    tasks = {task: outcome for task, outcome in quiet.outcome.tasks.items() if task[0] == "chaos"}

    assert Outcome({"chaos": quiet.outcome.runs["chaos"]}, tasks) == UNDISTURBED


@pytest.mark.timeout(1500)
@pytest.mark.parametrize("seed", seeds())
def test_a_crash_changes_no_result(world: ChaosWorld, quiet: Quiet, seed: int) -> None:
    disturbance, earlier = Disturbance.of_seed(seed, quiet.duration), secrets(world)
    outcome = play(world, quiet.dags, disturbance)

    found = differences(quiet.outcome, outcome, lost_node=disturbance.victim == "node")
    assert found == [], f"{disturbance}"
    if (
        disturbance.victim != "scheduler"
    ):  # one that dies between a Secret and its pods leaves it to the next one's sweep
        wait_until("no Secret left", lambda: secrets(world) <= earlier, PATIENCE)
    assert world.deployment.watch.gaps == 0
