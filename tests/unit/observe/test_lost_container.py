"""A container that its node cannot find any more: after a reboot, or when the runtime has lost it.

The kubelet makes up exit code 137 and gives no times (`TerminatePod` in pkg/kubelet/status/status_manager.go).
"""

from __future__ import annotations

import msgspec
import pytest

from executor.observe.decide import GiveBack, Relaunch, decide
from executor.observe.diagnosis import PodClass, diagnose
from executor.observe.pod_view import PodView
from tests.unit.observe.pods import NODE, POLICY, ended, facts, pod, row

MESSAGE = "The container could not be located when the pod was terminated"
LOST = ended(137, "ContainerStatusUnknown", message=MESSAGE, startedAt=None, finishedAt=None)
DEADLINE = "DeadlineExceeded"


def with_deadline(found: PodView, seconds: int) -> PodView:
    return msgspec.structs.replace(found, spec=msgspec.structs.replace(found.spec, active_deadline_seconds=seconds))


def test_it_is_a_disruption_and_no_end_of_the_task():
    found = diagnose(pod(LOST, phase="Failed"), present=True, deleted_by_us=False)

    assert (found.disrupted, found.sentence) == (
        True,
        f"Pod ns/pod-1 on node {NODE} lost its container, as happens when a node restarts "
        f"(ContainerStatusUnknown: {MESSAGE}).",
    )


@pytest.mark.parametrize(("state", "answer"), [("running", GiveBack), ("queued", Relaunch)])
def test_it_costs_no_retry(state: str, answer: type):
    lost = pod(LOST, phase="Failed")

    assert isinstance(decide(facts(), lost, True, row(state), 200.0, POLICY), answer)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (pod(LOST, phase="Failed", reason="Evicted", message="low on memory"), "was evicted by its node"),
        (pod(LOST, phase="Failed", deleting=True), "was deleted by somebody else"),
    ],
)
def test_what_took_it_away_is_told_where_that_is_known(found: PodView, words: str):
    told = diagnose(found, present=True, deleted_by_us=False)

    assert told.disrupted
    assert words in told.sentence
    assert told.sentence.endswith("Then container base was not found any more (ContainerStatusUnknown).")


def test_a_pod_whose_deadline_passed_before_its_image_came_was_not_disrupted():
    """Once its init containers are through, what has not ended yet counts as lost when the pod is stopped."""
    found = with_deadline(pod(LOST, phase="Failed", reason=DEADLINE), 30)

    told = diagnose(found, present=True, deleted_by_us=False)

    assert (told.cls, told.disrupted) == (PodClass.ERROR, False)
    assert "activeDeadlineSeconds of 30 had passed" in told.sentence


def test_nor_is_one_that_we_have_deleted():
    assert not diagnose(pod(LOST, deleting=True), present=True, deleted_by_us=True).disrupted
