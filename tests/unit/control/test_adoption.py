"""Taking over what a dead scheduler left."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from executor.identity import pod_name
from executor.model import Adopted, Launch, Outcome
from tests.unit.control.database import Database, Ti
from tests.unit.control.pods import keep_to_itself
from tests.unit.control.world import Cluster, World, identity_of


def left_behind(world: World, state: str = "queued", task_id: str = "a") -> tuple[Ti, Launch]:
    """A row that a dead scheduler queued; Airflow has put our job into it."""
    ti = world.task(task_id)
    launch = world.database.queue(ti)
    ti.state = state
    return ti, launch


async def test_a_running_pod_is_followed_and_keeps_its_uid():
    kube = Cluster()
    async with World(kube=kube) as world:
        ti, launch = left_behind(world, "running")
        kube.add_pod(world.pods.manifest(launch, 1))
        pod = world.pod_of(launch).running()
        ti.hostname = pod.key[1]
        uid = kube.pods[pod.key]["metadata"]["uid"]
        world.machine.adopt([ti.adopted()])
        world.machine.adopt([ti.adopted()])
        assert world.slots == 1
        await world.passes(60)
        assert kube.pods[pod.key]["metadata"]["uid"] == uid
        assert (world.events(launch), world.created(launch)) == ([], 1)
        world.succeeds(launch)
        await world.passes(3)
        assert (world.settled(launch), world.slots, kube.pods) == (1, 0, {})


async def test_a_queued_row_without_a_pod_is_launched_with_a_workload_made_anew():
    async with World() as world:
        ti, launch = left_behind(world)
        world.machine.adopt([ti.adopted()])
        await world.passes(2)
        world.runs(launch)
        world.succeeds(launch)
        await world.passes(2)
        assert (world.created(launch), world.settled(launch), world.events(launch)) == (1, 1, [])


async def test_a_running_pod_that_the_watch_never_showed_is_looked_for():
    """Adopted from a scheduler that was only slow, long after the first list; its row names the pod."""
    kube, hidden = Cluster(), set()
    keep_to_itself(kube, hidden)
    async with World(kube=kube, reconcile=1000) as world:
        ti, launch = left_behind(world, "running")
        hidden.add(name := pod_name(identity_of(launch, 1)))
        await world.passes(5)
        kube.add_pod(world.pods.manifest(launch, 1))
        pod = world.pod_of(launch).running()
        ti.hostname = name
        world.machine.adopt([ti.adopted()])
        await world.passes(30)
        assert (world.events(launch), world.slots) == ([], 1)
        hidden.clear()
        ti.state = "success"
        pod.finish(0)
        await world.passes(5)
        assert (world.drained_events(), world.slots, kube.pods) == ([], 0, {})


@pytest.mark.parametrize("named", [True, False], ids=["its pod is named", "hostname_callable"])
async def test_a_running_row_without_a_pod_fails(named: bool):
    async with World() as world:
        ti, launch = left_behind(world, "running")
        ti.hostname = pod_name(identity_of(launch, 1)) if named else "10.0.0.1"
        world.machine.adopt([ti.adopted()])
        await world.passes(3)
        assert (world.outcomes(launch), ti.state) == ([Outcome.FAILED], "failed")
        await world.passes(3)
        assert (world.settled(launch), world.slots) == (1, 0)


@pytest.mark.parametrize("state", ["queued", "running"])
async def test_a_row_that_moved_on_meanwhile_is_let_go(state: str):
    async with World() as world:
        ti, launch = left_behind(world, state)
        adopted = ti.adopted()
        ti.state = "success"
        world.machine.adopt([adopted])
        await world.passes(3)
        assert (world.settled(launch), world.slots, world.events(launch)) == (1, 0, [])
        assert world.created(launch) == 0


async def test_many_are_rebuilt_and_one_that_cannot_be_harms_itself_only():
    async with World() as world:
        left = [left_behind(world, task_id=f"t{n}") for n in range(45)]
        bad_ti, bad = left[7]
        world.database.spoil = lambda one: ValueError("no such dag") if one.ti_id == bad_ti.ti_id else None
        world.machine.adopt([ti.adopted() for ti, _ in left])
        await world.passes(10)
        assert [world.created(launch) for _, launch in left if launch != bad] == [1] * 44
        assert world.outcomes(bad) == [Outcome.FAILED]
        assert "ValueError" in world.events(bad)[0].info


async def test_a_database_that_is_away_delays_adoption():
    async with World() as world:
        ti, launch = left_behind(world)
        world.database.down = True
        world.machine.adopt([ti.adopted()])
        await world.passes(60)
        assert world.created(launch) == 0
        world.database.down = False
        await world.passes(5)
        assert world.created(launch) == 1


async def test_nothing_is_decided_before_the_first_complete_list():
    kube = Cluster(forbidden={"default"})
    async with World(kube=kube) as world:
        ti, launch = left_behind(world, "running")
        other_ti, other = left_behind(world, "queued", "b")
        world.machine.adopt([ti.adopted(), other_ti.adopted()])
        await world.passes(120)
        assert world.slots == 2
        assert (world.events(launch), world.events(other)) == ([], [])


async def test_a_namespace_that_may_not_be_listed_holds_up_what_may_run_there_and_nothing_else():
    kube = Cluster(forbidden={"other"}, namespaces={"default", "other"})
    async with World(kube=kube, namespaces=("default", "other")) as world:
        running_ti, running = left_behind(world, "running")
        queued_ti, queued = left_behind(world, "queued", "b")
        world.machine.adopt([running_ti.adopted(), queued_ti.adopted()])
        await world.passes(60)
        assert (world.created(queued), world.events(running)) == (1, [])
        kube.forbidden.clear()
        await world.passes(60)
        assert world.outcomes(running) == [Outcome.FAILED]


async def test_an_adopted_pod_that_vanishes_before_it_started_is_replaced_with_a_whole_workload():
    kube = Cluster()
    async with World(kube=kube) as world:
        ti, launch = left_behind(world)
        kube.add_pod(world.pods.manifest(launch, 1))
        world.machine.adopt([ti.adopted()])
        await world.passes(2)
        world.pod_of(launch).deleted()
        await world.passes(5)
        pod = world.runs(launch)
        assert b'"ti":' in world.workload_of(pod, launch)
        assert pod.key[1] == pod_name(identity_of(launch, 2))


async def test_of_several_pods_of_a_launch_the_living_one_is_followed():
    """Attempt 1 died and was not deleted yet; the task runs in attempt 2."""
    kube = Cluster()
    async with World(kube=kube) as world:
        ti, launch = left_behind(world, "running")
        for attempt in (1, 2):
            kube.add_pod(world.pods.manifest(launch, attempt))
        first, second = (kube.play(pod_name(identity_of(launch, n))) for n in (1, 2))
        first.running().finish(137, "Error")
        second.running()
        ti.hostname = second.key[1]
        await world.passes(1)
        world.machine.adopt([ti.adopted()])
        await world.passes(5)
        assert (world.events(launch), world.settled(launch)) == ([], 0)
        second.oom()
        await world.passes(5)
        assert "OOMKilled" in world.events(launch)[0].info


async def test_a_pod_that_appears_while_the_workload_is_made_is_followed():
    kube = Cluster()
    async with World(kube=kube) as world:
        ti, launch = left_behind(world)
        world.database.latency = 3.0
        world.machine.adopt([ti.adopted()])
        await world.passes(1)
        kube.add_pod(world.pods.manifest(launch, 2))
        await world.passes(10)
        assert (world.created(launch), kube.count("create")) == (1, 0)


async def test_what_another_scheduler_adopted_again_is_left_to_it():
    kube = Cluster()
    async with World(kube=kube) as world:
        ti, launch = left_behind(world)
        kube.add_pod(world.pods.manifest(launch, 1))
        adopted = replace(ti.adopted())
        ti.queued_by_job_id = 9
        world.machine.adopt([adopted])
        await world.passes(40)
        assert (world.settled(launch), len(kube.pods)) == (1, 1)


async def test_an_attempt_that_died_before_does_not_relaunch_the_one_that_waits():
    kube = Cluster()
    async with World(kube=kube) as world:
        ti, launch = left_behind(world)
        for attempt in (1, 2):
            kube.add_pod(world.pods.manifest(launch, attempt))
        kube.play(pod_name(identity_of(launch, 1))).evicted()
        await world.passes(1)
        world.machine.adopt([ti.adopted()])
        await world.passes(5)
        assert kube.count("create") == 0
        assert world.said(launch, "pod relaunched") == []


async def test_a_row_that_could_not_be_rebuilt_at_first_is_never_launched_without_its_workload():
    """It looked as if it had moved on, and had not."""

    class Hesitant(Database):
        hidden = 1

        async def rebuild(self, adopted: Sequence[Adopted]) -> Mapping[str, object]:
            self.hidden -= 1
            return {} if self.hidden >= 0 else await super().rebuild(adopted)

    async with World(database=Hesitant()) as world:
        ti, launch = left_behind(world)
        world.machine.adopt([ti.adopted()])
        await world.passes(5)
        assert json.loads(world.workload_of(world.pod_of(launch), launch))["ti"] == ti.ti_id
        world.runs(launch)
        world.succeeds(launch)
        await world.passes(3)
        assert (world.settled(launch), world.events(launch)) == (1, [])


@pytest.mark.parametrize("late", [1, 2])
async def test_a_pod_that_turns_up_late_and_whose_secret_was_never_made_is_replaced(late: int):
    """Both were on their way when their scheduler was killed, and only the pod arrived, after the first list: that of
    the first attempt while its workload is made anew, that of a further one while its predecessor is followed."""
    kube = Cluster()
    async with World(kube=kube) as world:
        ti, launch = left_behind(world)
        for attempt in range(1, late):
            kube.add_pod(world.pods.manifest(launch, attempt))
        world.database.latency = 3.0
        world.machine.adopt([ti.adopted()])
        await world.passes(5 if late > 1 else 1)
        kube.add_pod(world.pods.manifest(launch, late, secret="never-made"))
        await world.passes(50)
        pod = kube.play(pod_name(identity_of(launch, late + 1)))
        assert world.workload_of(pod, launch)
        pod.running()
        world.database.tis[launch.ti_id].state = "success"
        pod.finish(0)
        await world.passes(70)
        assert (world.settled(launch), world.events(launch), kube.pods) == (1, [], {})
