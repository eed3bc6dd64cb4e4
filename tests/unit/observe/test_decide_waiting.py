"""The failure table's other half: pods that do not start, launches that were not posted, callbacks."""

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
    decide,
)
from executor.observe.pod_view import PodView
from tests.unit.observe.pods import (
    CALLBACK,
    JOB,
    POLICY,
    RUNNING,
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
    failed(decided(found, row("queued"), now=NOW + 61), 'secret "s" not found', "Gave up after 61 s", "ConfigMaps")


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
    assert decided(found, now=NOW + 0.76 * life) == ReadRow()
    assert decided(found, row("running"), now=NOW + 0.76 * life) == Keep(), "a node took it after all"
    decision = decided(found, row("queued"), now=NOW + 0.76 * life, relaunches=99)
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
