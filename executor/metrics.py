"""What is counted and timed, and under which names. Where upstream's executor has a metric, ours has its name.

| name | kind | tags | what |
|---|---|---|---|
| kubernetes_executor.pod_creation | timing | | one create, until its answer |
| kubernetes_executor.pod_creation_status | count | status | answers to creates; error where there was none |
| kubernetes_executor.pod_deletion | timing | | one delete |
| kubernetes_executor.pod_deletion_status | count | status | as above |
| kubernetes_executor.queued_to_posted | timing | | from the scheduler's hand-over to the create's answer |
| kubernetes_executor.posted_to_running | timing | | from there until container base runs |
| kubernetes_executor.launches | gauge | | launches that are not settled |
| kubernetes_executor.waiting_to_be_posted | gauge | | of these, in the work queue |
| kubernetes_executor.oldest_waiting | gauge | | age in seconds of the oldest of them |
| kubernetes_executor.pods | gauge | | pods of this deployment that the watch shows |
| kubernetes_executor.lists | count | | complete lists: one at start, one each time history was lost |
| kubernetes_executor.told | count | event | lines in the event log: pod failed, waiting, relaunched, warning |

All are emitted by the loop, none by the scheduler's thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

PREFIX = "kubernetes_executor."


class Metrics(Protocol):
    """Where metrics go. Seconds are floats; nothing is raised."""

    def count(self, name: str, tags: Mapping[str, str] | None = None) -> None: ...

    def gauge(self, name: str, value: float) -> None: ...

    def timing(self, name: str, seconds: float) -> None: ...


class NoMetrics:
    """Nobody wants them."""

    def count(self, name: str, tags: Mapping[str, str] | None = None) -> None:
        pass

    def gauge(self, name: str, value: float) -> None:
        pass

    def timing(self, name: str, seconds: float) -> None:
        pass
