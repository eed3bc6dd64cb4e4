"""The failure table, row by row: what is decided, and which facts the sentence holds."""

from __future__ import annotations

from typing import Any

import pytest

from executor.model import Outcome
from executor.observe.decide import (
    NOT_READ,
    Decision,
    Keep,
    Progress,
    ReadRow,
    Relaunch,
    Report,
    Settle,
    Switch,
    decide,
)
from executor.observe.pod_view import PodView
from tests.unit.observe.pods import (
    CALLBACK,
    JOB,
    NODE,
    POLICY,
    RUNNING,
    disrupted,
    ended,
    facts,
    pod,
    row,
    unscheduled,
    waiting,
)

NOW = 100.0


def decided(
    found: PodView | None, of: Any = NOT_READ, present: bool = True, now: float = NOW, **about: Any
) -> Decision:
    policy = about.pop("policy", POLICY)
    return decide(facts(**about), found, present, of, now, policy)


def failed(decision: Decision, *words: str) -> None:
    assert isinstance(decision, Report)
    assert decision.outcome is Outcome.FAILED
    assert [word for word in words if word not in decision.sentence] == []


# -- superseded

OTHERS = {
    "gone": None,
    "another launch": row("running", external_executor_id="launch-2"),
    "another try": row("running", try_number=3),
    "another row": row("running", ti_id="ti-2"),
    "cleared": row(None),
    **{
        state: row(state) for state in ("success", "failed", "up_for_retry", "deferred", "up_for_reschedule", "removed")
    },
}
PODS = {
    "pending": pod(None, phase="Pending"),
    "running": pod(RUNNING),
    "clean": pod(ended(0)),
    "error": pod(ended(3)),
    "oom": pod(ended(137, "OOMKilled")),
    "evicted": pod(None, phase="Failed", reason="Evicted"),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
@pytest.mark.parametrize("found", PODS.values(), ids=PODS)
@pytest.mark.parametrize("present", [True, False])
def test_a_row_that_is_not_this_launchs_settles_without_an_event(other: Any, found: PodView, present: bool):
    decision = decided(found, other, present)
    assert isinstance(decision, Settle)
    assert decision.delete


def test_the_pod_of_another_schedulers_launch_is_left_alone():
    decision = decided(pod(RUNNING), row("running", queued_by_job_id=JOB + 1))
    assert isinstance(decision, Settle)
    assert not decision.delete


def test_what_is_kept_of_a_superseded_pod():
    assert decided(pod(ended(0)), row("success")) == Settle(
        "its row moved on (state success, try 2)", delete=True, clean=True, failed=False
    )
    decision = decided(pod(ended(3)), row("up_for_retry"))
    assert isinstance(decision, Settle)
    assert (decision.clean, decision.failed) == (False, True)


# -- disrupted before start

BEFORE_START = {
    "vanished": (pod(None, phase="Pending"), False),
    "never seen": (None, False),
    "evicted": (pod(None, phase="Failed", reason="Evicted"), True),
    "preempted": (pod(None, phase="Failed", conditions=disrupted("PreemptionByScheduler")), True),
    "node lost": (pod(None, phase="Failed", reason="NodeLost"), True),
    "node shut down": (pod(None, phase="Failed", reason="NodeShutdown"), True),
    "rejected": (pod(None, phase="Failed", reason="OutOfcpu"), True),
    "drained, SIGTERM": (pod(ended(143), conditions=disrupted()), True),
    "drained, exit 0": (pod(ended(0), conditions=disrupted()), True),
    "deleted, exit 1": (pod(ended(1), deleting=True), False),
    "deleted, started but not reported": (pod(RUNNING, deleting=True), False),
}


@pytest.mark.parametrize(("found", "present"), BEFORE_START.values(), ids=BEFORE_START)
def test_a_disruption_before_start_gets_another_pod(found: PodView | None, present: bool):
    assert decided(found, NOT_READ, present) == ReadRow()
    decision = decided(found, row("queued"), present)
    assert isinstance(decision, Relaunch)
    assert not decision.free


@pytest.mark.parametrize(("found", "present"), BEFORE_START.values(), ids=BEFORE_START)
def test_the_budget_ends(found: PodView | None, present: bool):
    decision = decided(found, row("queued"), present, relaunches=POLICY.launch_retries)
    failed(decision, "pod 4 of this launch", "pod_launch_failure_retries = 3")


def test_a_pod_that_is_being_deleted_is_waited_for_and_not_for_ever():
    found = pod(waiting("ContainerCreating"), phase="Pending", deleting=True)
    decision = decided(found, now=NOW + 10)
    assert isinstance(decision, Keep)
    assert decision.again_in == pytest.approx(20)
    assert decided(found, now=NOW + 31) == ReadRow()
    assert isinstance(decided(found, row("queued"), now=NOW + 31), Relaunch)
    assert isinstance(decided(found, row("running"), now=NOW + 31), Keep)


# -- ended before start


def test_an_end_before_start_for_an_unusual_reason_gets_another_pod():
    assert isinstance(decided(pod(ended(1, "ContainerStatusUnknown")), row("queued")), Relaunch)


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (ended(1), ["exit code 1", NODE]),
        (ended(137, "OOMKilled"), ["OOMKilled"]),
        (ended(128, "StartError", message="no python"), ["no python"]),
    ],
)
def test_an_end_before_start_that_would_come_again_fails(end: dict[str, Any], words: list[str]):
    failed(decided(pod(end), row("queued")), *words)


