"""Ended pods are kept as long as they are of use, each outcome for its own time, and never more than so many.

What users suffer: pods are deleted at once or never. Who wants to look at a failed pod keeps all failed ones for ever,
thousands of them, until etcd or a quota is full; a cleaning job beside the executor deletes what somebody is reading.
What we promise: a time for each outcome and a cap on their number, whichever scheduler launched them, one DELETE each.
150 failed and 50 good pods, ten minutes for failures, none for successes, at most 100; in virtual time.
"""

from __future__ import annotations

from executor.control.retention import KeepPolicy
from executor.model import Launch
from tests.unit.control.world import Cluster, World

FAILED, GOOD, CAP, TTL = 150, 50, 100, 600.0
POLICY = KeepPolicy(ttl_failed=TTL, ttl_succeeded=0, keep_last=CAP)
PASS = 35.0  # seconds until the collector has been there


async def end(world: World, launches: list[Launch], code: int) -> None:
    for launch in launches:
        world.runs(launch)
    await world.passes(1)
    for launch in launches:
        world.database.tis[launch.ti_id].state = "failed" if code else "success"
        world.pod_of(launch).finish(code)


def left(world: World, launches: list[Launch]) -> int:
    return sum(len(world.pods_of(launch)) for launch in launches)


async def test_row_41_each_outcome_has_its_time_and_there_is_a_cap() -> None:
    kube = Cluster()
    async with World(kube=kube, keep=POLICY) as world:
        good = world.queue_all([world.task(f"good{n}") for n in range(GOOD)])
        bad = world.queue_all([world.task(f"bad{n}") for n in range(FAILED)])
        await world.passes(5)
        await end(world, good, 0)
        await end(world, bad[: FAILED - CAP], 1)
        await world.passes(PASS)
        assert (left(world, good), left(world, bad[: FAILED - CAP])) == (0, FAILED - CAP)

        await end(world, bad[FAILED - CAP :], 1)
        await world.passes(PASS)
        assert (left(world, bad), left(world, bad[FAILED - CAP :])) == (CAP, CAP), "the newest stay"
        assert (world.slots, world.drained_events()) == (0, [])
        database = world.database

    kube.closed = False
    async with World(kube=kube, database=database, keep=POLICY) as world:  # another scheduler
        await world.passes(TTL - 2 * PASS)
        assert left(world, bad) == CAP
        await world.passes(2 * PASS)
        assert kube.pods == {}
        assert kube.count("delete") == GOOD + FAILED
        assert kube.secrets == {}
