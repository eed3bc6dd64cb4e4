"""Rows in which something happens while the container runs: deferral, a worker that dies, a task stopped by hand.

Their containers wait at a gate, a file that is there when the `drive`s of the task's rows have seen enough.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kubernetes.client import models as k8s

from tests.operators.kpo.row import Hands, Kwargs, Place, Row, Seen

WAIT = "until [ -e /gates/$TASK_ID ]; do sleep 0.1; done"
#: Two lines: the operator logs a line when the next one comes.
AT_THE_GATE = "echo at the gate; echo and waiting"
GRACE, POLL, DEFAULT_POLL = 7, 5, 2  # seconds


def gated(place: Place) -> Kwargs:
    """A container that sees the gates, and its task's name in TASK_ID."""
    volume = k8s.V1Volume(name="gates", host_path=k8s.V1HostPathVolumeSource(path=f"{place.folder}/gates"))
    mount = k8s.V1VolumeMount(name="gates", mount_path="/gates", read_only=True)
    return {"volumes": [volume], "volume_mounts": [mount], "env_vars": {"TASK_ID": "{{ ti.task_id }}"}}


def _deferrable(place: Place) -> Kwargs:
    return {**gated(place), "deferrable": True}


def _once_followed(stage: Hands, task: str) -> Mapping[str, Any]:
    """The trigger has looked at the running container, and will not for a while; no worker is left."""
    look = "Pod has reached Running phase"
    stage.wait_log(task, look)
    stage.wait_no_worker(task)
    state = stage.state(task)
    stage.wait_early(task, look, POLL)
    return {"state": state}


def _once_shown(stage: Hands, task: str) -> Mapping[str, Any]:
    """A line of the container is in the task's log."""
    stage.wait_log(task, "> a line before the end")
    return {"shown": True}


def _lose_worker_then_stop(stage: Hands, task: str) -> Mapping[str, Any]:
    """The worker's pod is deleted by force; when the next one follows the same container, somebody fails the task."""
    stage.wait_log(task, "> at the gate")
    stage.lose_worker(task)
    reattached = stage.wait_log(task, "Reusing existing pod")
    stage.mark(task, "failed")
    grace = stage.wait_deletion(task)
    stage.wait_containers_gone(task)
    return {"reattached": reattached, "grace": grace}


def _lose_worker(stage: Hands, task: str) -> Mapping[str, Any]:
    """The worker's pod is deleted by force, and there is a second one of the operator."""
    stage.wait_log(task, "> at the gate")
    stage.lose_worker(task)
    stage.wait_containers(task, 2)
    return {}


def _schedule_by_hand(stage: Hands, task: str) -> Mapping[str, Any]:
    """Be the scheduler that the pod waits for."""
    stage.wait_containers(task, 1)
    stage.bind(task, "plain")
    return {}


def _bound(seen: Seen) -> None:
    assert seen.pod.spec["nodeName"] == "plain"
    assert "Scheduled" not in {event.reason for event in seen.events}
    assert seen.pod.status()["state"]["terminated"]


def _deferred(seen: Seen) -> None:
    assert seen.notes["state"] == "deferred"
    assert seen.workers == 2


def _looked_seldom(seen: Seen) -> None:
    assert seen.noticed_after is not None
    assert seen.noticed_after > DEFAULT_POLL + 0.5


def _shown(seen: Seen) -> None:
    assert seen.notes["shown"]
    assert seen.workers == 2


def _one_pod(seen: Seen) -> None:
    assert seen.pod.name in seen.notes["reattached"]
    assert seen.workers == 2


def _matched(seen: Seen) -> None:
    log = seen.notes["reattached"]
    assert f"Found matching pod {seen.pod.name}" in log
    assert "`try_number` of pod: 1" in log


def _stopped(seen: Seen) -> None:
    assert seen.pod.lived is not None
    assert not seen.said("after the gate")


def _graceful(seen: Seen) -> None:
    assert seen.notes["grace"] == GRACE


def _brought(seen: Seen) -> None:
    assert seen.workers == 2
    assert seen.said("trigger_reentry")[-1] == "and one at the end"


def _second_pod(seen: Seen) -> None:
    first, second = seen.pods
    assert first.name != second.name
    assert first.lived is not None
    assert "resolving ..." in seen.log


_STOPPED: dict[str, Any] = {
    "kwargs": lambda place: {**gated(place), "termination_grace_period": GRACE, "retries": 1, "retry_delay": 1},
    "script": f"trap 'echo told to stop; exit 3' TERM; {AT_THE_GATE}; {WAIT}",
    "ends": "failed",
    "drive": _lose_worker_then_stop,
}

ROWS = (
    Row(
        "schedulername",
        "the scheduler of the cluster leaves the pod alone, the one of that name, the test, gives it to a node",
        _bound,
        lambda place: {"schedulername": "by-hand"},
        "true",
        drive=_schedule_by_hand,
    ),
    Row(
        "deferrable",
        "no worker pod while the container runs; two in all",
        _deferred,
        _deferrable,
        WAIT,
        drive=_once_followed,
    ),
    Row(
        "poll_interval",
        f"with {POLL} the end is noticed at the next look, {POLL} seconds after the one before",
        _looked_seldom,
        lambda place: {**_deferrable(place), "poll_interval": POLL},
        WAIT,
        drive=_once_followed,
    ),
    Row(
        "logging_interval",
        "deferred, and the container's lines are in the task's log before it ends",
        _shown,
        lambda place: {**_deferrable(place), "logging_interval": 1, "poll_interval": POLL},
        f"echo a line before the end; {WAIT}",
        drive=_once_shown,
    ),
    Row(
        "reattach_on_restart",
        "the worker's pod was deleted by force; the next worker follows the same container",
        _one_pod,
        **_STOPPED,
    ),
    Row(
        "termination_grace_period",
        "the task was marked failed by hand: the container had that long to end",
        _graceful,
        **_STOPPED,
    ),
)

BEHAVIOURS = (
    Row(
        "find_pod, get_or_create_pod",
        "the next worker finds the running pod of the try before, and says so",
        _matched,
        **_STOPPED,
    ),
    Row(
        "on_kill",
        "a task marked failed by hand stops its container before that is through",
        _stopped,
        **{**_STOPPED, "script": f"{AT_THE_GATE}; {WAIT}; echo after the gate"},
    ),
    Row(
        "trigger_reentry",
        "the worker that goes on after a deferral brings the lines and the XCom of the end",
        _brought,
        lambda place: {**_deferrable(place), "logging_interval": 1, "poll_interval": POLL},
        f"echo a line before the end; {WAIT}; echo and one at the end",
        drive=_once_shown,
    ),
    Row(
        "process_duplicate_label_pods",
        "with `reattach_on_restart=False` the next worker makes a second pod, and deletes the first",
        _second_pod,
        lambda place: {**gated(place), "reattach_on_restart": False, "retries": 1, "retry_delay": 1},
        f"{AT_THE_GATE}; {WAIT}",
        drive=_lose_worker,
    ),
)
