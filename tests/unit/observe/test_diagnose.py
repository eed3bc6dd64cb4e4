"""What a pod says about itself: the class, and the facts that its sentence must hold."""

from __future__ import annotations

import pytest

from executor.observe.diagnosis import PodClass, diagnose, hostnames
from executor.observe.pod_view import PodView
from tests.unit.observe.pods import NODE, RUNNING, disrupted, ended, pod, unscheduled, waiting

SIDECAR = {"name": "proxy", "image": "p:1", "state": RUNNING}
CASES: list[tuple[str, PodView, PodClass, list[str]]] = [
    ("clean", pod(ended(0), phase="Succeeded"), PodClass.CLEAN, ["ns/pod-1", NODE, "base ended with 0"]),
    ("clean, sidecar goes on", pod(ended(0), sidecars=[SIDECAR]), PodClass.CLEAN, ["base ended with 0"]),
    ("clean, stopped by a deadline", pod(ended(0), phase="Failed", reason="DeadlineExceeded"), PodClass.CLEAN, []),
    ("exit 3", pod(ended(3), phase="Failed"), PodClass.ERROR, ["exit code 3", "container base", NODE, "after 42 s"]),
    ("last words", pod(ended(3, message="no such table\n"), phase="Failed"), PodClass.ERROR, ["no such table"]),
    ("SIGSEGV", pod(ended(139), phase="Failed"), PodClass.ERROR, ["killed by SIGSEGV", "exit code 139"]),
    ("SIGKILL", pod(ended(137), phase="Failed"), PodClass.ERROR, ["killed by SIGKILL", "137"]),
    ("a signal without a name", pod(ended(128 + 99), phase="Failed"), PodClass.ERROR, ["signal 99"]),
    ("signal told by the runtime", pod(ended(1, signal=15), phase="Failed"), PodClass.ERROR, ["killed by SIGTERM"]),
    ("other reason", pod(ended(1, "Odd"), phase="Failed"), PodClass.ERROR, ["exit code 1 (Odd)"]),
    (
        "out of memory",
        pod(ended(137, "OOMKilled"), phase="Failed", limits={"memory": "64Mi"}),
        PodClass.OUT_OF_MEMORY,
        ["memory limit of 64Mi", "OOMKilled", NODE, "137", "resources.limits.memory"],
    ),
    (
        "out of memory, no limit",
        pod(ended(137, "OOMKilled"), phase="Failed"),
        PodClass.OUT_OF_MEMORY,
        ["memory of its node", NODE],
    ),
    (
        "image without python",
        pod(ended(128, "StartError", message='exec: "python": not found'), phase="Failed"),
        PodClass.NEVER_RUNS,
        ["could not be started", 'exec: "python": not found', "apache-airflow"],
    ),
    (
        "init container",
        pod(None, phase="Failed", inits=[{"name": "migrate", "state": ended(2, message="locked")}]),
        PodClass.ERROR,
        ["init container migrate", "exit code 2", "never started", "locked"],
    ),
    (
        "evicted before start",
        pod(None, phase="Failed", reason="Evicted", message="low on memory"),
        PodClass.DISRUPTED,
        ["Evicted", "low on memory", NODE],
    ),
    (
        "preempted before start",
        pod(None, phase="Failed", conditions=disrupted("PreemptionByScheduler")),
        PodClass.DISRUPTED,
        ["PreemptionByScheduler", "drained"],
    ),
    ("node shut down", pod(None, phase="Failed", reason="NodeShutdown"), PodClass.DISRUPTED, ["NodeShutdown"]),
    (
        "rejected by the kubelet",
        pod(None, phase="Failed", reason="UnexpectedAdmissionError"),
        PodClass.DISRUPTED,
        ["UnexpectedAdmissionError"],
    ),
    (
        "deadline before start",
        pod(None, phase="Failed", reason="DeadlineExceeded", message="too long"),
        PodClass.ERROR,
        ["failed before its task started", "DeadlineExceeded", "too long"],
    ),
    ("running", pod(RUNNING), PodClass.RUNNING, ["is running", NODE]),
    ("running, drained", pod(RUNNING, conditions=disrupted(), deleting=True), PodClass.RUNNING, ["evicted", "drained"]),
    ("gated", pod(None, phase="Pending", node="", gates=["kueue"]), PodClass.GATED, ["scheduling gate kueue"]),
    (
        "unschedulable",
        pod(None, phase="Pending", node="", conditions=unscheduled("0/3 nodes: taint")),
        PodClass.UNSCHEDULABLE,
        ["not scheduled: 0/3 nodes: taint"],
    ),
    ("creating", pod(waiting("ContainerCreating"), phase="Pending"), PodClass.STARTING, ["has not started"]),
    (
        "back-off",
        pod(waiting("ImagePullBackOff", "503"), phase="Pending"),
        PodClass.PULLING,
        ["base", "image i:1", "cannot be pulled: 503 (ImagePullBackOff)"],
    ),
    (
        "user's secret",
        pod(waiting("CreateContainerConfigError", 'secret "s" not found'), phase="Pending"),
        PodClass.CONFIG,
        ['secret "s" not found', "container base"],
    ),
    (
        "an init container's image",
        pod(
            waiting("PodInitializing"),
            phase="Pending",
            inits=[{"name": "fetch", "image": "f:1", "state": waiting("ErrImagePull", "denied")}],
        ),
        PodClass.PULLING,
        ["container fetch", "f:1", "denied"],
    ),
]


