"""What an agent makes of pods that an earlier life of it has started."""

from __future__ import annotations

from typing import Any

import pytest

from executor.localcluster.node.pod_status import PodFacts, pod_phase
from executor.localcluster.node.restore import LOST, ended_records, records_before, restarted_records, was_running
from executor.localcluster.node.state import Running, Terminated, Waiting

NOW = "2026-01-01T00:00:10Z"
SIDECAR = {"name": "side", "image": "i", "restartPolicy": "Always"}
RUNS = {"running": {"startedAt": NOW}}


def ended(code: int) -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "reason": "Error" if code else "Completed", "finishedAt": NOW}}


def status(name: str, state: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": name, "state": state, "restartCount": 0, **more}


def pod(*statuses: dict[str, Any], initial: tuple[dict[str, Any], ...] = (), **spec: Any) -> dict[str, Any]:
    containers = [{"name": one["name"], "image": "i"} for one in statuses]
    full = {"restartPolicy": "Never", "containers": containers, **spec}
    return {"spec": full, "status": {"containerStatuses": list(statuses), "initContainerStatuses": list(initial)}}


def phase_at_the_end(found: dict[str, Any]) -> str:
    records = ended_records(records_before(found), NOW)
    return pod_phase(records, PodFacts("Never", NOW, NOW, True, stopping=True))


def test_a_pod_that_never_ran_is_begun_as_ever() -> None:
    assert not was_running(records_before({"spec": pod(status("a", {}))["spec"]}))
    waiting = {"waiting": {"reason": "ContainerCreating"}}
    assert not was_running(records_before(pod(status("a", waiting))))
    assert was_running(records_before(pod(status("a", RUNS))))
    assert was_running(records_before(pod(status("a", waiting, lastState=ended(1), restartCount=1))))


@pytest.mark.parametrize(
    ("found", "phase"),
    [
        (pod(status("a", RUNS)), "Failed"),
        (pod(status("a", ended(0))), "Succeeded"),
        (pod(status("a", ended(0)), status("b", RUNS)), "Failed"),
        (pod(status("a", ended(0)), initial=(status("side", RUNS),), initContainers=[SIDECAR]), "Succeeded"),
        (
            pod(status("a", {}), initial=(status("i", RUNS),), initContainers=[{"name": "i", "image": "i"}]),
            "Failed",
        ),
    ],
)
def test_the_end_of_a_pod_that_does_not_start_again(found: dict[str, Any], phase: str) -> None:
    assert phase_at_the_end(found) == phase


def test_a_container_that_ran_is_not_located() -> None:
    record = ended_records(records_before(pod(status("a", RUNS, containerID="c", restartCount=2))), NOW)[0]
    assert isinstance(record.state, Terminated)
    assert (record.state.exit_code, record.state.reason) == (137, "ContainerStatusUnknown")
    assert (record.container_id, record.restart_count) == ("c", 2)


def test_what_starts_again() -> None:
    statuses = (
        status("ran", RUNS, restartCount=1),
        status("failed", ended(3)),
        status("done", ended(0)),
        status("waits", {"waiting": {"reason": "CrashLoopBackOff"}}, lastState=ended(4), restartCount=6),
    )
    found = pod(*statuses, restartPolicy="OnFailure")
    ran, failed, done, waits = restarted_records(found, records_before(found), NOW)
    assert isinstance(ran.state, Waiting)
    assert ran.last_state is not None
    assert (ran.last_state.exit_code, ran.last_state.message, ran.restart_count) == (137, LOST, 2)
    assert (failed.restart_count, failed.last_state and failed.last_state.exit_code) == (1, 3)
    assert (done.exit_code, done.restart_count) == (0, 0)
    assert (waits.restart_count, waits.last_state and waits.last_state.exit_code) == (6, 4)


def test_everything_starts_again_where_it_always_does() -> None:
    found = pod(status("done", ended(0)), restartPolicy="Always")
    (done,) = restarted_records(found, records_before(found), NOW)
    assert isinstance(done.state, Waiting)
    assert done.restart_count == 1


def test_states_are_read_as_they_were_written() -> None:
    found = pod(status("a", RUNS, lastState=ended(9)))
    (record,) = records_before(found)
    assert record.state == Running(NOW)
    assert record.last_state == Terminated(9, "Error", "", NOW)
