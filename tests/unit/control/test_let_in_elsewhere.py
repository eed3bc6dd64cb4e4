"""A worker is let in by its task instance's id: one whose launch was given up may get the next launch's task."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from executor.control.retention import KeepPolicy
from executor.model import Launch, Outcome
from tests.fakes.kube import status_error
from tests.fakes.kube_play import Play
from tests.unit.control.database import Ti
from tests.unit.control.world import Cluster, World

YOUNG = 60.0  # seconds: a worker that started less ago may ask at any moment


@dataclass(frozen=True, slots=True)
class Requeued:
    """A task that was stuck in queued: its first launch was taken back while the worker in its pod started."""

    ti: Ti
    first: Launch
    pod: Play
    second: Launch

    def first_is_let_in(self, world: World) -> None:
        """For the second launch, whose own worker is turned away."""
        self.ti.state, self.ti.hostname = "running", self.pod.key[1]
        world.pod_of(self.second).running().finish(1, "Error")


async def requeued(world: World, *, started: float | None = 1.0, retries: int = 0) -> Requeued:
    """started: how many seconds before the task was taken back, None if it had not."""
    ti = world.task("a", retries=retries)
    first = world.queue(ti)
    await world.passes(1)
    pod = world.pod_of(first)
    if started is not None:
        pod.running()
        await world.passes(started)
    world.machine.abandon(first.id, "stuck in queued")
    second = world.queue(ti)
    await world.passes(0.5)
    return Requeued(ti, first, pod, second)


async def test_its_pod_stays_and_is_followed_until_it_has_reported():
    async with World() as world:
        task = await requeued(world)
        task.first_is_let_in(world)
        await world.passes(300)
        assert (list(world.kube.pods), world.slots) == ([task.pod.key], 1), "the second's own pod is not needed"
        task.ti.state = "success"
        task.pod.finish(0)
        await world.passes(3)
        assert (world.drained_events(), world.slots, world.kube.pods) == ([], 0, {})
        assert not world.machine.tracker._followed


async def test_its_end_is_what_the_next_launch_is_told():
    async with World() as world:
        task = await requeued(world)
        task.first_is_let_in(world)
        await world.passes(3)
        task.pod.oom()
        await world.passes(3)
        assert "OOMKilled" in world.events(task.second)[0].info
        assert (task.ti.state, world.events(task.first), world.slots, world.kube.pods) == ("failed", [], 0, {})


@pytest.mark.parametrize("seen", [True, False])
async def test_a_pod_of_it_that_others_deleted_gives_the_try_back(seen: bool):
    """seen: the watch has shown it to who follows the second launch; else its row tells of it."""
    kube = Cluster()
    async with World(kube=kube) as world:
        task = await requeued(world, retries=1)
        if seen:
            task.first_is_let_in(world)
            await world.passes(3)
            task.pod.vanish()
        else:
            task.pod.vanish()
            await world.passes(3)
            task.first_is_let_in(world)
        await world.passes(5)
        assert world.outcomes(task.second) == [Outcome.FAILED]
        assert task.pod.key[1] in world.events(task.second)[0].info
        assert (task.ti.state, task.ti.max_tries) == ("up_for_retry", 2)


async def test_a_pod_whose_worker_may_be_let_in_is_deleted_once_it_cannot_be():
    async with World() as world:
        task = await requeued(world)
        await world.passes(20)
        assert task.pod.key in world.kube.pods
        assert world.created(task.second) == 1, "nobody waits for it meanwhile"
        world.runs(task.second)
        await world.passes(2)
        assert list(world.kube.pods) == [world.pod_of(task.second).key]


@pytest.mark.parametrize("started", [None, YOUNG])
async def test_a_pod_whose_worker_has_not_started_or_hangs_is_deleted_at_once(started: float | None):
    async with World() as world:
        task = await requeued(world, started=started)
        await world.passes(1)
        assert list(world.kube.pods) == [world.pod_of(task.second).key]


async def test_a_pod_that_starts_while_it_is_being_deleted_is_looked_at_anew():
    """Its worker might be let in before the kubelet hears of the deletion."""
    kube = Cluster()
    async with World(kube=kube) as world:
        ti = world.task("a")
        first = world.queue(ti)
        await world.passes(1)
        pod = world.pod_of(first)

        def starts(call) -> None:
            if call.verb == "delete" and kube.count("delete") == 1:
                pod.running()

        kube.fail = starts
        world.machine.abandon(first.id, "stuck in queued")
        second = world.queue(ti)
        await world.passes(5)
        assert (pod.key in kube.pods, kube.count("delete")) == (True, 1)
        Requeued(ti, first, pod, second).first_is_let_in(world)
        await world.passes(100)
        assert list(kube.pods) == [pod.key]


async def test_a_pod_that_ends_before_it_is_deleted_is_kept_like_any_other():
    async with World(keep=KeepPolicy(delete_on_failure=False)) as world:
        task = await requeued(world)
        task.pod.finish(1, "Error")
        world.runs(task.second)
        world.succeeds(task.second)
        await world.passes(200)
        assert list(world.kube.pods) == [task.pod.key]


async def test_a_pod_that_cannot_start_is_not_needed_while_an_earlier_one_runs_the_task():
    async with World(timeout_pulling=10.0) as world:
        task = await requeued(world)
        task.ti.state, task.ti.hostname = "running", task.pod.key[1]
        world.pod_of(task.second).waiting("ErrImagePull", "no such host")
        await world.passes(60)
        assert (list(world.kube.pods), world.drained_events()) == ([task.pod.key], [])


async def test_it_is_no_stray_to_a_scheduler_that_comes_later():
    """Its launch is settled, and its row names another."""
    async with World() as world:
        ti = world.task("a")
        earlier = world.database.queue(ti)
        world.kube.add_pod(world.pods.manifest(earlier, 1))
        pod = world.pod_of(earlier).running()
        later = world.database.queue(ti)
        ti.state, ti.hostname = "running", pod.key[1]
        world.machine.adopt([ti.adopted()])
        await world.passes(200)
        assert (list(world.kube.pods), world.events(later), world.slots) == ([pod.key], [], 1)
        pod.finish(3, "Error")
        await world.passes(3)
        assert "exit code 3" in world.events(later)[0].info


async def test_it_is_nobodys_stray_while_another_scheduler_has_the_row():
    async with World() as world:
        ti = world.task("a")
        world.kube.add_pod(world.pods.manifest(earlier := world.database.queue(ti), 1))
        pod = world.pod_of(earlier).running()
        world.database.queue(ti, job=8)
        ti.state, ti.hostname = "running", pod.key[1]
        await world.passes(200)
        assert (list(world.kube.pods), world.kube.count("get")) == ([pod.key], 0), "its row says it all"


async def test_a_pod_that_is_there_although_an_answer_denied_it_is_collected_later():
    kube = Cluster()
    kube.fail = lambda call: status_error(404, "NotFound", "not found") if call.verb == "get" else None
    async with World(kube=kube) as world:
        ti = world.task("a")
        launch = world.queue(ti)
        await world.passes(1)
        ti.state = "success"
        world.machine.abandon(launch.id, "stuck in queued")
        await world.passes(5)
        kube.fail = lambda call: None
        await world.passes(95)
        assert world.pods_of(launch) == []


async def test_nothing_is_deleted_while_the_rows_cannot_be_read():
    async with World() as world:
        ti = world.task("a")
        launch = world.queue(ti)
        await world.passes(1)
        world.database.down = True
        world.machine.abandon(launch.id, "stuck in queued")
        await world.passes(40)
        assert len(world.pods_of(launch)) == 1
        world.database.down = False
        await world.passes(31)
        assert world.pods_of(launch) == []


async def test_at_the_end_nobody_waits_for_a_worker_that_may_be_let_in():
    """The next scheduler comes back to its pod."""
    async with World() as world:
        task = await requeued(world)
        gets, began = world.kube.count("get"), world.loop.time()
        await world.close()
        assert world.loop.time() - began < 1
        assert world.kube.count("get") <= gets + 1
        assert task.pod.key in world.kube.pods
