"""The end of the loop: pods go on, nothing else does."""

from __future__ import annotations

from tests.unit.control.pods import holding_creates
from tests.unit.control.world import Cluster, World


async def test_creates_under_way_are_finished_and_their_secret_is_handed_over():
    kube = Cluster()
    async with World(kube=kube) as world:
        await world.passes(1)
        kube.latency = 0.5
        world.queue_all(world.tasks(40))
        await world.passes(0.2)
        await world.close()
        owners = {owner.name for secret in kube.secrets.values() for owner in secret.owners}
        assert owners == {name for _, name in kube.pods}
        assert len(kube.pods) == 40
        assert all(secret.owners for secret in kube.secrets.values())


async def test_running_pods_go_on():
    async with World() as world:
        launches = world.queue_all(world.tasks(10))
        await world.passes(1)
        for launch in launches:
            world.runs(launch)
        await world.close()
        assert len(world.kube.pods) == 10
        assert world.kube.secrets == {}
        assert world.kube.count("delete") == 0


async def test_an_api_that_never_answers_does_not_hold_up_the_end():
    kube = Cluster()
    async with World(kube=kube) as world:
        await world.passes(1)
        kube.latency = 3600.0
        world.queue_all(world.tasks(5))
        await world.passes(1)
        began = world.loop.time()
        await world.close()
        assert world.loop.time() - began <= 5


async def test_deletes_that_wait_for_a_lease_do_not_hold_up_the_end():
    async with World() as world:
        launch = world.queue(world.task("a"))
        await world.passes(1)
        world.runs(launch)
        world.beating = False
        await world.passes(20)
        world.succeeds(launch)
        await world.passes(2)
        began = world.loop.time()
        await world.close()
        assert world.loop.time() - began <= 5


async def test_a_worker_that_is_about_to_end_does_not_hold_up_the_end():
    """It has just reported: its pod is left to the next scheduler, and not deleted before its time."""
    async with World(reconcile=1) as world:
        launch = world.queue(world.task("a"))
        await world.passes(1)
        world.runs(launch)
        world.database.tis[launch.ti_id].state = "success"
        await world.passes(3)
        assert world.settled(launch) == 1
        began = world.loop.time()
        await world.close()
        assert world.loop.time() - began < 1
        assert (world.kube.count("delete"), len(world.kube.pods)) == (0, 1)


async def test_a_secret_that_waits_for_an_answer_does_not_hold_up_the_end():
    """The answer to its pod's create was lost, and the next one is minutes away."""
    async with World(kube=holding_creates()) as world:
        world.queue_all(world.tasks(2))
        await world.passes(5)
        assert len(world.kube.pods) == 1
        began = world.loop.time()
        await world.close()
        assert world.loop.time() - began < 1
