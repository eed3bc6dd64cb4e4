"""What the scheduler sees of the executor: calls that never raise, wait or leak."""

from __future__ import annotations

import base64
import gc
import json
import logging
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from executor.demo.processes import wait_until
from executor.kubernetes_executor import KubernetesExecutor
from tests.facade.conftest import NAMESPACE, Driven
from tests.speed.burst import make_workload

SOON = 20.0  # seconds; the pods run for ever


def play(driven: Driven, phase: str, state: dict[str, Any]) -> None:
    base = {"name": "base", "image": "i", "imageID": "", "ready": False, "restartCount": 0, "state": state}
    status = {"phase": phase, "containerStatuses": [base]}
    for pod in driven.pods():
        name = pod["metadata"]["name"]
        driven.cluster.core.patch_namespaced_pod_status(name, NAMESPACE, {"status": status})


def ours() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(("airflow-", "pod-mutation"))]


@contextmanager
def signalled(act: Any, every: float) -> Iterator[None]:
    """`act` runs between any two bytecodes of this thread, again and again, with so many seconds in between."""

    def strike(*_: Any) -> None:
        act()
        signal.setitimer(signal.ITIMER_REAL, every)  # after it: however long it takes, others have their turn

    before = signal.signal(signal.SIGALRM, strike)
    signal.setitimer(signal.ITIMER_REAL, every)
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, signal.SIG_IGN)  # first: a last strike would wind the clock up again
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_an_object_that_is_not_started_does_nothing(settings: None) -> None:
    before = set(threading.enumerate())

    objects = [KubernetesExecutor() for _ in range(20)]

    assert set(threading.enumerate()) <= before
    for executor in objects:
        executor.debug_dump()
        executor.end()


def test_end_leaves_running_pods_and_nothing_else(driven: Driven) -> None:
    driven.queue(100)
    driven.beat_until("100 pods", lambda: len(driven.pods()) == 100)
    play(driven, "Running", {"running": {"startedAt": "2026-01-01T00:00:00Z"}})
    driven.beat_until("no Secret", lambda: not driven.secrets())

    started = time.monotonic()
    driven.executor.end()

    assert time.monotonic() - started < SOON
    wait_until("no thread of its own", lambda: not ours(), SOON)
    assert (len(driven.pods()), driven.secrets()) == (100, [])


def test_end_gives_the_secrets_of_waiting_pods_to_kubernetes(driven: Driven) -> None:
    driven.queue(3)
    driven.beat_until("3 pods", lambda: len(driven.pods()) == 3)

    driven.executor.end()

    uids = {pod["metadata"]["uid"] for pod in driven.pods()}
    assert [{owner.uid for owner in secret.metadata.owner_references} for secret in driven.secrets()] == [uids]
    for pod in driven.pods():
        driven.cluster.core.delete_namespaced_pod(pod["metadata"]["name"], NAMESPACE, grace_period_seconds=0)
    wait_until("no Secret", lambda: not driven.secrets(), 90)


