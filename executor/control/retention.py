"""Which ended pods stay, for how long, and how many. Pure.

Outcome and age are read off the pod itself and nothing is remembered, so that a scheduler that starts anew comes to the
same answer. Excluded: whether a launch is settled (decide), and deleting (janitor).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf

from executor.observe.diagnosis import base_end
from executor.observe.pod_view import PodView

_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class KeepPolicy:
    """delete, delete_on_failure: ended pods go at once (`delete_worker_pods`, `delete_worker_pods_on_failure`).

    ttl_succeeded, ttl_failed: seconds that an ended pod stays whatever those two say, 0: as they say; keep_last: how
    many of the pods that stay, at most, 0: all.
    """

    delete: bool = True
    delete_on_failure: bool = True
    ttl_succeeded: float = 0.0
    ttl_failed: float = 0.0
    keep_last: int = 0

    def keeps(self, pod: PodView) -> bool:
        """Whether this pod stays when it has ended."""
        return self.life(pod) > 0

    def life(self, pod: PodView) -> float:
        """Seconds for which it stays after its end; 0 goes at once, infinite stays."""
        failed = pod_failed(pod)
        seconds = self.ttl_failed if failed else self.ttl_succeeded
        stays = not self.delete or (failed and not self.delete_on_failure)
        return seconds or (inf if stays else 0.0)


def expired(kept: Iterable[PodView], policy: KeepPolicy, now: datetime) -> list[PodView]:
    """Those of the kept pods whose time is over, or that are not among the newest `keep_last`; newest first."""
    stay, over = 0, []
    for pod in sorted(kept, key=lambda pod: (ended_at(pod), pod.metadata.uid), reverse=True):
        full = policy.keep_last and stay >= policy.keep_last
        if full or (now - ended_at(pod)).total_seconds() >= policy.life(pod):
            over.append(pod)
        else:
            stay += 1
    return over


def pod_failed(pod: PodView) -> bool:
    """Whether the pod failed; a task that fails by its own code is none of it, its worker reports that and exits 0.

    `base` alone counts: leftovers that were stopped by a deadline give the pod the phase Failed, too.
    """
    end = base_end(pod)
    return end.exit_code != 0 if end is not None else pod.status.phase == "Failed"


def ended_at(pod: PodView) -> datetime:
    """When `base` ended; of a pod that ended without it, the last thing known about it."""
    end = base_end(pod)
    if end is not None and end.finished_at is not None:
        return end.finished_at
    statuses = (*pod.status.init_container_statuses, *pod.status.container_statuses)
    ends = [status.state.terminated for status in statuses]
    times = [end.finished_at for end in ends if end is not None]
    times += [condition.last_transition_time for condition in pod.status.conditions]
    return max((time for time in times if time is not None), default=pod.metadata.creation_timestamp or _NEVER)
