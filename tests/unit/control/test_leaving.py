"""Launches that lost their row, and pods on their way out."""

from __future__ import annotations

import pytest

from tests.fakes.kube import status_error
from tests.unit.control.world import Cluster, World


async def test_an_older_launch_that_ends_says_nothing_about_the_newer():
    """A deferral: the same key and try, another launch id."""
    async with World() as world:
        ti = world.task("a")
        first = world.queue(ti)
        await world.passes(1)
        pod = world.runs(first)
        world.kube.stop_after = 15.0
        ti.state = "deferred"
        second = world.queue(ti)
        await world.passes(0.5)
        pod.finish(1, "Error")
        await world.passes(40)
        assert (world.events(first), world.events(second)) == ([], [])
        assert ti.state == "queued"
        world.runs(second)
        world.succeeds(second)
        await world.passes(2)
        assert (world.settled(first), world.settled(second), world.slots) == (1, 1, 0)


async def test_a_row_that_moved_while_its_pod_is_pending_frees_slot_and_pod():
    async with World() as world:
        ti = world.task("a")
        launch = world.queue(ti)
        await world.passes(1)
        ti.state = "failed"
        await world.passes(31)
        assert (world.settled(launch), world.slots, world.kube.pods, world.kube.secrets) == (1, 0, {}, {})
        assert world.events(launch) == []


async def test_a_row_that_another_scheduler_took_over_keeps_its_pod():
    async with World() as world:
        ti = world.task("a")
        launch = world.queue(ti)
        await world.passes(1)
        world.runs(launch)
        ti.queued_by_job_id = 8
        await world.passes(120)
        assert (world.settled(launch), world.slots) == (1, 0)
        assert len(world.kube.pods) == 1


@pytest.mark.parametrize("started", [False, True])
async def test_what_the_scheduler_gives_up_goes(started: bool):
    async with World() as world:
        ti = world.task("a")
        launch = world.queue(ti)
        await world.passes(1)
        if started:
            world.runs(launch)
        await world.passes(1)
        ti.state = "failed"
        world.machine.abandon(launch.id, "no heartbeat")
        world.machine.abandon(launch.id, "no heartbeat")
        await world.passes(2)
        assert (world.settled(launch), world.slots, world.kube.pods, world.kube.secrets) == (1, 0, {}, {})
        assert world.events(launch) == []


async def test_a_duplicate_that_lost_the_race_does_not_kill_the_winner():
    """B9: two pods of one launch; the one whose worker was turned away exits 1."""
    async with World() as world:
        ti = world.task("a")
        launch = world.queue(ti)
        await world.passes(1)
        winner = world.pods.manifest(launch, 9)
        world.kube.add_pod(winner)
        world.kube.play(winner["metadata"]["name"]).running()
        ti.state, ti.hostname = "running", winner["metadata"]["name"]
        loser = next(p for p in world.pods_of(launch) if p.key[1] != winner["metadata"]["name"])
        loser.running().finish(1, "Error")
        await world.passes(10)
        assert world.events(launch) == []
        assert ti.state == "running"
        assert list(world.kube.pods) == [("default", winner["metadata"]["name"])]
        world.kube.play(winner["metadata"]["name"]).oom()
        await world.passes(5)
        assert "OOMKilled" in world.events(launch)[0].info


async def test_a_worker_that_reported_by_itself_may_finish():
    """After a deferral SIGTERM would reach `on_kill` of the task that has just handed its job to the triggerer."""
    async with World(reconcile=2.0) as world:
        ti = world.task("a")
        launch = world.queue(ti)
        await world.passes(1)
        pod = world.runs(launch)
        ti.state = "deferred"
        await world.passes(5)
        assert world.kube.count("delete") == 0
        assert (world.settled(launch), world.slots) == (1, 0)
        pod.finish(0)
        await world.passes(0.5)
        assert world.kube.pods == {}


async def test_a_worker_that_does_not_finish_by_itself_is_ended():
    async with World(reconcile=2.0) as world:
        ti = world.task("a")
        launch = world.queue(ti)
        await world.passes(1)
        world.runs(launch)
        ti.state = "success"
        await world.passes(15)
        assert world.kube.pods == {}


async def test_the_next_try_waits_for_the_pod_that_was_given_up():
    """M13: the scheduler's heartbeat timeout; user code may still run in the first pod. The next try has a new id."""
    async with World() as world:
        ti = world.task("a", retries=1)
        first = world.queue(ti)
        await world.passes(1)
        world.kube.stop_after = 12.0
        world.runs(first)
        await world.passes(1)
        del world.database.tis[ti.ti_id]
        again = world.task("a", retries=1)
        again.try_number = 2
        world.machine.abandon(first.id, "no heartbeat")
        second = world.queue(again)
        await world.passes(10)
        assert world.created(second) == 0
        await world.passes(4)
        assert (world.created(second), world.pods_of(first)) == (1, [])


async def test_the_next_try_waits_for_a_delete_that_is_not_answered_but_not_for_ever():
    kube = Cluster()
    async with World(kube=kube) as world:
        ti = world.task("a")
        first = world.queue(ti)
        await world.passes(1)
        kube.fail = lambda call: status_error(500, "InternalError", "etcd") if call.verb == "delete" else None
        world.machine.abandon(first.id, "stuck")
        second = world.queue(ti)
        await world.passes(25)
        assert world.created(second) == 0
        await world.passes(10)
        assert world.created(second) == 1
        kube.fail = lambda call: None


async def test_another_mapped_task_does_not_wait():
    async with World() as world:
        first, other = world.task("a"), world.task("b")
        launch = world.queue(first)
        await world.passes(1)
        world.kube.stop_after = 20.0
        world.runs(launch).deleted()
        running = world.queue(other)
        await world.passes(1)
        assert world.created(running) == 1
