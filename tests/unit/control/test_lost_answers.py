"""A create whose answer is lost, late, or about another pod: one pod, and a Secret for it."""

from __future__ import annotations

import asyncio

import pytest

from executor.errors import ApiError, Unreachable
from executor.identity import SECRET_ANNOTATION, pod_name
from executor.manifest.model import WorkloadMount
from tests.fakes.kube import Call
from tests.unit.control.pods import losing_the_first_answer
from tests.unit.control.world import Cluster, World, identity_of


async def test_a_lost_answer_gives_one_pod_whose_secret_exists():
    lost: list[Call] = []
    kube = losing_the_first_answer(lost)
    async with World(kube=kube) as world:
        launch = world.queue(world.task("a"))
        await world.passes(5)
        pod = world.pod_of(launch)
        assert world.created(launch) == 1
        name = kube.pods[pod.key]["metadata"]["annotations"][SECRET_ANNOTATION]
        assert list(kube.secrets) == [("default", name)]
        world.runs(launch)
        world.succeeds(launch)
        await world.passes(3)
        assert (kube.pods, kube.secrets, world.slots) == ({}, {}, 0)


async def test_a_lost_answer_in_a_batch_takes_the_secret_from_nobody():
    """What becomes of the twin is of no importance to the other pods of its batch."""
    lost: list[Call] = []
    kube = losing_the_first_answer(lost)
    async with World(kube=kube) as world:
        launches = world.queue_all(world.tasks(5))
        await world.passes(5)
        twin = next(one for one in launches if world.pod_of(one).key[1] == lost[0].name)
        world.runs(twin)
        world.succeeds(twin)
        await world.passes(5)
        for launch in launches:
            if launch is not twin:
                world.runs(launch)


async def test_a_lost_answer_while_the_rest_of_the_batch_is_slow():
    lost: list[Call] = []
    kube = losing_the_first_answer(lost)
    async with World(kube=kube, create_qps=0.5) as world:
        launches = world.queue_all(world.tasks(4))
        await world.passes(30)
        for launch in launches:
            world.runs(launch)
        assert len(kube.pods) == len(launches) == 4


async def test_a_twin_that_is_done_before_its_batch_takes_no_secret_with_it():
    """The lost create is found, and its task finished, while another create of the batch is not answered yet."""

    def lose(call: Call) -> ApiError | None:
        lost = call.verb == "create" and "t0" in call.name and kube.count("create") <= 4
        return Unreachable("connection reset") if lost else None

    kube = Cluster(lose_answer=lose)
    carry_out = kube.create_pod

    async def create_pod(namespace, manifest):
        if "t2" in manifest["metadata"]["name"]:
            await asyncio.sleep(20)
        return await carry_out(namespace, manifest)

    kube.create_pod = create_pod  # type: ignore[method-assign]
    async with World(kube=kube) as world:
        twin, quick, slow = world.queue_all(world.tasks(3))
        await world.passes(10)
        world.runs(twin)
        world.succeeds(twin)
        await world.passes(5)
        assert world.settled(twin) == 1
        world.runs(quick)
        await world.passes(10)
        world.runs(slow)


async def test_a_dead_pod_of_the_same_name_is_stepped_over():
    async with World() as world:
        ti = world.task("a")
        launch = world.database.queue(ti)
        mount = WorkloadMount("s", launch.id, "/m")
        assert mount.key == launch.id
        world.kube.add_pod(world.pods.manifest(launch, 1))
        world.kube.play(pod_name(identity_of(launch, 1))).running().finish(1, "Error")
        world.machine.submit([launch])
        await world.passes(3)
        names = [pod.key[1] for pod in world.pods_of(launch)]
        assert pod_name(identity_of(launch, 2)) in names
        assert not world.events(launch)


async def test_a_foreign_pod_of_the_same_name_is_not_taken_for_ours():
    async with World() as world:
        ti = world.task("a")
        launch, other = world.database.queue(ti), world.database.queue(world.task("b"))
        foreign = world.pods.manifest(other, 1)
        foreign["metadata"]["name"] = pod_name(identity_of(launch, 1))
        world.kube.add_pod(foreign)
        world.machine.submit([launch])
        await world.passes(3)
        assert world.pod_of(launch).key[1] == pod_name(identity_of(launch, 2))


async def test_the_watch_may_be_faster_than_the_answer():
    kube = Cluster()

    async with World(kube=kube) as world:
        await world.passes(1)
        launch = world.queue(world.task("a"))
        kube.lose_answer = lambda call: None
        slow = _answers_late(kube, 3.0)
        await world.passes(2)
        assert world.pod_of(launch)
        world.runs(launch)
        await world.passes(2)
        slow()
        world.succeeds(launch)
        await world.passes(3)
        assert (world.created(launch), world.settled(launch), world.slots) == (1, 1, 0)
        assert not world.events(launch)


def _answers_late(kube: Cluster, seconds: float):
    """Creates are carried out at once and answered later. Returns what undoes it."""
    carry_out = kube.create_pod

    async def create_pod(namespace, manifest):
        ref = await carry_out(namespace, manifest)
        await asyncio.sleep(seconds)
        return ref

    kube.create_pod = create_pod  # type: ignore[method-assign]

    def undo() -> None:
        kube.create_pod = carry_out  # type: ignore[method-assign]

    return undo


@pytest.mark.parametrize("moment", [0.5, 2.0])
async def test_a_launch_that_is_revoked_while_its_create_is_under_way_leaves_no_pod(moment: float):
    kube = Cluster()
    async with World(kube=kube) as world:
        await world.passes(1)
        _answers_late(kube, 1.0)
        kube.latency = 1.0
        launch = world.queue(world.task("a"))
        await world.passes(moment)
        world.database.tis[launch.ti_id].state = "scheduled"
        world.machine.abandon(launch.id, "revoked")
        await world.passes(8)
        assert (kube.pods, kube.secrets, world.slots) == ({}, {}, 0)


async def test_a_row_that_moved_while_the_create_is_under_way_leaves_no_pod():
    kube = Cluster()
    async with World(kube=kube) as world:
        await world.passes(1)
        _answers_late(kube, 5.0)
        ti = world.task("a")
        first = world.queue(ti)
        await world.passes(1)
        second = world.queue(ti)
        await world.passes(9)
        assert world.pods_of(first) == []
        assert len(world.pods_of(second)) == 1
        assert world.settled(first) == 1
