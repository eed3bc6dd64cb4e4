"""What a scheduler left behind: pods of this deployment that no launch of ours is in, and Secrets that nobody needs.

A pod is a stray if an executor of this deployment launched it, it is older than two leases, and its row is missing,
final or names another launch, which it does not run all the same. The row decides and nothing else, so that a scheduler
which starts anew, another one beside it and `airflow kubernetes-executor cleanup` all come to the same answer.
Excluded: which ended pods stay, and until when (`retention`), and deleting (`janitor`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

from executor.control.janitor import Janitor
from executor.control.judge import ROWS_PER_READ
from executor.control.ports import RowsPort
from executor.control.retention import pod_failed
from executor.control.tracker import Tracker, awaits_secret
from executor.control.workload_secrets import WorkloadSecrets
from executor.identity import KIND_LABEL, LAUNCH_LABEL, SECRET_ANNOTATION, TI_LABEL
from executor.model import Kind, Launch
from executor.observe.decide import is_wrapping_up
from executor.observe.diagnosis import Diagnosis, diagnose, hostnames
from executor.observe.ownership import owns_launch, runs_in
from executor.observe.pod_view import PodView

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Stray:
    """A pod that nobody needs. wrapping_up: its worker has just reported, and is about to end by itself."""

    launch: Launch
    pod: PodView
    wrapping_up: bool


class Strays:
    """Finds them among the tracker's pods, and has the janitor deal with them."""

    def __init__(
        self,
        *,
        tracker: Tracker,
        rows: RowsPort,
        janitor: Janitor,
        secrets: WorkloadSecrets,
        age: timedelta,
        now: Callable[[], datetime],
        log_path: Callable[[Launch], str | None],
    ) -> None:
        """age: younger pods are left alone; log_path: where a task's log lies, None if that is not known."""
        self._tracker, self._rows, self._janitor, self._secrets = tracker, rows, janitor, secrets
        self._age, self._now, self._log_path = age, now, log_path

    async def find(self) -> AsyncIterator[Stray]:
        """Those that nobody deals with yet. Raises RowsDown."""
        for chunk in chunks([pod for pod in self._tracker.pods.values() if self._is_alone(pod)]):
            launches = [launch_of(pod) for pod in chunk]
            rows = await self._rows.read(launches)
            for pod, launch in zip(chunk, launches, strict=True):
                row = rows.get(launch.id)
                needed = owns_launch(launch, row) or runs_in(row, hostnames(pod))
                if not needed:  # else it is another scheduler's, or about to be adopted
                    yield Stray(launch, pod, is_wrapping_up(launch, _diagnosis(pod), row))

    def collect(self, stray: Stray) -> None:
        """Delete or keep it, as the policies say."""
        launch, pod = stray.launch, stray.pod
        if not pod_failed(pod) or self._janitor.keeps(pod):  # whoever kept it has saved its log
            self._janitor.retire(launch, pod, clean=True, patient=stray.wrapping_up)
        else:
            self._janitor.collect(replace(launch, log_path=self._log_path(launch)), pod, clean=False)

    async def sweep(self, namespaces: Sequence[str | None]) -> int:
        """Delete the workload Secrets there that no pod waits for; how many went."""
        waiting = [pod.metadata for pod in self._tracker.pods.values() if awaits_secret(pod)]
        needed = {(meta.namespace, meta.annotations.get(SECRET_ANNOTATION, "")) for meta in waiting}
        return await self._secrets.sweep(namespaces, needed)

    def _is_alone(self, pod: PodView) -> bool:
        """Launched by an executor of this deployment, old enough, and neither tracked here nor dealt with already."""
        created, labels = pod.metadata.creation_timestamp, pod.metadata.labels
        if created is None or LAUNCH_LABEL not in labels or TI_LABEL not in labels:
            return False
        if pod.metadata.deletion_timestamp is not None or self._janitor.deals_with(pod.metadata.uid):
            return False
        tracked = self._tracker.whose(pod)
        mine = tracked is not None and (tracked.pod is None or tracked.pod.uid == pod.metadata.uid)
        return self._now() - created > self._age and not mine


def _diagnosis(pod: PodView) -> Diagnosis:
    return diagnose(pod, present=True, deleted_by_us=False)  # a pod that is being deleted is no stray


def launch_of(pod: PodView) -> Launch:
    """As much of the launch as its pod tells."""
    notes = pod.metadata.annotations
    callback = pod.metadata.labels.get(KIND_LABEL) == "callback"
    launch_id = pod.metadata.labels.get(LAUNCH_LABEL, "")
    return Launch(
        id=launch_id,
        kind=Kind.CALLBACK if callback else Kind.TASK,
        key=launch_id,
        ti_id=notes.get("task_instance_id", pod.metadata.labels.get(TI_LABEL, "")),
        dag_id=notes.get("dag_id", ""),
        task_id=notes.get("task_id", ""),
        run_id=notes.get("run_id", ""),
        try_number=_number(notes.get("try_number", ""), 0),
        map_index=_number(notes.get("map_index", ""), -1),
    )


def _number(text: str, otherwise: int) -> int:
    return int(text) if text.isdecimal() else otherwise


def chunks(items: Sequence[_T]) -> Iterator[Sequence[_T]]:
    """As many at a time as one query reads."""
    for start in range(0, len(items), ROWS_PER_READ):
        yield items[start : start + ROWS_PER_READ]
