"""The executor itself loads the API server: a PATCH for every pod it adopts, a delete repeated until the pod is gone,
a LIST for every task that is revoked; with some hundred pods everybody's calls get slower.

We promise: a task costs a create and a delete, whether it ends, is adopted or is revoked; its Secret it shares with up
to 200 others, and makes no work for Kubernetes' garbage collector, which asks for every owner of an object whenever one
of them goes; nothing is read per task but the log's tail of one that is killed, and LISTs come by the minute, whatever
the number of tasks. All requests are counted. Size: 1,000 tasks (10,000 with SOAK=1), in virtual time.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter

from tests.promises.stage import JOB, Cluster, Database, Kubelet, Scheduler

TASKS = 10_000 if os.environ.get("SOAK") else 1_000
AT_ONCE = 500
MUTATING = ("create", "patch", "delete")
PER_TASK = 2.2
LISTS_PER_MINUTE = 2  # reconcile_interval, as installed


class Meter:
    """Requests since it was made."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster, self._first, self._began = cluster, len(cluster.calls), self._now()

    def calls(self) -> Counter[tuple[str, str]]:
        return Counter((call.verb, call.resource) for call in self._cluster.calls[self._first :])

    def mutating(self) -> int:
        return sum(count for (verb, _), count in self.calls().items() if verb in MUTATING)

    def reads(self) -> dict[tuple[str, str], int]:
        """By verb and resource; watches apart."""
        return {call: count for call, count in self.calls().items() if call[0] not in (*MUTATING, "watch")}

    def minutes(self) -> float:
        return (self._now() - self._began) / 60

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def lists_come_by_the_minute(meter: Meter) -> bool:
    """And nothing else is read. Secrets are listed by names only."""
    reads, minutes = meter.reads(), meter.minutes() + 1
    rare = reads["list", "pods"] <= LISTS_PER_MINUTE * minutes and reads.get(("list", "secrets"), 0) <= minutes
    return rare and set(reads) <= {("list", "pods"), ("list", "secrets")}


async def test_row_36_a_task_costs_a_create_and_a_delete():
    cluster, database = Cluster(latency=0.02), Database()
    async with Kubelet(cluster, database) as kubelet, Scheduler(cluster, database) as scheduler:
        meter, waiting = Meter(cluster), scheduler.tasks(TASKS)
        while waiting:
            scheduler.queue_all(waiting[:AT_ONCE])
            del waiting[:AT_ONCE]
            await scheduler.passes(20)
        await scheduler.passes(120)

        assert sum(kubelet.ran.values()) == TASKS
        assert (cluster.pods, cluster.secrets) == ({}, {})
        assert meter.mutating() <= PER_TASK * TASKS
        assert lists_come_by_the_minute(meter)


async def test_row_36_adoption_changes_nothing_on_the_cluster():
    cluster, database = Cluster(latency=0.02), Database()
    async with Kubelet(cluster, database, runs=1e9):
        async with Scheduler(cluster, database) as old:
            old.queue_all(old.tasks(TASKS))
            await old.passes(60)
            await old.kill()
        meter = Meter(cluster)
        async with Scheduler(cluster, database, job=JOB + 1) as new:
            adopted = new.take_over(JOB)
            await new.passes(300)

            assert len(adopted) == len(cluster.pods) == TASKS
            assert meter.mutating() == 0
            assert lists_come_by_the_minute(meter)


async def test_row_36_secrets_go_when_their_pods_have_started_and_never_have_owners():
    cluster, database = Cluster(latency=0.02), Database()
    async with Kubelet(cluster, database, runs=1e9) as kubelet, Scheduler(cluster, database) as scheduler:
        meter = Meter(cluster)
        scheduler.queue_all(scheduler.tasks(TASKS))
        await scheduler.passes(60)

        assert sum(kubelet.ran.values()) == len(cluster.pods) == TASKS
        assert cluster.secrets == {}
        assert meter.calls()["patch", "secrets"] == 0


async def test_row_36_a_revoked_task_costs_one_delete_however_long_its_pod_takes():
    cluster, database = Cluster(latency=0.02, stop_after=25.0), Database()
    async with Kubelet(cluster, database, runs=1e9), Scheduler(cluster, database) as scheduler:
        launches = scheduler.queue_all(scheduler.tasks(TASKS))
        await scheduler.passes(60)
        meter = Meter(cluster)
        for launch in launches:
            database.tis[launch.ti_id].state = "failed"
            scheduler.machine.abandon(launch.id, "the scheduler revoked it")
        await scheduler.passes(120)

        assert cluster.pods == {}
        assert meter.calls()["delete", "pods"] == TASKS
        assert meter.mutating() <= 1.1 * TASKS
        assert meter.reads()["get", "pods/log"] == TASKS  # the log's tail of what is killed
        assert meter.reads()["list", "pods"] <= LISTS_PER_MINUTE * (meter.minutes() + 1)
