"""A task whose pod is evicted, preempted, drained or deleted while it runs gets its try back."""

from __future__ import annotations

import pytest

from executor.model import Outcome
from executor.observe.decide import NOT_READ, GiveBack, ReadRow, Relaunch, Report, Settle, decide
from executor.observe.pod_view import PodView
from tests.unit.observe.pods import POLICY, disrupted, ended, facts, pod, row

ENDS = {"killed": ended(137), "failed": ended(1), "clean": ended(0)}
CAUSES = {"evicted": {"conditions": disrupted()}, "deleted": {"deleting": True}}


def ask(found: PodView, of: object, **about: object) -> object:
    return decide(facts(**{"reread": True, **about}), found, True, of, 100.0, POLICY)  # type: ignore[arg-type]


@pytest.mark.parametrize("cause", CAUSES)
@pytest.mark.parametrize("end", ENDS)
def test_a_silent_worker_gets_its_try_back_then_fails(cause: str, end: str):
    found = pod(ENDS[end], **CAUSES[cause])
    assert ask(found, NOT_READ) == ReadRow()
    decision = ask(found, row("running"))
    assert isinstance(decision, GiveBack)
    assert not decision.reported
    after = ask(found, row("running"), given_back="Its try is given back.")
    assert isinstance(after, Report)
    assert after.outcome is Outcome.FAILED
    assert "given back" in after.sentence


@pytest.mark.parametrize("cause", CAUSES)
@pytest.mark.parametrize("end", ENDS)
def test_a_worker_that_reported_by_itself_gets_its_try_back_too(cause: str, end: str):
    found = pod(ENDS[end], **CAUSES[cause])
    renamed = row("up_for_retry", ti_id="a-new-id")
    assert ask(found, renamed) == GiveBack(ask(found, renamed).sentence, reported=True)  # type: ignore[attr-defined]
    assert isinstance(ask(found, renamed, given_back="Done."), Settle)


@pytest.mark.parametrize("other", [row("up_for_retry", try_number=3), row("up_for_retry", external_executor_id="x")])
def test_a_retry_of_another_launch_or_try_is_none_of_ours(other: object):
    assert isinstance(ask(pod(ENDS["failed"], deleting=True), other), Settle)


def test_a_final_failure_that_the_worker_reported_stays():
    assert isinstance(ask(pod(ENDS["failed"], deleting=True), row("failed")), Settle)


def test_before_the_start_it_costs_nothing_at_all():
    assert isinstance(ask(pod(ENDS["killed"], **CAUSES["evicted"]), row("queued")), Relaunch)


@pytest.mark.parametrize("state", ["running", "up_for_retry"])
def test_whoever_tidies_up_after_the_end_disrupts_nothing(state: str):
    """The pod ended at second 42; it was deleted at 50 (deletionTimestamp 80, grace 30)."""
    found = pod(ended(1), deletion=("2026-01-01T00:01:20Z", 30))
    assert not isinstance(ask(found, row(state)), GiveBack)


def test_what_asked_for_its_deletion_a_moment_before_its_end_disrupted_it():
    found = pod(ended(1), deletion=("2026-01-01T00:01:11Z", 30))
    assert isinstance(ask(found, row("running")), GiveBack)