@contextmanager
def collections_seen(inside: list[bool]) -> Iterator[None]:
    """The collector runs at every occasion; each run appends whether a heartbeat was going on (see below)."""
    usual = gc.get_threshold()

    def note(phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            frames = sys._current_frames().get(threading.main_thread().ident or 0)
            inside.append(
                any(frame.f_code is KubernetesExecutor.heartbeat.__code__ for frame, _ in traceback.walk_stack(frames))
            )

    gc.callbacks.append(note)
    gc.set_threshold(1, 1, 1_000_000)
    try:
        yield
    finally:
        gc.set_threshold(*usual)
        gc.callbacks.remove(note)


def test_no_garbage_is_collected_during_a_heartbeat(driven: Driven) -> None:
    inside: list[bool] = []
    driven.queue(50)

    with collections_seen(inside):
        driven.beat_until("50 pods", lambda: len(driven.pods()) == 50)

    assert gc.isenabled()
    assert inside
    assert not any(inside)


def test_tasks_beyond_parallelism_wait_for_a_slot(driven: Driven) -> None:
    driven.executor.parallelism = 3
    keys = [workload.key for workload in driven.queue(5)]

    driven.beat_until("3 pods", lambda: len(driven.pods()) == 3)
    assert (list(driven.executor.queued_tasks), driven.executor.running) == (keys[3:], set(keys[:3]))

    play(driven, "Succeeded", {"terminated": {"exitCode": 0, "finishedAt": "2026-01-01T00:00:00Z"}})
    driven.beat_until("the other 2", lambda: driven.executor.running == set(keys[3:]))
    assert not driven.executor.queued_tasks


def test_a_dump_in_a_burst_disturbs_nothing(driven: Driven, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="executor.kubernetes_executor")
    with signalled(driven.executor.debug_dump, every=0.003):
        driven.queue(500)
        driven.beat_until("500 pods", lambda: driven.executor._supervisor.totals().get("pods posted") == 500)

    totals = [record.getMessage() for record in caplog.records if record.getMessage().startswith("queued tasks")]
    assert len(totals) > 20
    assert len(driven.executor.running) == 500
    play(driven, "Succeeded", {"terminated": {"exitCode": 0, "finishedAt": "2026-01-01T00:00:00Z"}})
    driven.beat_until("everything settled", lambda: not driven.executor.slots_occupied)


@pytest.mark.parametrize(
    ("override", "status"),
    [
        ({"spec": {"containers": [{"name": "base", "ports": [{"containerPort": 99999}]}]}}, "422"),
        ({"spec": {"containers": [{"name": "base", "imagePullPolcy": "Always"}]}}, "400"),
    ],
)
def test_no_token_is_in_any_log_or_pod(
    driven: Driven, caplog: pytest.LogCaptureFixture, override: dict[str, Any], status: str
) -> None:
    caplog.set_level(logging.DEBUG)
    driven.queue(2)
    driven.queue(2, override)

    driven.beat_until("the good ones", lambda: len(driven.pods()) == 2)
    driven.beat_until("the others settled", lambda: len(driven.executor.running) == 2)

    text = "\n".join(f"{record.name} {record.getMessage()} {record.exc_text or ''}" for record in caplog.records)
    assert "burst" in text
    assert f" {status} " in text
    assert "eyJ" not in text
    assert "eyJ" not in json.dumps(driven.pods())
    assert any("eyJ" in _decoded(value) for secret in driven.secrets() for value in (secret.data or {}).values())


def _decoded(value: str) -> str:
    return base64.b64decode(value).decode()


def test_revoked_tasks_leave_no_pod_and_no_secret(driven: Driven) -> None:
    workloads = driven.queue(3)
    driven.beat_until("3 pods", lambda: len(driven.pods()) == 3)

    for workload in workloads:
        driven.executor.revoke_task(ti=workload.ti)

    assert not driven.executor.slots_occupied
    driven.beat_until("no pod", lambda: not driven.pods())
    driven.beat_until("no Secret", lambda: not driven.secrets())
    assert driven.events == {}


def test_nothing_that_is_handed_in_raises(driven: Driven) -> None:
    """The scheduler ends with an exception that leaves an executor."""
    executor = driven.executor

    executor.queue_workload(object(), session=None)
    executor.revoke_task(ti=object())
    assert executor.try_adopt_task_instances([object()]) == []
    executor.queued_tasks["broken"] = object()
    executor.heartbeat()
    del executor.queued_tasks["broken"]
    driven.queue(1)

    driven.beat_until("a good one", lambda: len(driven.pods()) == 1)


def test_a_launch_id_that_was_used_before_is_replaced(driven: Driven) -> None:
    """A resume may come with the id of the launch before; two launches must not share a pod's name."""
    written: list[Any] = []

    class Session:
        def execute(self, statement: Any) -> None:
            written.append(statement)

    first = make_workload(1)
    again = first.model_copy(deep=True)
    driven.executor.queue_workload(first, session=Session())
    driven.executor.queue_workload(again, session=Session())

    assert again.ti.external_executor_id != first.ti.external_executor_id
    assert len(written) == 1
