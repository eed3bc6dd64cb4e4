"""Finished pods stay behind when a scheduler restarts; or schedulers fight over them, and each is deleted three times.

We promise: a pod is deleted by one scheduler, once, after its task's end is safe in the database. Whenever schedulers
are killed, one collection period later no pod is left, two minutes after that no Secret, and no pod was deleted twice.
Size: 500 tasks, and a kill -9 every three seconds on average, which is some 40; in virtual time.
"""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

from tests.promises.stage import JOB, Cluster, Database, Kubelet, Scheduler, Ti

TASKS, AT_ONCE, KILL_EVERY = 500, 20, 3.0
LEASE, RECONCILE, HANDLING = 15.0, 30.0, 10.0
COLLECTED = 4 * LEASE + RECONCILE + HANDLING
SWEPT = 120.0


async def test_row_10_no_pod_is_left_and_none_is_deleted_twice():
    dice = random.Random(10)
    cluster, database = Cluster(latency=0.05), Database()
    witness = Witness(cluster, database)
    async with Kubelet(cluster, database, ends=lambda ti: dice.choice(["success", "success", "crash"])) as kubelet:
        waiting = [database.add(f"t{number}") for number in range(TASKS)]
        job = JOB
        while waiting:
            async with Scheduler(cluster, database, job=job, slow=0.05) as scheduler:
                scheduler.take_over(job - 1)
                await work(scheduler, waiting, seconds=dice.expovariate(1 / KILL_EVERY))
                await scheduler.kill()
            job += 1
        async with Scheduler(cluster, database, job=job) as last:
            last.take_over(job - 1)
            while any(ti.state in ("queued", "running") for ti in database.tis.values()):
                await last.passes(1)
            await last.passes(COLLECTED)

            assert (cluster.pods, last.slots) == ({}, 0)
            await last.passes(SWEPT)
            assert cluster.secrets == {}
            assert set(deletes(cluster).values()) == {1}
            assert witness.too_early == []
            assert set(kubelet.ran.values()) == {1}
            assert job - JOB >= 20


async def test_row_10_a_pod_on_its_way_out_is_not_deleted_again():
    """Somebody marked the running tasks; their pods take 25 seconds to stop, through passes of two schedulers."""
    cluster, database = Cluster(stop_after=25.0), Database()
    async with Kubelet(cluster, database, runs=1000.0):
        async with Scheduler(cluster, database, reconcile=2.0) as first:
            tis = first.tasks(20)
            first.queue_all(tis)
            await first.passes(4 * LEASE + 5)
            for ti in tis:
                ti.state = "failed"
            await first.passes(25)
            assert set(deletes(cluster).values()) == {1}
            assert len(cluster.pods) == len(tis)
            await first.kill()
        async with Scheduler(cluster, database, job=JOB + 1, reconcile=2.0) as second:
            await second.passes(8)
            assert len(cluster.pods) == len(tis)
            await second.passes(20)
            assert (cluster.pods, len(deletes(cluster)), set(deletes(cluster).values())) == ({}, len(tis), {1})


def deletes(cluster: Cluster) -> Counter[str]:
    """How often each pod's deletion was asked for."""
    return Counter(call.name for call in cluster.calls if (call.verb, call.resource) == ("delete", "pods"))


async def work(scheduler: Scheduler, waiting: list[Ti], seconds: float) -> None:
    """Queue as slots allow, for some seconds."""
    step = 0.3
    for _ in range(int(seconds / step) + 1):
        free = max(0, AT_ONCE - scheduler.slots)
        scheduler.queue_all(waiting[:free])
        del waiting[:free]
        await scheduler.passes(step)
    await scheduler.passes(seconds % step)


class Witness:
    """Looks at the row whenever a pod's deletion begins."""

    def __init__(self, cluster: Cluster, database: Database) -> None:
        self._database, self._delete = database, cluster.start_deletion
        self.too_early: list[str] = []
        cluster.start_deletion = self._start_deletion  # type: ignore[method-assign]

    def _start_deletion(self, pod: dict[str, Any], grace: int) -> None:
        ti = self._database.tis[pod["metadata"]["annotations"]["task_instance_id"]]
        if ti.state in ("queued", "running"):
            self.too_early.append(f"{pod['metadata']['name']} while its task was {ti.state}")
        self._delete(pod, grace)
