"""The failure table, row by row: what is decided, and which facts the sentence holds."""

from __future__ import annotations

from typing import Any

import pytest

from executor.identity import LAUNCH_LABEL
from executor.model import Outcome
from executor.observe.decide import (
    NOT_READ,
    Decision,
    GiveBack,
    Keep,
    Progress,
    ReadRow,
    Relaunch,
    Report,
    Search,
    Settle,
    Switch,
    decide,
)
from executor.observe.pod_view import PodView
from tests.unit.observe.pods import (
    JOB,
    LAUNCH,
    NODE,
    POLICY,
    RUNNING,
    disrupted,
    ended,
    facts,
    pod,
    row,
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
    if (found, other) == (PODS["evicted"], OTHERS["up_for_retry"]):
        pytest.skip("its worker reported the disruption: see below")
    decision = decided(found, other, present)
    assert isinstance(decision, Settle)
    assert decision.delete


def test_the_pod_of_another_schedulers_launch_is_left_alone():
    decision = decided(pod(RUNNING), row("running", queued_by_job_id=JOB + 1))
    assert isinstance(decision, Settle)
    assert not decision.delete


def test_what_is_kept_of_a_superseded_pod():
    assert decided(pod(ended(0)), row("success")) == Settle(
        "its row moved on (state success, try 2)", delete=True, clean=True
    )
    decision = decided(pod(ended(3)), row("up_for_retry"))
    assert isinstance(decision, Settle)
    assert not decision.clean


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


def test_a_pod_without_its_workload_is_replaced_only_while_its_row_is_queued():
    """What is known of the pod may be old."""
    found = pod(waiting("ContainerCreating"), phase="Pending")
    assert decided(found, workload_lost=True) == ReadRow()
    decision = decided(found, row("queued"), workload_lost=True)
    assert isinstance(decision, Relaunch)
    assert decision.free
    assert isinstance(decided(found, row("running"), workload_lost=True), Keep)
    assert isinstance(decided(found, row("queued", queued_by_job_id=JOB + 1), workload_lost=True), Settle)
    assert isinstance(decided(pod(RUNNING), workload_lost=True), Keep)


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
    assert isinstance(decided(pod(ended(1, "Odd")), row("queued")), Relaunch)


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
    """It costs no retry, where that can be done; then the scheduler is told."""
    for found in (pod(RUNNING), None):
        about: dict[str, Any] = {"present": False, "searched": "pod-1"}
        decision = decided(found, row("running"), **about)
        assert decision == GiveBack(decision.sentence, reported=False)
        assert "The task was running in it" in decision.sentence
        failed(decided(found, row("running"), given_back="Given back.", **about), "running in it", "Given back.")


OTHER = "dag-task-0123456789abcdef"  # as a pod of this task is called


def test_a_worker_that_calls_itself_otherwise_is_looked_for_once():
    """The watch may have kept its pod to itself; or `hostname_callable` makes other names."""
    for found in (pod(ended(1)), pod(ended(0)), pod(None, phase="Pending"), None):
        assert decided(found, row("running", hostname="pod-2")) == Search("pod-2")
        assert decided(found, row("running", hostname="pod-2.workers.ns.svc"), searched="pod-3") == Search("pod-2")
    for name in ("pod-2", "10.0.0.1", "dag-other-0123456789abcdef", "dag-task-0123456789"):
        tried = name.split(".", maxsplit=1)[0]
        failed(decided(pod(ended(1)), row("running", hostname=name), searched=tried), "exit code 1")
    failed(decided(pod(ended(1)), row("running", hostname="")), "exit code 1")
    failed(decided(pod(ended(1)), row("queued", hostname="pod-2"), relaunches=9), "exit code 1")


def test_the_pod_that_ran_the_task_and_does_not_exist_is_a_disruption():
    """Not the end of the launch's own pod, whose worker was turned away, or never started."""
    lost = row("running", hostname=OTHER)
    refused = {"progress": Progress.REFUSED, "refusal": "no such field"}
    for found, about in [(pod(ended(1)), {}), (pod(waiting("ErrImagePull")), {}), (None, {}), (None, refused)]:
        assert decided(found, lost, **about) == Search(OTHER)
        decision = decided(found, lost, searched=OTHER, **about)
        assert decision == GiveBack(decision.sentence, reported=False)
        assert OTHER in decision.sentence
        failed(decided(found, lost, searched=OTHER, given_back="Given back.", **about), OTHER, "Given back.")


def test_a_task_that_another_pod_runs_is_followed_there():
    """An earlier launch's, or an earlier attempt's; by its name, or as the only one that there can be."""
    earlier, attempt = pod(RUNNING, name="pod-2"), pod(RUNNING, name="pod-3", labels={LAUNCH_LABEL: LAUNCH.id})
    for own in (pod(ended(1)), pod(waiting("ErrImagePull")), None):
        assert decided(own, row("running", hostname="pod-2"), others=(attempt, earlier)) == Switch("u2")
        assert decided(own, row("running", hostname="pod-2.sub.ns"), others=(earlier,)) == Switch("u2")
        assert decided(own, row("running", hostname="10.0.0.1"), others=(earlier, attempt)) == Switch("u3")
        decision = decided(own, row("running", hostname="10.0.0.1"), others=(earlier,))
        assert isinstance(decision, Keep)
        assert decision.again_in, "nobody else tells of its end"
    assert decided(pod(RUNNING), row("running", hostname="pod-2"), others=(earlier,)) == Keep(), "it ends by itself"
    dead = pod(ended(137, "OOMKilled"), name="pod-4")
    failed(decided(pod(ended(1)), row("running"), others=(earlier,)), "exit code 1")
    for others in ((earlier,), (dead, earlier), (earlier, dead)):  # one name for all on a node: hostNetwork
        for own in (pod(ended(1)), None):
            assert decided(own, row("running", hostname=NODE), others=others) == Switch("u2")
    failed(decided(pod(ended(1)), row("running", hostname=NODE), others=(dead,)), "exit code 1")
    assert decided(pod(ended(1)), row("running", hostname="pod-4"), others=(dead,)) == Switch("u4"), "its end counts"
    failed(decided(pod(ended(1)), row("running", hostname="10.0.0.1"), others=(dead,), searched="10"), "exit code 1")


def test_a_pod_whose_create_was_refused_in_the_end_may_run_its_task():
    refused = {"progress": Progress.REFUSED, "refusal": "no such field"}
    assert decided(pod(RUNNING), **refused) == ReadRow()
    assert decided(pod(RUNNING), row("running"), **refused) == Keep()
    failed(decided(pod(ended(3)), row("running"), **refused), "exit code 3")
    failed(decided(pod(None, phase="Pending"), row("queued"), **refused), "no such field")


@pytest.mark.parametrize("state", ["running", "restarting"])
def test_a_pod_that_seems_unable_to_start_while_its_worker_runs_fails_nothing(state: str):
    """What was seen of it is old."""
    assert decided(pod(waiting("InvalidImageName")), row(state), now=900.0) == Keep()