def test_an_init_container_that_fails_is_excluded_like_base():
    inits = [{"name": "migrate", "state": ended(2)}]
    failed(decided(pod(None, phase="Failed", inits=inits), row("queued")), "init container migrate", "exit code 2")


# -- finished


def test_exit_0_is_read_twice_before_it_is_a_failure():
    found = pod(ended(0))
    assert decided(found) == ReadRow()
    for state in ("running", "queued"):
        again = decided(found, row(state))
        assert again == ReadRow(after=POLICY.confirm_interval, again=True)
        failed(decided(found, row(state), reread=True), "ended with 0 without reporting", "not an Airflow worker", NODE)


def test_a_sidecar_that_never_ends_changes_nothing():
    sidecar = {"name": "proxy", "state": RUNNING}
    assert isinstance(decided(pod(ended(0), sidecars=[sidecar]), row("success")), Settle)
    failed(decided(pod(ended(3), sidecars=[sidecar]), row("running")), "exit code 3")


def test_leftovers_that_a_deadline_stopped_change_nothing():
    found = pod(ended(0), phase="Failed", reason="DeadlineExceeded")
    assert isinstance(decided(found, row("success")), Settle)


@pytest.mark.parametrize("end", [ended(0), ended(143), ended(1), ended(137, "OOMKilled")])
def test_a_task_that_was_cleared_while_it_ran_ends_by_success(end: dict[str, Any]):
    decision = decided(pod(end), row("restarting"))
    assert isinstance(decision, Report)
    assert decision.outcome is Outcome.SUCCESS


def test_a_cleared_row_with_a_new_id_is_still_this_launchs():
    assert isinstance(decided(pod(ended(143)), row("restarting", ti_id="ti-2")), Report)


# -- worker errors


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (ended(3), ["container base", "exit code 3", NODE]),
        (ended(139), ["SIGSEGV", "139"]),
        (ended(137, "OOMKilled"), ["OOMKilled", NODE]),
        (ended(1, message="cannot reach the API server"), ["cannot reach the API server"]),
    ],
)
def test_an_end_while_running_fails_with_its_facts(end: dict[str, Any], words: list[str]):
    assert decided(pod(end)) == ReadRow()
    failed(decided(pod(end), row("running")), *words)


def test_a_pod_that_vanished_under_a_running_task():
    failed(decided(pod(RUNNING), row("running"), present=False), "ns/pod-1", "The task was running in it")
    failed(decided(None, row("running"), present=False), "The task was running in it")


def test_a_duplicate_that_was_turned_away_is_dropped():
    decision = decided(pod(ended(1)), row("running", hostname="pod-2"), rivals=True)
    assert isinstance(decision, Settle)
    assert decided(pod(ended(1)), row("running", hostname="pod-2"), rivals=True, sibling=True) == Switch()
    failed(decided(pod(ended(1)), row("running", hostname="pod-2")), "exit code 1")
    failed(decided(pod(ended(1)), row("running", hostname=NODE), rivals=True), "exit code 1")


# -- cannot start, waiting


def test_an_image_name_that_cannot_be_is_final_at_once():
    found = pod(waiting("InvalidImageName", "couldn't parse image"), phase="Pending")
    assert decided(found) == ReadRow()
    failed(decided(found, row("queued")), "InvalidImageName", "couldn't parse image", "container base")


@pytest.mark.parametrize("message", ['"r.io/x:1": not found', "manifest unknown", "pull access denied"])
def test_an_image_that_is_not_there_is_final_at_once(message: str):
    found = pod(waiting("ErrImagePull", message), phase="Pending")
    failed(decided(found, row("queued")), message, "imagePullSecrets")


