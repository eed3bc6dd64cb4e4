"""Others' messages in few words, and phrases about ends."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from executor.observe.diagnosis import PodClass, diagnose, speaker
from executor.observe.pod_view import PodView, Terminated
from executor.observe.wording import LOST, disrupted, how, in_short
from tests.unit.observe.pods import RUNNING, ended, pod, waiting

IMAGE = 'failed to pull and unpack image "r.io/x:1": failed to resolve reference "r.io/x:1": '
LONG = "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: "


@pytest.mark.parametrize(
    ("message", "short"),
    [
        ("", ""),
        ("no such table", "no such table"),
        (f"{IMAGE}r.io/x:1: not found", "r.io/x:1: not found"),
        (f'Back-off pulling image "r.io/x:1": ErrImagePull: {IMAGE}503', "503"),
        (f"rpc error: code = NotFound desc = {IMAGE}r.io/x:1: not found", "r.io/x:1: not found"),
        (f'Failed to pull image "r.io/x:1": {IMAGE}503', "503"),
        ('Back-off pulling image "r.io/x:1"', 'Back-off pulling image "r.io/x:1"'),
        (
            f'{LONG}unable to start container process: error during container init: exec: "python": not found: unknown',
            'exec: "python": not found',
        ),
        (
            "0/3 nodes are available: 3 Insufficient cpu. preemption: 0/3 nodes are available: 3 No victims.",
            "0/3 nodes are available: 3 Insufficient cpu.",
        ),
        ("over\n  two lines", "over two lines"),
        ('the task says: failed to resolve reference "x": no', 'the task says: failed to resolve reference "x": no'),
    ],
)
def test_a_message_at_its_core(message: str, short: str) -> None:
    assert in_short(message) == short


@pytest.mark.parametrize(
    ("end", "phrase"),
    [
        (Terminated(exit_code=3, reason="Error"), "ended with exit code 3"),
        (Terminated(exit_code=1, reason="Odd"), "ended with exit code 1 (Odd)"),
        (Terminated(exit_code=137, reason=LOST), "was not found any more (ContainerStatusUnknown)"),
        (Terminated(exit_code=143, reason="Error"), "was killed by SIGTERM (exit code 143)"),
        (Terminated(exit_code=137, reason="Odd"), "was killed by SIGKILL (Odd, exit code 137)"),
        (Terminated(exit_code=1, signal=9), "was killed by SIGKILL (exit code 1)"),
    ],
)
def test_how_a_container_ended(end: Terminated, phrase: str) -> None:
    assert how(end) == phrase


def test_what_is_known_of_a_disruption() -> None:
    assert disrupted("New", "") == "was disrupted (New)"
    assert disrupted("TerminationByKubelet", "no memory.", "Evicted") == (
        "was evicted by its node (TerminationByKubelet: no memory)"
    )


def told(found: PodView) -> str:
    return diagnose(found, present=True, deleted_by_us=False).sentence


def with_deadline(found: PodView, seconds: int, start: str = "2026-01-01T00:00:00Z") -> PodView:
    raw: dict[str, Any] = msgspec.to_builtins(found)
    raw["spec"]["activeDeadlineSeconds"] = seconds
    raw["status"] |= {"startTime": start, "reason": "DeadlineExceeded"}
    return msgspec.convert(raw, PodView)


def test_a_deadline_is_named_where_it_ended_the_container() -> None:
    """`ended` runs for 42 s from midnight."""
    assert "activeDeadlineSeconds of 42 had passed" in told(with_deadline(pod(ended(137), phase="Failed"), 42))
    assert "activeDeadlineSeconds" not in told(with_deadline(pod(ended(3), phase="Failed"), 600))
    assert "activeDeadlineSeconds" not in told(pod(ended(137), phase="Failed", reason="DeadlineExceeded"))


def test_a_deadline_before_the_start_says_what_to_raise() -> None:
    assert "Raise spec.activeDeadlineSeconds" in told(pod(None, phase="Failed", reason="DeadlineExceeded"))


def test_an_init_container_without_memory_is_not_worth_another_pod() -> None:
    inits = [{"name": "prepare", "state": ended(137, "OOMKilled")}]
    found = diagnose(pod(None, phase="Failed", inits=inits), present=True, deleted_by_us=False)
    assert found.cls is PodClass.OUT_OF_MEMORY
    assert "init container prepare was killed for using more than" in found.sentence
    assert ", so the task was never started. Raise" in found.sentence


@pytest.mark.parametrize(
    ("found", "name"),
    [
        (pod(RUNNING), "base"),
        (pod(ended(3)), "base"),
        (pod(waiting("PodInitializing"), inits=[{"name": "prepare", "state": ended(7)}]), "prepare"),
        (pod(waiting("PodInitializing"), inits=[{"name": "prepare", "state": ended(0)}]), ""),
        (pod(None), ""),
    ],
)
def test_whose_log_tells_the_end(found: PodView, name: str) -> None:
    assert speaker(found) == name


@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff"])
def test_a_back_off_is_no_new_reason(reason: str) -> None:
    found = diagnose(pod(waiting(reason, "503")), present=True, deleted_by_us=False)
    assert found.told_as == "ErrImagePull"


def test_a_crash_and_a_kill_say_what_they_may_mean() -> None:
    assert "crashed in native code" in told(pod(ended(139), phase="Failed"))
    assert "most often memory ran short" in told(pod(ended(137), phase="Failed"))
    assert "memory" not in told(pod(ended(137), phase="Failed", deleting=True))
