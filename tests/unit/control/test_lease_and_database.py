"""A frozen scheduler and a database that is away: nothing is done on stale knowledge, and nothing is lost."""

from __future__ import annotations

import logging

import pytest

from executor.errors import Unreachable
from tests.unit.control.world import Cluster, World

LEASE = 15.0


async def frozen(world: World) -> None:
    """The scheduler's heartbeat is older than the lease."""
    world.beating = False
    await world.passes(LEASE + 2)


async def test_without_the_lease_nothing_is_posted_and_rows_are_read_before_going_on():
    async with World() as world:
        await world.passes(1)
        await frozen(world)
        stays, moves = world.task("stays"), world.task("moves")
        keep, gone = world.queue_all([stays, moves])
        await world.passes(60)
        assert world.kube.count("create") == 0
        moves.state = "scheduled"
        before = world.database.reads
        world.beating = True
        await world.passes(5)
        assert world.database.reads > before
        assert (world.created(keep), world.created(gone)) == (1, 0)
        assert (world.settled(gone), world.settled(keep)) == (1, 0)


async def test_what_was_on_its_way_when_the_scheduler_froze_is_held_too():
    async with World(create_qps=0.2) as world:
        await world.passes(1)
        tis = world.tasks(6)
        launches = world.queue_all(tis)
        await frozen(world)
        posted = world.kube.count("create")
        assert 0 < posted < 6
        await world.passes(60)
        assert world.kube.count("create") == posted
        for ti in tis:
            if not world.kube.pods.get(("default", "none")) and not world.pods_of(ti.launch()):
                ti.state = "scheduled"
        world.beating = True
        await world.passes(60)
        assert sum(world.created(launch) for launch in launches) == posted


async def test_what_waits_for_its_turn_to_be_posted_when_the_scheduler_comes_back_is_looked_up_first():
    """Its manifest was built before the freeze, and somebody ended the task meanwhile."""
    async with World(create_qps=0.02) as world:
        await world.passes(1)
        first, second = world.tasks(2)
        launches = world.queue_all([first, second])
        await world.passes(1)
        world.beating = False
        await world.passes(40)
        second.state = "success"
        world.beating = True
        await world.passes(15)
        assert [world.created(launch) for launch in launches] == [1, 0]


async def test_without_the_lease_nothing_is_deleted():
    async with World() as world:
        launch = world.queue(world.task("a"))
        await world.passes(1)
        world.runs(launch)
        await frozen(world)
        world.succeeds(launch)
        await world.passes(60)
        assert world.kube.count("delete") == 0
        world.beating = True
        await world.passes(3)
        assert (world.kube.pods, world.settled(launch)) == ({}, 1)


async def test_a_database_that_is_away_holds_events_and_deletes():
    async with World() as world:
        fails, succeeds = world.queue_all(world.tasks(2))
        await world.passes(1)
        world.runs(fails)
        world.runs(succeeds)
        world.database.down = True
        world.pod_of(fails).finish(3, "Error")
        world.succeeds(succeeds)
        await world.passes(90)
        assert not world.events(fails)
        assert world.kube.count("delete") == 0
        world.database.down = False
        await world.passes(6)
        assert len(world.events(fails)) == 1
        assert (world.settled(fails), world.settled(succeeds), world.kube.pods) == (1, 1, {})


async def test_a_database_that_stays_away_for_an_hour_after_a_freeze_is_waited_for():
    async with World() as world:
        await world.passes(1)
        await frozen(world)
        ti = world.task("a")
        launch = world.queue(ti)
        world.database.down, world.beating = True, True
        await world.passes(3600)
        assert world.created(launch) == 0
        ti.state = "scheduled"
        world.database.down = False
        await world.passes(10)
        assert (world.created(launch), world.settled(launch)) == (0, 1)


@pytest.mark.parametrize("seconds", [30, 150])
async def test_an_api_server_that_is_away_in_the_middle(seconds: int):
    kube = Cluster()
    async with World(kube=kube) as world:
        running = world.queue(world.task("running"))
        await world.passes(1)
        world.runs(running)
        await world.passes(1)
        kube.fail = lambda call: Unreachable("connection refused")
        kube.break_streams(Unreachable("connection reset"))
        queued = world.queue_all(world.tasks(10))
        world.succeeds(running)
        await world.passes(seconds)
        assert not any(world.events(one) for one in (running, *queued))
        kube.fail = lambda call: None
        await world.passes(45)
        assert [world.created(one) for one in queued] == [1] * 10
        assert world.settled(running) == 1
        assert not world.pods_of(running)


async def test_an_outage_is_no_flood_in_the_log(caplog):
    """500 tasks, two minutes without an API server and without a database: a line a minute, not one per task."""
    caplog.set_level(logging.INFO)
    kube = Cluster(fail=lambda call: Unreachable("connection refused"))
    async with World(kube=kube) as world:
        world.queue_all(world.tasks(500))
        world.database.down = True
        for launch in list(world.machine.tracker):
            world.machine._judge.want_row(launch.launch.id)
        await world.passes(120)
        lines = [record.getMessage() for record in caplog.records]
        assert 0 < len(lines) <= 12, lines[:20]
