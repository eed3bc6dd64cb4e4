"""409 on create: which pods count as this launch's own."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from executor.observe.pod_view import PodView
from executor.observe.twin import is_twin
from tests.unit.observe.pods import LAUNCH


def existing(**changes: str) -> PodView:
    notes = {"task_instance_id": "ti-1", "try_number": "2"}
    labels = {
        "airflow-launch": changes.pop("launch", "launch-1"),
        "airflow-deployment": changes.pop("deployment", "d0"),
    }
    meta = {"name": "p", "labels": labels, "annotations": notes}
    if "deletionTimestamp" in changes:
        meta["deletionTimestamp"] = changes.pop("deletionTimestamp")
    status = {"phase": changes.pop("phase", "Pending")}
    notes.update(changes)
    return msgspec.convert({"metadata": meta, "status": status}, PodView)


@pytest.mark.parametrize("phase", ["Pending", "Running"])
def test_alive_and_of_the_same_launch_is_ours(phase: str):
    assert is_twin(existing(phase=phase), LAUNCH, "d0")


@pytest.mark.parametrize(
    "other",
    [
        existing(phase="Succeeded"),
        existing(phase="Failed"),
        existing(deletionTimestamp="2026-01-01T00:00:00Z"),
        existing(launch="launch-2"),
        existing(task_instance_id="ti-2"),
        existing(try_number="1"),
        existing(deployment="another"),
    ],
)
def test_anything_else_is_not(other: PodView):
    assert not is_twin(other, LAUNCH, "d0")


def test_the_try_counts():
    assert not is_twin(existing(), replace(LAUNCH, try_number=3), "d0")
