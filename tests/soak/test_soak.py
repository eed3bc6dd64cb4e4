"""Thousands of launches through every fault: none lost, none run twice, none ended wrongly, nothing left over.

And the soak is worth something: with one of the executor's protections switched off it fails, in the way it has to. The
four runs for that go on side by side, each with a cluster and a database of its own, 100 launches through the same
faults. SOAK=1 makes the 1,000 launches 10,000.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from executor.demo.cluster import LocalCluster
from tests.airflow.postgres import PostgresServer
from tests.soak.executor import CONFIRMATION, PREDICATE, RECONCILIATION, SWITCHES, TWINS
from tests.soak.kinds import kinds_of
from tests.soak.run import Plan, Soak
from tests.soak.verdict import Verdict
from tests.soak.weather import Climate

LONG = bool(os.environ.get("SOAK"))
LAUNCHES = 10_000 if LONG else 1_000
LAUNCHES_WITHOUT = 100
GIVE_UP = 15.0  # seconds: what has not moved by then never will
STAYS = 12.0  # seconds: what is there then has stayed

pytestmark = pytest.mark.timeout(3600 if LONG else 1200)


def test_a_soak_loses_nothing(soak: Callable[[Plan], Soak]) -> None:
    run = soak(Plan(kinds_of(LAUNCHES)))
    verdict = run.run()
    print(f"\n{verdict}\n{run}")

    assert verdict.good, str(verdict)


def plan(without: str) -> Plan:
    """Lost answers are three times as many: a hundred launches meet too few of them otherwise."""
    return Plan(
        kinds_of(LAUNCHES_WITHOUT),
        climate=Climate(answers=0.15),
        kill_every=0,
        without=without,
        schedulers=("only",),
        patience=GIVE_UP,
        collection=STAYS,
    )


@pytest.fixture(scope="module")
def verdicts(server: PostgresServer, seeded: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Verdict]:
    with ExitStack() as stack:
        soaks = {}
        for switch in SWITCHES:
            folder = tmp_path_factory.mktemp(switch)
            cluster = stack.enter_context(LocalCluster(folder / "cluster", "--no-nodes", "--plain-http"))
            soaks[switch] = Soak(plan(switch), folder, cluster, server.copy_of(seeded), "soak")
        found = run_all(soaks)
    for switch, verdict in found.items():
        print(f"\nwithout {switch}: {verdict}")
    return found


def run_all(soaks: dict[str, Soak]) -> dict[str, Verdict]:
    with ThreadPoolExecutor(len(soaks)) as threads:
        return dict(zip(soaks, threads.map(Soak.run, soaks.values()), strict=True))


def told(verdict: Verdict, fault: str) -> str:
    return "\n".join(verdict.faults[fault])


def test_without_409_as_success_a_lost_answer_fails_a_task(verdicts: dict[str, Verdict]) -> None:
    """The pod was created all the same, its task runs, and it is refused because its name is taken."""
    assert verdicts[TWINS].faults["healthy and failed"]


def test_without_reconciliation_pods_of_tasks_that_were_taken_away_stay(verdicts: dict[str, Verdict]) -> None:
    """Nobody tells the executor that a task was cleared or marked while its pod was waiting."""
    assert "pods" in told(verdicts[RECONCILIATION], "left over")
    assert "slots" in told(verdicts[RECONCILIATION], "left over")


def test_without_the_rows_predicate_a_late_end_hits_the_next_launch(verdicts: dict[str, Verdict]) -> None:
    """The end of the first pod of a task that was deferred or rescheduled fails it when it has been resumed."""
    hit = told(verdicts[PREDICATE], "wrong final state") + told(verdicts[PREDICATE], "run twice")
    assert "defers" in hit or "is_a_sensor" in hit


def test_without_repetition_an_event_about_a_locked_row_is_lost(verdicts: dict[str, Verdict]) -> None:
    """Airflow skips a locked row, and the event that it was skipped for is gone."""
    assert "dies_while_locked" in told(verdicts[CONFIRMATION], "lost")
