"""What is urgent goes first, also when it came last.

What users suffer: the queue inside the executor is first come, first served. Hundreds of unimportant tasks wait for
quota, one important task arrives, and it waits behind all of them; whatever is tried again goes to the back.
What we promise: priority first, then age, looked at anew whenever there is room for a pod. Size: 500 waiting tasks.
"""

from __future__ import annotations

from tests.unit.control.world import Cluster, World

LOW = 500


async def test_row_34_one_urgent_task_passes_500_that_wait_for_quota() -> None:
    kube = Cluster(latency=0.02, quota={"default": 1})
    async with World(kube=kube) as world:
        holder = world.queue(world.task("holder"))
        await world.passes(2)
        low = world.queue_all([world.task(f"low{n}", priority=1) for n in range(LOW)])
        await world.passes(600)  # tried, pushed back, tried again
        assert kube.born == [holder.id]
        high = world.queue(world.task("high", priority=10))
        await world.passes(60)
        again = len(kube.born)

        world.runs(holder)
        world.succeeds(holder)
        await world.passes(40)
        assert kube.born[again:] == [high.id]

        kube.quota["default"] = 4
        await world.passes(40)
        assert kube.born[again + 1 :] == [one.id for one in low[:3]], "of equals, the one that waits longest"


async def test_row_34_a_task_that_comes_back_keeps_its_place() -> None:
    """A launch that the API server turned away is older than what came after it, not younger."""
    kube = Cluster(quota={"default": 0})
    async with World(kube=kube) as world:
        first = world.queue(world.task("first"))
        await world.passes(30)
        later = world.queue_all(world.tasks(20))
        await world.passes(120)
        kube.quota["default"] = 1
        await world.passes(40)
        assert kube.born == [first.id]
        assert later
