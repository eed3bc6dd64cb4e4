"""The executor believes in pods that have long gone; its slots fill up with them until nothing is launched any more.

We promise: slots follow from rows and pods as they are, not from having heard of every change. Ten of a hundred watch
events are lost at random; one round of reconciliation after the last pod has ended all slots are free, every task has
the state it should have, and no pod is left. Size: 1,000 tasks (10,000 with SOAK=1), at most 200 at once as the
scheduler's parallelism allows, a quarter of which end without a word; in virtual time.
"""

from __future__ import annotations

import os
import random

from executor.kube.port import PodChanged, PodGone
from tests.promises.stage import Cluster, Database, Kubelet, Scheduler, Ti

TASKS = 10_000 if os.environ.get("SOAK") else 1_000
PARALLELISM = 200
RESYNC = 30.0  # reconcile_interval, as installed
HANDLING = 8.0  # answers, confirmation of the event, deletion


async def test_row_03_slots_are_free_one_resync_after_the_last_pod_has_ended():
    dice = random.Random(3)
    cluster, database = Cluster(latency=0.02), Database()
    ends: dict[str, str] = {}

    def end(ti: Ti) -> str:
        ends[ti.ti_id] = dice.choice(["success", "success", "success", "crash"])
        return ends[ti.ti_id]

    async with Kubelet(cluster, database, ends=end) as kubelet, Scheduler(cluster, database) as scheduler:
        scheduler.line.drops = lambda e: isinstance(e, PodChanged | PodGone) and dice.random() < 0.1
        waiting = scheduler.tasks(TASKS)
        while waiting:
            free = max(0, PARALLELISM - scheduler.slots)
            scheduler.queue_all(waiting[:free])
            del waiting[:free]
            await scheduler.passes(1)
        while len(ends) < TASKS:
            await scheduler.passes(1)
        await scheduler.passes(RESYNC + HANDLING)

        assert scheduler.slots == 0
        assert (cluster.pods, cluster.secrets) == ({}, {})
        wrong = {"crash": "failed", "success": "success"}
        assert {ti.ti_id: ti.state for ti in database.tis.values()} == {one: wrong[how] for one, how in ends.items()}
        assert set(kubelet.ran.values()) == {1}