def test_a_registry_that_is_down_is_waited_for():
    found = pod(waiting("ImagePullBackOff", "503 Service Unavailable"), phase="Pending")
    policy = type(POLICY)(job_id=JOB, timeout_pulling=300.0)
    decision = decided(found, now=NOW + 200, policy=policy)
    assert isinstance(decision, Keep)
    assert decision.fresh
    assert decision.waiting is not None
    assert "503" in decision.waiting.sentence
    assert decision.again_in == pytest.approx(100)
    failed(decided(found, row("queued"), now=NOW + 300, policy=policy), "503", "Gave up after 300 s")
    assert isinstance(decided(found, row("queued"), now=NOW + 10**6), Keep), "0 means never"


def test_a_missing_secret_gets_a_grace_and_a_missing_image_word_in_it_does_not_matter():
    found = pod(waiting("CreateContainerConfigError", 'secret "s" not found'), phase="Pending")
    decision = decided(found, now=NOW + 59)
    assert isinstance(decision, Keep)
    assert decision.again_in == pytest.approx(1)
    failed(decided(found, row("queued"), now=NOW + 61), 'secret "s" not found', "Gave up after 61 s", "config maps")


def test_a_reason_that_is_not_listed_as_fatal_is_waited_for():
    found = pod(waiting("CreateContainerError", "device busy"), phase="Pending")
    assert isinstance(decided(found, row("queued"), now=NOW + 10**6), Keep)


def test_gated_and_unschedulable_pods_wait_and_say_why():
    gated = decided(pod(None, phase="Pending", node="", gates=["kueue"]), now=NOW + 5000)
    assert isinstance(gated, Keep)
    assert gated.fresh
    assert gated.waiting is not None
    assert "kueue" in gated.waiting.sentence
    found = pod(None, phase="Pending", node="", conditions=unscheduled("no room"))
    assert isinstance(decided(found, now=NOW + 5000), Keep)
    policy = type(POLICY)(job_id=JOB, timeout_unschedulable=60.0)
    failed(decided(found, row("queued"), now=NOW + 61, policy=policy), "no room", "pending_timeout_unschedulable")


def test_a_pod_that_no_node_took_is_replaced_before_its_token_expires():
    found = pod(None, phase="Pending", node="", conditions=unscheduled())
    life = POLICY.token_life
    assert isinstance(decided(found, now=NOW + 0.7 * life), Keep)
    decision = decided(found, now=NOW + 0.76 * life, relaunches=99)
    assert isinstance(decision, Relaunch)
    assert decision.free
    pulling = pod(waiting("ImagePullBackOff", "503"), phase="Pending")
    assert isinstance(decided(pulling, now=NOW + 0.76 * life), Keep), "a node has it, and with it the token"


def test_a_running_pod_needs_nothing():
    assert decided(pod(RUNNING)) == Keep()
    assert decided(pod(RUNNING), row("running")) == Keep()


# -- not posted yet, refused


@pytest.mark.parametrize("progress", [Progress.WAITING, Progress.UNSEEN])
def test_before_a_pod_was_seen_the_row_is_kept_fresh(progress: Progress):
    assert decided(None, present=False, progress=progress) == Keep(fresh=True)
    assert decided(None, row("queued"), present=False, progress=progress) == Keep(fresh=True)
    assert isinstance(decided(None, row("failed"), present=False, progress=progress), Settle)


def test_a_refusal_is_handed_over_after_the_row_was_read():
    about = {"progress": Progress.REFUSED, "refusal": "spec.containers[base].imagePullPolcy is unknown"}
    assert decided(None, present=False, **about) == ReadRow()
    failed(decided(None, row("queued"), present=False, **about), "imagePullPolcy")
    assert isinstance(decided(None, None, present=False, **about), Settle)


# -- callbacks


def of_callback(found: PodView | None, of: Any = NOT_READ, present: bool = True, **about: Any) -> Decision:
    return decide(facts(CALLBACK, **about), found, present, of, NOW, POLICY)


def test_a_callback_is_reported_running_once():
    assert of_callback(pod(RUNNING)) == Report(Outcome.STARTED, "")
    assert of_callback(pod(RUNNING), started_reported=True) == Keep()
    assert of_callback(pod(None, phase="Pending")) == Keep()


@pytest.mark.parametrize("state", ["queued", "running"])
def test_a_callbacks_exit_code_is_the_truth(state: str):
    of = row(state, external_executor_id=None, queued_by_job_id=None)
    assert of_callback(pod(ended(0))) == ReadRow()
    decision = of_callback(pod(ended(0)), of)
    assert isinstance(decision, Report)
    assert decision.outcome is Outcome.SUCCESS
    failed(of_callback(pod(ended(1)), of), "exit code 1")
    failed(of_callback(None, of, present=False), "does not exist")
    failed(of_callback(pod(None, phase="Pending"), of, present=False), "deleted by somebody else")


@pytest.mark.parametrize("of", [None, row("success"), row("failed")])
def test_a_callback_that_is_over_settles(of: Any):
    assert isinstance(of_callback(pod(ended(0)), of), Settle)
