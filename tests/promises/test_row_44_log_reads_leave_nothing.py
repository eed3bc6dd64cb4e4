"""Reading logs leaves nothing behind.

What users suffer: the API server makes an executor only to read the log of a running task, and each of its workers is
left with a helper process, or threads and sockets, for every executor it ever made.
What we promise: making an executor starts nothing, and a read opens what it needs and closes it, whether it succeeds,
finds no pod, or fails. 60 reads of a real API, every tenth by a new executor (1,000 with SOAK=1).
"""

from __future__ import annotations

import gc
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from executor.demo.processes import wait_until
from executor.kubernetes_executor import KubernetesExecutor
from tests.promises.stage_more import write_log
from tests.promises.wire import Driven, Namespace

READS = 1000 if os.environ.get("SOAK") else 60
ROUND = 10


@dataclass(frozen=True)
class Asked:
    """The task instance as the API server hands it over, as far as it is looked at."""

    external_executor_id: str | None
    id: str = ""
    state: str = "running"
    hostname: str = ""


def footprint() -> dict[str, Any]:
    """What this process holds of the system."""
    me = Path("/proc/self")
    children = [(task / "children").read_text() for task in (me / "task").iterdir()]
    return {
        "processes": sorted(" ".join(children).split()),
        "threads": sorted(str(thread.ident) for thread in threading.enumerate()),
        "files": len(list((me / "fd").iterdir())),
    }


@pytest.mark.parametrize("works", [True, False], ids=["good", "API away"])
def test_row_44_reads_leave_nothing(
    driven: Driven, namespace: Namespace, works: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    (launch,) = driven.queue(driven.rows.add("a", config={"pod_override": {"spec": {"nodeName": "node-1"}}}))
    (pod,) = driven.beat_until("its pod", lambda: namespace.pods_of(launch))
    namespace.running(pod)
    write_log(namespace, pod, ["one", "two"])
    driven.executor.end()
    if not works:
        monkeypatch.setenv("AIRFLOW__KUBERNETES_EXECUTOR__CONFIG_FILE", "/no/such/kubeconfig")
    asked = [Asked(launch.id, launch.ti_id), Asked("00000000-no-such-launch", launch.ti_id), Asked(None)]
    one_round(asked)
    gc.collect()
    gc.disable()  # what is left to the garbage collector is left
    try:
        before = footprint()
        for _ in range(READS // ROUND):
            messages, lines = one_round(asked)
        wait_until("nothing that was not there before", lambda: _no_more_than(before), 30)
    finally:
        gc.enable()
    assert (lines == ["one", "two"]) == works
    assert len(messages) == 1


def _no_more_than(before: dict[str, Any]) -> bool:
    """What others left may go meanwhile."""
    now = footprint()
    kinds = ("processes", "threads")
    return all(set(now[kind]) <= set(before[kind]) for kind in kinds) and bool(now["files"] <= before["files"])


def one_round(asked: list[Asked]) -> tuple[list[str], list[str]]:
    """A new executor, and ten reads; returns what the first task's last one gave."""
    executor = KubernetesExecutor()
    found: tuple[list[str], list[str]] = ([], [])
    for number in range(ROUND):
        messages, lines = executor.get_task_log(asked[number % 3], 1)  # type: ignore[arg-type]
        if number % 3 == 0:
            found = messages, list(lines)
    return found
