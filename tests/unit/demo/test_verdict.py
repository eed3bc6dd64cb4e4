"""The demo's verdict: what must not pass for a success."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from executor.demo.board import Board, LaunchLine
from executor.demo.database import EventLog, TaskRow
from executor.demo.expected import EXPECTED, Expected
from executor.demo.pods import SeenPod
from executor.demo.verdict import judge

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
WANTED = (
    Expected("d", "good"),
    Expected("d", "bad", state="failed", says="exit code 3"),
    Expected("d", "sensor", launches=2),
)


def a_row(task: str, launch: str, state: str = "success", **other: Any) -> TaskRow:
    values: dict[str, Any] = {
        **{"id": task, "dag_id": "d", "task_id": task, "run_id": "r", "map_index": -1, "state": state},
        **{"try_number": 1, "max_tries": 0, "external_executor_id": launch, "hostname": "h", "queued_by_job_id": 1},
        **{"queued_at": NOON, "started_at": None, "ended_at": None, "executor": None, "queue": "default"},
    }
    return TaskRow(**{**values, **other})


def a_pod(task: str, launch: str, uid: str = "", **other: Any) -> SeenPod:
    annotations = {"dag_id": "d", "task_id": task, "try_number": "1"}
    document = {"metadata": {"labels": {"airflow-launch": launch}, "annotations": annotations}}
    pod = SeenPod(uid or launch, f"pod-{launch}", "default", document, document, NOON, NOON, NOON, NOON)
    return replace(pod, **other)


def an_event(task: str, event: str, extra: str, number: int = 1) -> EventLog:
    return EventLog(number, event, "d", task, "r", -1, 1, extra, NOON)


ROWS = [a_row("good", "1"), a_row("bad", "2", "failed"), a_row("sensor", "4")]
PODS = [a_pod("good", "1"), a_pod("bad", "2"), a_pod("sensor", "3"), a_pod("sensor", "4")]
EVENTS = [an_event("bad", "pod failed", "container base ended with exit code 3"), an_event("bad", "failed", "{}", 2)]


def lines_of(rows: list[TaskRow], pods: list[SeenPod]) -> list[LaunchLine]:
    board = Board()
    board.update(rows, pods)
    return board.lines


def problems(
    rows: list[TaskRow] = ROWS, pods: list[SeenPod] = PODS, events: list[EventLog] = EVENTS, gaps: int = 0
) -> tuple[str, ...]:
    return judge(WANTED, rows, lines_of(rows, pods), events, gaps).problems


def test_all_as_it_should_be_is_a_success_with_its_sentence() -> None:
    verdict = judge(WANTED, ROWS, lines_of(ROWS, PODS), EVENTS)
    assert verdict.problems == ()
    assert (verdict.launches, verdict.pods) == (4, 4)
    assert [failure.sentence for failure in verdict.failures] == ["container base ended with exit code 3"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"rows": [*ROWS[1:], a_row("good", "1", "failed")]}, "d.good is failed in try 1, not success in try 1"),
        ({"rows": [*ROWS[1:], a_row("good", "1", try_number=2)]}, "d.good is success in try 2, not success in try 1"),
        ({"rows": ROWS[:2]}, "d.sensor is missing in try 0"),
        ({"pods": [*PODS, a_pod("good", "1", uid="second")]}, "launch 1 of d.good had 2 pods, not one"),
        ({"pods": [*PODS[1:]]}, "launch 1 of d.good had 0 pods, not one: none"),
        ({"pods": [PODS[0], PODS[1], PODS[3]]}, "d.sensor had 1 launches, not 2"),
        ({"pods": [*PODS[1:], a_pod("good", "1", deleted_at=None)]}, "pod pod-1 of d.good is still there"),
        ({"events": []}, "the event log of d.bad does not say 'exit code 3': it is empty"),
        ({"events": [an_event("bad", "failed", "exit code 3")]}, "the event log of d.bad does not say"),
        ({"gaps": 1}, "the watch was cut 1 times"),
    ],
)
def test_each_thing_amiss_is_named(change: dict[str, Any], problem: str) -> None:
    assert any(problem in found for found in problems(**change)), problems(**change)


def test_the_executors_sentence_is_preferred_to_airflows_wrapping_of_it() -> None:
    events = [*EVENTS, an_event("bad", "state mismatch", "Executor reported ... exit code 3", 9)]
    assert judge(WANTED, ROWS, lines_of(ROWS, PODS), events).failures[0].sentence == EVENTS[0].extra


def test_airflows_wrapping_is_taken_off() -> None:
    events = [
        an_event("bad", "state mismatch", "Executor K reported ... failed. Extra info: it ended with exit code 3.")
    ]
    verdict = judge(WANTED, ROWS, lines_of(ROWS, PODS), events)
    assert (verdict.problems, verdict.failures[0].sentence) == ((), "it ended with exit code 3.")


def test_the_board_remembers_the_first_launch_of_a_deferred_task() -> None:
    board = Board()
    board.update([a_row("sensor", "3", "deferred")], [a_pod("sensor", "3")])
    changed = board.update([a_row("sensor", "4", "running", queued_at=NOON + timedelta(seconds=9))], PODS[2:])
    assert [(line.launch, line.state) for line in board.lines] == [("3", "deferred"), ("4", "running")]
    assert [line.launch for line in changed] == ["4"]


def test_a_row_that_waits_for_its_next_launch_does_not_make_the_last_one_look_scheduled() -> None:
    board = Board()
    board.update([a_row("sensor", "3", "deferred")], [])
    assert board.update([a_row("sensor", "3", "scheduled")], []) == []


def test_stages_follow_the_pod() -> None:
    fresh = a_pod("good", "1", running_at=None, finished_at=None, deleted_at=None)
    stages = []
    for pod in (fresh, replace(fresh, running_at=NOON), replace(fresh, finished_at=NOON), a_pod("good", "1")):
        board = Board()
        board.update([], [pod])
        stages.append(board.lines[0].stage)
    assert stages == ["launched", "running", "finished", "deleted"]


def test_the_expectations_fit_two_cores() -> None:
    assert sum(len(one.map_indexes) * one.launches for one in EXPECTED) <= 20
