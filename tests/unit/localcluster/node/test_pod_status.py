"""The pod status computed from container records, as the kubelet computes it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from executor.localcluster.node.pod_status import PodFacts, located, pod_phase, pod_status, with_transition_times
from executor.localcluster.node.restore import first_records
from executor.localcluster.node.state import ContainerRecord, Running, State, Terminated, Waiting

NOW = "2026-01-01T00:00:10Z"
FACTS = PodFacts("Never", "2026-01-01T00:00:00Z", NOW, True)
WAITS, RUNS = Waiting("ContainerCreating"), Running(NOW)


def ended(code: int) -> Terminated:
    return Terminated(code, "Completed" if code == 0 else "Error", NOW, NOW)


def records(*states: State, init: State | None = None, sidecar: State | None = None) -> list[ContainerRecord]:
    out = [record("init", "init", init)] if init else []
    out += [record("side", "sidecar", sidecar)] if sidecar else []
    return out + [record(f"c{n}", "main", state) for n, state in enumerate(states)]


def record(name: str, role: str, state: State) -> ContainerRecord:
    """A container without probes: one that runs has started and is ready."""
    well = isinstance(state, Running)
    return ContainerRecord(name, "i", role, state, started=well, ready=well)


@pytest.mark.parametrize(
    ("containers", "policy", "phase"),
    [
        (records(WAITS), "Never", "Pending"),
        (records(WAITS, init=RUNS), "Never", "Pending"),
        (records(WAITS, sidecar=RUNS), "Never", "Pending"),
        (records(RUNS, WAITS), "Never", "Running"),
        (records(RUNS, ended(0)), "Never", "Running"),
        (records(ended(0), ended(0)), "Never", "Succeeded"),
        (records(ended(0), ended(1)), "Never", "Failed"),
        (records(ended(0), sidecar=RUNS), "Never", "Running"),
        (records(ended(0), sidecar=ended(137)), "Never", "Succeeded"),
        (records(WAITS, init=ended(1)), "Never", "Failed"),
        (records(WAITS, init=ended(1)), "OnFailure", "Pending"),
        (records(ended(0)), "OnFailure", "Succeeded"),
        (records(ended(1)), "OnFailure", "Running"),
        (records(ended(0)), "Always", "Running"),
    ],
)
def test_phase(containers: list[ContainerRecord], policy: str, phase: str) -> None:
    assert pod_phase(containers, replace(FACTS, restart_policy=policy)) == phase


def test_crash_loop_is_running() -> None:
    looping = replace(records(Waiting("CrashLoopBackOff"))[0], last_state=ended(1))
    assert pod_phase([looping], replace(FACTS, restart_policy="Always")) == "Running"


def test_a_stopped_pod_ends_whatever_its_restart_policy() -> None:
    stopping = replace(FACTS, restart_policy="Always", stopping=True)
    assert pod_phase(records(ended(0)), stopping) == "Succeeded"
    assert pod_phase(records(ended(143)), stopping) == "Failed"


def test_containers_that_never_ran_count_as_failed_at_the_end() -> None:
    gone = located(records(WAITS), NOW)
    assert gone[0].exit_code == 137
    assert pod_phase(gone, replace(FACTS, stopping=True)) == "Failed"
    state = pod_status(gone, FACTS, [])["containerStatuses"][0]["state"]["terminated"]
    assert state["reason"] == "ContainerStatusUnknown"


def test_verdict_of_the_kubelet() -> None:
    late = replace(FACTS, verdict=("DeadlineExceeded", "too long"), stopping=True)
    assert pod_status(records(RUNS), late, [])["reason"] is None
    status = pod_status(records(ended(137)), late, [])
    assert (status["phase"], status["reason"], status["message"]) == ("Failed", "DeadlineExceeded", "too long")


def conditions(containers: list[ContainerRecord], facts: PodFacts = FACTS) -> dict[str, tuple[str, str | None]]:
    status = pod_status(containers, facts, [])
    return {one["type"]: (one["status"], one.get("reason")) for one in status["conditions"]}


def test_conditions_of_a_running_pod() -> None:
    assert set(conditions(records(RUNS, init=ended(0))).values()) == {("True", None)}


def test_conditions_of_a_waiting_pod() -> None:
    found = conditions(records(WAITS, init=RUNS))
    assert found["Initialized"] == ("False", "ContainersNotInitialized")
    assert found["Ready"] == ("False", "ContainersNotReady")


@pytest.mark.parametrize(("code", "reason"), [(0, "PodCompleted"), (1, "PodFailed")])
def test_conditions_of_a_finished_pod(code: int, reason: str) -> None:
    found = conditions(records(ended(code)))
    assert found["Ready"] == found["ContainersReady"] == ("False", reason)
    assert found["PodReadyToStartContainers"][0] == "False"


def test_transition_time_changes_with_the_status_only() -> None:
    old = [{"type": "Ready", "status": "True", "lastTransitionTime": "then"}]
    same = with_transition_times([{"type": "Ready", "status": "True"}], old, NOW)
    assert same[0]["lastTransitionTime"] == "then"
    other = with_transition_times([{"type": "Ready", "status": "False"}], old, NOW)
    assert other[0]["lastTransitionTime"] == NOW


def test_first_records() -> None:
    sidecar = {"name": "s", "image": "i", "restartPolicy": "Always"}
    spec = {"initContainers": [{"name": "i", "image": "i"}, sidecar], "containers": [{"name": "b", "image": "i"}]}
    found = first_records({"spec": spec})
    assert [record.role for record in found] == ["init", "sidecar", "main"]
    assert {record.state for record in found} == {Waiting("PodInitializing")}
    assert first_records({"spec": {"containers": spec["containers"]}})[0].state == Waiting("ContainerCreating")