@pytest.mark.parametrize(("found", "cls", "words"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_class_and_sentence(found: PodView, cls: PodClass, words: list[str]):
    diagnosis = diagnose(found, present=True, deleted_by_us=False)
    assert diagnosis.cls is cls
    assert [word for word in words if word not in diagnosis.sentence] == []


def test_a_pod_that_failed_while_its_task_ran_is_not_said_to_have_failed_before():
    """The kubelet's last word about base may be missing: a deadline, a node that is gone."""
    found = diagnose(pod(RUNNING, phase="Failed", reason="DeadlineExceeded"), present=True, deleted_by_us=False)
    assert found.cls is PodClass.ERROR
    assert "before its task started" not in found.sentence
    assert "DeadlineExceeded" in found.sentence


def test_a_pod_that_never_was():
    assert diagnose(None, present=False, deleted_by_us=False).cls is PodClass.VANISHED


def test_gone_is_told_from_ended():
    gone = diagnose(pod(RUNNING), present=False, deleted_by_us=False)
    assert (gone.cls, gone.disrupted) == (PodClass.VANISHED, False), "nothing shows who deleted it"
    assert "was deleted by somebody else" in gone.sentence
    last = diagnose(pod(ended(3), phase="Failed"), present=False, deleted_by_us=False)
    assert last.cls is PodClass.ERROR, "the last object tells how it ended"


@pytest.mark.parametrize("code", [0, 1, 143])
def test_a_disruption_before_the_end_is_told_whatever_the_exit_code(code: int):
    found = diagnose(pod(ended(code), conditions=disrupted()), present=True, deleted_by_us=False)
    assert found.disrupted
    found = diagnose(pod(ended(code), deleting=True), present=False, deleted_by_us=False)
    assert found.disrupted


def test_our_own_delete_is_no_disruption():
    assert not diagnose(pod(RUNNING, deleting=True), present=True, deleted_by_us=True).disrupted


def test_a_condition_that_is_false_is_no_disruption():
    conditions = [{"type": "DisruptionTarget", "status": "False", "reason": "x"}]
    assert not diagnose(pod(RUNNING, conditions=conditions), present=True, deleted_by_us=False).disrupted


def test_a_worker_may_call_itself_by_pod_or_node():
    assert hostnames(pod(RUNNING)) == {"pod-1", NODE}
