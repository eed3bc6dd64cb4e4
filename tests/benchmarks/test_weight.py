"""A followed task weighs 8 KB at most: its launch, its place in the tracker, the pod as the watch shows it."""

from __future__ import annotations

import gc
import tracemalloc
from typing import Any

import msgspec
import pytest

from executor import identity
from executor.control.tracker import Tracked, Tracker
from executor.intake import intake
from executor.kube.watch_lines import WatchLines
from executor.model import Launch
from tests.benchmarks import workloads
from tests.benchmarks.answering import sample

PODS = 500
BUDGET = 8_000  # bytes


def _line(launch: Launch) -> bytes:
    """The watch's line about its pod, as a kubelet leaves it."""
    who = identity.Identity(
        launch.id, 1, launch.ti_id, launch.dag_id, launch.task_id, launch.run_id, 1, -1, "1f2e3d4c", "7", "3.3.2"
    )
    pod: dict[str, Any] = msgspec.json.decode(sample("Running"))
    pod["metadata"] |= {"name": f"sales-load-{launch.id}", "uid": launch.ti_id}
    pod["metadata"] |= {"labels": identity.labels(who), "annotations": identity.annotations(who)}
    return msgspec.json.encode({"type": "MODIFIED", "object": pod}) + b"\n"


def _follow(tracker: Tracker, number: int) -> None:
    launch = intake(workloads.make("weight", number))
    tracker.add(Tracked(launch))
    (event,) = WatchLines("watch").feed(_line(launch))
    tracker.see(event.pod)  # type: ignore[union-attr]


@pytest.mark.timeout(60)
def test_a_followed_task_weighs_8_kb_at_most() -> None:
    tracker = Tracker()
    _follow(tracker, PODS)  # what is loaded once
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for number in range(PODS):
        _follow(tracker, number)
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    weight = (after - before) / PODS
    print(f"{weight:.0f} bytes")
    assert weight <= BUDGET
