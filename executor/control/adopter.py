"""Takes over what a dead scheduler left: rows that Airflow hands to `try_adopt_task_instances`, and callback pods.

An adopted launch is tracked at once (it occupies a slot) and settled after the first complete list of pods: pod found,
follow it; no pod and RUNNING, the pod was lost; no pod and QUEUED, launch again with a workload made anew. A pod that
has not started is followed only once the Secret it mounts was seen, whenever it turns up.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice

from executor.control.judge import Judge
from executor.control.ports import Airflow, IntakeError, RowsDown
from executor.control.quiet import Quiet
from executor.control.strays import launch_of
from executor.control.switchover import Switchover
from executor.control.tracker import Tracked, Tracker
from executor.control.workload_secrets import WorkloadSecrets
from executor.errors import Transient
from executor.identity import KIND_LABEL, LAUNCH_LABEL
from executor.kube.port import KubePort
from executor.model import QUEUED, Adopted, Kind, Launch, Outcome
from executor.observe.decide import Progress
from executor.observe.diagnosis import base_started

log = logging.getLogger(__name__)

REBUILD_AT_ONCE = 20
ROWS_DOWN_DELAY = 2.0
LOOK_AGAIN_SECONDS = 10.0


class Adopter:
    """Settles what is unknown."""

    def __init__(
        self,
        kube: KubePort,
        tracker: Tracker,
        airflow: Airflow,
        judge: Judge,
        secrets: WorkloadSecrets,
        submit: Callable[[Tracked], None],
    ) -> None:
        """submit: put a launch that has its workload into the work queue."""
        self._tracker, self._airflow, self._judge, self._submit = tracker, airflow, judge, submit
        self._secrets = secrets
        self._switchover = Switchover(kube, tracker, self.lost)
        self.look_for_upstreams = self._switchover.look
        self._listed = asyncio.Event()
        self._complete = False
        self._unknown: dict[str, Adopted] = {}
        self._unsure: dict[str, Adopted] = {}  # RUNNING, with no pod in sight, while some namespace cannot be listed
        self._quiet = Quiet()
        self._wake = asyncio.Event()

    def adopt(self, adopted: Sequence[Adopted]) -> None:
        """Airflow may offer the same row twice; a launch that is tracked already stays as it is."""
        for one in adopted:
            if one.launch_id is None or self._tracker.get(one.launch_id) is not None:
                continue
            tracked = Tracked(_launch(one, self._airflow.log_path(one)), progress=Progress.UNSEEN, adopted=one)
            self._tracker.add(tracked)
            if one.row_name is not None:
                self._switchover.follow(one.launch_id)
                continue
            for pod in self._tracker.pods_of(one.ti_id):
                self._tracker.see(pod)
            self._unknown[one.launch_id] = one
        self._wake.set()

    def lost(self, tracked: Tracked) -> None:
        """No pod of Airflow's own executor runs it: as if its pod had never been."""
        if tracked.adopted is not None and tracked.progress is Progress.UNSEEN:
            self._unknown[tracked.launch.id] = tracked.adopted
            self._wake.set()

    def rebuild(self, tracked: Tracked) -> None:
        """Its pod went before it started, and the workload that was in it is not known here: make it anew."""
        assert tracked.adopted is not None
        self._unknown[tracked.launch.id] = replace(tracked.adopted, state=QUEUED)
        self._wake.set()

    def complete(self) -> None:
        """The first complete list of pods is in."""
        if not self._complete:
            self._complete = True
            self._follow_callbacks()
            self._unknown.update(self._unsure)
            self._unsure.clear()
        self._listed.set()
        self._wake.set()

    def complete_but_for_forbidden(self) -> None:
        """All but the namespaces that this scheduler may not list. What is QUEUED can be launched again: if its pod
        is in one of those, the name is taken. What is RUNNING may run there: only a complete list tells."""
        self._listed.set()
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled."""
        await self._listed.wait()
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_AGAIN_SECONDS):
                    await self._wake.wait()
            self._wake.clear()
            while self._unknown:
                await self._settle([self._unknown.pop(k) for k in list(islice(self._unknown, REBUILD_AT_ONCE))])
            await self._look_again()

    async def _look_again(self) -> None:
        """Pods that turned up after their launch was settled: what a killed scheduler has sent may arrive late."""
        late = [tracked for tracked in self._tracker if tracked.adopted is not None and _unchecked(tracked)]
        if late and await self._found_workloads(late):
            for tracked in late:
                self._judge.mark(tracked.launch.id)

    async def _settle(self, some: list[Adopted]) -> None:
        await self._recall(some)
        known = (self._tracker.get(one.launch_id or "") for one in some)
        if not await self._found_workloads([tracked for tracked in known if tracked is not None]):
            self._unknown = {one.launch_id: one for one in some if one.launch_id} | self._unknown
            return
        lost: list[Adopted] = []
        for one in some:
            tracked = self._tracker.get(one.launch_id or "")
            if tracked is None:
                continue
            if tracked.progress is Progress.SEEN:
                self._judge.mark(tracked.launch.id)
            elif one.state == QUEUED:
                lost.append(one)
            elif not self._complete:
                self._unsure[tracked.launch.id] = one
            else:
                tracked.progress = Progress.SEEN
                self._judge.mark(tracked.launch.id)
        if lost:
            await self._relaunch(lost)

    async def _found_workloads(self, some: Sequence[Tracked]) -> bool:
        """Pods that wait for a Secret which their scheduler did not live to make; False: asked again later."""
        waiting = [(t, t.seen) for t in some if t.seen is not None and _unchecked(t)]
        try:
            missing = await self._secrets.missing([pod for _, pod in waiting])
        except Transient as error:
            log.info("Workload Secrets cannot be listed, adoption waits: %s", error)
            await asyncio.sleep(ROWS_DOWN_DELAY)
            return False
        for tracked, pod in waiting:
            tracked.checked = pod.metadata.uid
            if tracked.pod is not None and tracked.pod.uid == pod.metadata.uid:
                tracked.workload_lost = pod.metadata.uid in missing
        return True

    async def _recall(self, some: list[Adopted]) -> None:
        """What these launches have cost under their former scheduler."""
        known = [t for t in (self._tracker.get(one.launch_id or "") for one in some) if t is not None]
        try:
            counts = await self._airflow.rows.relaunches([t.launch for t in known])
        except RowsDown as error:
            log.warning("The database does not answer, what adopted launches have cost is not known: %s", error)
            return
        for tracked in known:
            tracked.relaunches = max(tracked.relaunches, counts.get(tracked.launch.id, 0))
            tracked.attempt = max(tracked.attempt, tracked.relaunches + 1)

    async def _relaunch(self, lost: list[Adopted]) -> None:
        """QUEUED and no pod: the workload is made anew from the row."""
        try:
            workloads = await self._airflow.rows.rebuild(lost)
        except RowsDown as error:
            if self._quiet.due():
                log.warning("The database does not answer, adoption waits: %s", error)
            await asyncio.sleep(ROWS_DOWN_DELAY)
            self._unknown.update({one.launch_id: one for one in lost if one.launch_id})
            self._wake.set()
            return
        except Exception as error:
            log.exception("%d adopted task instances could not be made anew", len(lost))
            await self._one_by_one(lost, error)
            return
        for one in lost:
            tracked = self._tracker.get(one.launch_id or "")
            if tracked is not None:
                self._launch_again(tracked, workloads.get(one.launch_id or ""))

    async def _one_by_one(self, lost: list[Adopted], error: Exception) -> None:
        """One of them is the trouble: it harms itself only."""
        if len(lost) > 1:
            for one in lost:
                await self._relaunch([one])
            return
        tracked = self._tracker.get(lost[0].launch_id or "")
        if tracked is not None:
            self._refuse(tracked, f"Its workload could not be made anew ({type(error).__name__}: {error}).")

    def _refuse(self, tracked: Tracked, sentence: str) -> None:
        tracked.refusal, tracked.progress = sentence, Progress.REFUSED
        self._judge.mark(tracked.launch.id)

    def _launch_again(self, tracked: Tracked, workload: object | None) -> None:
        if tracked.progress is Progress.SEEN:  # its pod has turned up meanwhile
            self._judge.mark(tracked.launch.id)
            return
        if workload is None:  # the row moved on, or is running by now; if it is queued after all, `rebuild` is next
            tracked.progress = Progress.SEEN
            self._judge.want_row(tracked.launch.id)
            return
        tracked.adopted = None
        try:
            tracked.launch = self._airflow.intake(workload)
        except IntakeError as error:
            self._refuse(tracked, str(error))
            return
        tracked.progress = Progress.WAITING
        self._submit(tracked)

    def _follow_callbacks(self) -> None:
        """Callbacks are not offered for adoption: their pods are followed by label."""
        for pod in list(self._tracker.pods.values()):
            callback = pod.metadata.labels.get(KIND_LABEL) == "callback"
            if callback and self._tracker.get(pod.metadata.labels.get(LAUNCH_LABEL, "")) is None:
                tracked = Tracked(self._airflow.callback_launch(launch_of(pod)), progress=Progress.UNSEEN)
                self._tracker.add(tracked)
                self._tracker.see(pod)
                self._judge.mark(tracked.launch.id)


def _unchecked(tracked: Tracked) -> bool:
    """Its pod has not started, and nobody has asked whether the Secret that it mounts is there."""
    pod = tracked.seen if tracked.present else None
    return pod is not None and not base_started(pod) and pod.metadata.uid != tracked.checked


def _launch(one: Adopted, log_path: str | None) -> Launch:
    return Launch(
        id=one.launch_id or "",
        kind=Kind.TASK,
        key=one.key,
        ti_id=one.ti_id,
        dag_id=one.dag_id,
        task_id=one.task_id,
        run_id=one.run_id,
        try_number=one.try_number,
        map_index=one.map_index,
        queue=one.queue,
        log_path=log_path,
        row_name=one.row_name,
    )


__all__ = ["Adopter", "Outcome"]
