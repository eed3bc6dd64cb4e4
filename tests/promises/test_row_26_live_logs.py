"""The log of a running task is shown from its first line to its last, as it grows.

What users suffer: the page shows the last 100 lines, and an open page shows nothing new after them, because Airflow
goes on after as many lines as it has; with two pods of one task it shows an error instead.
What we promise: all lines, whichever attempt's pod has them; the next look goes on where the last one ended; and the
API server's memory does not grow with the log. 100,000 lines (10 MB) of a running pod on a real API, read through
Airflow's own reader.
"""

from __future__ import annotations

import tracemalloc
from itertools import islice
from typing import Any

from airflow.utils.log.file_task_handler import _get_compatible_log_stream, _interleave_logs

from executor.kubernetes_executor import KubernetesExecutor
from tests.promises.stage_more import write_log
from tests.promises.test_row_44_log_reads_leave_nothing import Asked
from tests.promises.wire import Driven, Namespace

LINES = 100_000
MiB = 1024 * 1024
FLAT = 4 * MiB  # a buffer of the connection and what is not on disk yet; as a list of lines it would be 15 MiB


def numbered(first: int, last: int) -> list[str]:
    return [f"{number:06d} {'x' * 92}" for number in range(first, last)]


def running_pod(driven: Driven, namespace: Namespace) -> tuple[Asked, dict[str, Any]]:
    ti = driven.rows.add("a", config={"pod_override": {"spec": {"nodeName": "node-1"}}})
    (launch,) = driven.queue(ti)
    (pod,) = driven.beat_until("its pod", lambda: namespace.pods_of(launch))
    namespace.running(pod)
    driven.executor.end()
    return Asked(launch.id, launch.ti_id), pod


def look(asked: Asked, log_pos: int) -> list[str]:
    """As Airflow's `FileTaskHandler._read` does for a running task, which has seen `log_pos` lines before."""
    _, logs = KubernetesExecutor().get_task_log(asked, 1)  # type: ignore[arg-type]
    shown = islice(_interleave_logs(_get_compatible_log_stream(logs)), log_pos, None)
    return [message.event for message in shown]


def peak_of_a_read(asked: Asked) -> tuple[int, int]:
    """(how many lines, bytes of memory at the worst moment) of the executor's part."""
    executor = KubernetesExecutor()
    tracemalloc.start()
    try:
        _, logs = executor.get_task_log(asked, 1)  # type: ignore[arg-type]
        return sum(1 for _ in logs), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_row_26_every_line_is_shown_and_the_next_look_goes_on(driven: Driven, namespace: Namespace) -> None:
    asked, pod = running_pod(driven, namespace)
    write_log(namespace, pod, numbered(0, 500))
    assert look(asked, 0) == numbered(0, 500)
    write_log(namespace, pod, numbered(500, 650))
    assert look(asked, 500) == numbered(500, 650)


def test_row_26_memory_does_not_grow_with_the_log(driven: Driven, namespace: Namespace) -> None:
    asked, pod = running_pod(driven, namespace)
    write_log(namespace, pod, numbered(0, LINES // 10))
    few, before = peak_of_a_read(asked)
    write_log(namespace, pod, numbered(LINES // 10, LINES))
    many, after = peak_of_a_read(asked)
    assert (few, many) == (LINES // 10, LINES)
    assert after - before < FLAT, (before, after)
