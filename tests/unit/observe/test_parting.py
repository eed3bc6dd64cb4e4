"""Which living pods can be deleted without hitting a task that a later launch waits for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from executor.identity import LAUNCH_LABEL, Identity, may_be_pod_of, pod_name
from executor.model import Row
from executor.observe.elsewhere import speakers
from executor.observe.ownership import runs_in, worker_name
from executor.observe.parting import STARTING_UP, Parting, part
from executor.observe.pod_view import PodView
from tests.unit.observe.pods import CALLBACK, LAUNCH, RUNNING, ended, pod, row, waiting

STARTED = datetime(2026, 1, 1, tzinfo=UTC)
SOON, LATE = STARTED + STARTING_UP / 2, STARTED + STARTING_UP
NEXT = {"external_executor_id": "launch-2"}
HERE, ELSEWHERE = row("running", **NEXT), row("running", hostname="pod-2", **NEXT)


def parted(found: PodView, of: Row | None, now: datetime = SOON, *, doomed: bool = False) -> Parting:
    return part(LAUNCH, found, of, now, doomed=doomed)


@pytest.mark.parametrize("of", [None, ELSEWHERE, row("success"), row("failed"), row(None), row("deferred", **NEXT)])
def test_a_worker_that_would_be_turned_away_can_go(of: Row | None):
    assert parted(pod(RUNNING), of) is Parting.DELETE


@pytest.mark.parametrize("doomed", [False, True])
@pytest.mark.parametrize("now", [SOON, LATE, LATE + timedelta(days=1)])
def test_who_runs_the_task_of_a_later_launch_stays(now: datetime, doomed: bool):
    for found in (pod(RUNNING), pod(None, phase="Pending")):
        assert parted(found, HERE, now, doomed=doomed) is Parting.STAY


def test_who_runs_the_task_of_its_own_launch_goes_only_if_that_was_given_up():
    assert parted(pod(RUNNING), row("running"), doomed=True) is Parting.DELETE
    assert parted(pod(RUNNING), row("running")) is Parting.STAY


@pytest.mark.parametrize("state", ["queued", "scheduled", "up_for_retry"])
def test_who_has_just_started_may_be_let_in(state: str):
    of = row(state, **NEXT)
    assert parted(pod(RUNNING), of) is Parting.WAIT
    assert parted(pod(RUNNING), of, doomed=True) is Parting.WAIT
    assert parted(pod(RUNNING), of, LATE) is Parting.DELETE, "it hangs"
    assert parted(pod(RUNNING, deleting=True), of) is Parting.DELETE, "it ends anyway"
    assert parted(pod(RUNNING), row(state, ti_id="ti-2", **NEXT)) is Parting.DELETE, "its id is nobody's any more"
    for found in (pod(None, phase="Pending"), pod(waiting("ContainerCreating"))):
        assert parted(found, of) is Parting.DELETE, "there is no worker that could ask"


def test_what_has_ended_meanwhile_may_be_kept_or_followed_again():
    for of in (None, HERE, ELSEWHERE, row("queued", **NEXT)):
        assert parted(pod(ended(1), phase="Failed"), of) is Parting.STAY
        assert parted(pod(ended(0), phase="Succeeded"), of, doomed=True) is Parting.STAY


def test_a_callbacks_pod_is_let_in_by_nobody():
    of = Row("launch-1", "queued")
    assert part(CALLBACK, pod(RUNNING), of, SOON, doomed=False) is Parting.DELETE


def test_a_row_names_its_worker_with_or_without_a_domain():
    names = frozenset({"pod-1", "node-9"})
    for name in ("pod-1", "pod-1.workers.ns.svc.cluster.local", "node-9"):
        assert runs_in(row("running", hostname=name), names)
    for other in (row("running", hostname="pod-2"), row("running", hostname=""), row("queued", hostname="pod-1"), None):
        assert not runs_in(other, names)
    assert worker_name(row("running", hostname=None)) == ""


def test_the_log_of_a_task_is_that_of_the_pod_that_runs_it():
    """Then those of its launch, the newest first; never that of another launch, which ended long ago."""
    own, other = {LAUNCH_LABEL: LAUNCH.id}, {LAUNCH_LABEL: "launch-0"}
    times = ("2026-01-01T00:00:01Z", "2026-01-01T00:00:02Z", "2026-01-01T00:00:03Z")
    earlier, first, second = (
        pod(RUNNING, name=f"pod-{number}", labels=labels, created=created)
        for number, labels, created in zip((1, 2, 3), (other, own, own), times, strict=True)
    )
    pods = [earlier, first, second]
    assert speakers(row("running", hostname="pod-1"), pods) == [earlier, second, first]
    assert speakers(row("running", hostname="pod-2"), pods) == [first, second]
    assert speakers(row("running", hostname="10.0.0.1"), pods) == [second, first]


def test_the_names_of_a_tasks_pods_are_told_from_others():
    identity = Identity("launch", 1, "ti", "My DAG", "load[x]" * 20, "run", 1, -1, "d", "7", "3.3.2")
    name = pod_name(identity)
    assert may_be_pod_of(name, identity.dag_id, identity.task_id)
    assert not may_be_pod_of(name, identity.dag_id, "load")
    assert not may_be_pod_of(name[:-1], identity.dag_id, identity.task_id)
    assert not may_be_pod_of("", identity.dag_id, identity.task_id)
