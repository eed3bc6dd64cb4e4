"""A workload Secret is there until the last of its pods has started, and no longer."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from executor.errors import ApiError, Throttled, Unreachable
from executor.identity import DEPLOYMENT_LABEL, pod_name
from executor.kube.port import PodRef
from executor.model import Launch, Row
from tests.fakes.kube import Call
from tests.unit.control.database import Database
from tests.unit.control.pods import keep_to_itself, losing_the_first_answer
from tests.unit.control.world import JOB, TOKEN, Cluster, World, identity_of


async def test_pods_whose_secret_somebody_took_away_are_replaced() -> None:
    """It is missed when Secrets are listed, every two minutes; a pod that has started goes on."""
    kube = Cluster()
    async with World(kube=kube) as world:
        started, *waiting = world.queue_all(world.tasks(3))
        await world.passes(5)
        world.runs(started)
        ((namespace, name),) = kube.secrets
        await kube.delete_secret(namespace, name)
        await world.passes(130)
        for launch in waiting:
            world.runs(launch)
        for launch in (started, *waiting):
            world.succeeds(launch)
        await world.passes(5)
        assert [world.created(launch) for launch in (started, *waiting)] == [1, 2, 2]
        assert (world.drained_events(), kube.pods, kube.secrets) == ([], {}, {})


class LastAnswer(Database):
    """Goes away after an answer, once it is `worn`."""

    worn = False

    async def read(self, launches: Sequence[Launch]) -> Mapping[str, Row]:
        found = await super().read(launches)
        self.down = self.worn
        return found


async def test_a_pod_that_is_replaced_does_not_live_beside_the_next_one() -> None:
    """Its row was read when that was decided; nothing more is asked of a database that has gone away since."""
    kube, database = Cluster(), LastAnswer()
    async with World(kube=kube, database=database, reconcile=1000) as world:
        launch = world.queue(world.task("a"))
        await world.passes(5)
        database.worn = True
        kube.secrets.clear()
        await world.passes(180)
        assert (database.down, world.created(launch), len(world.pods_of(launch))) == (True, 2, 1)
        database.worn = database.down = False
        world.runs(launch)
        world.succeeds(launch)
        await world.passes(5)
        assert (world.settled(launch), kube.pods) == (1, {})


async def test_a_pod_that_runs_unseen_is_not_replaced_when_its_secret_is_missed() -> None:
    """The watch keeps silent; the row says that its worker runs."""
    kube, hidden = Cluster(), set[str]()
    keep_to_itself(kube, hidden)
    async with World(kube=kube, reconcile=1000) as world:
        launch = world.queue(world.task("a"))
        await world.passes(5)
        hidden.add(world.pod_of(launch).key[1])
        world.runs(launch)
        kube.secrets.clear()
        await world.passes(500)
        assert (world.created(launch), len(world.pods_of(launch)), kube.count("delete")) == (1, 1, 0)
        hidden.clear()
        world.succeeds(launch)
        await world.passes(5)
        assert (world.created(launch), world.settled(launch), world.events(launch), kube.pods) == (1, 1, [], {})


async def test_the_secret_of_a_pod_that_another_scheduler_has_taken_over_stays_until_it_has_started() -> None:
    kube = Cluster()
    async with World(kube=kube, reconcile=1) as world:
        launch = world.queue(world.task("a"))
        await world.passes(5)
        world.database.tis[launch.ti_id].queued_by_job_id = JOB + 1
        await world.passes(1300)
        assert world.settled(launch) == 1
        assert world.workload_of(world.pod_of(launch), launch)
        world.pod_of(launch).running()
        await world.passes(5)
        assert kube.secrets == {}


async def test_a_secret_is_kept_for_the_pod_that_starts_last() -> None:
    async with World() as world:
        first, last = world.queue_all(world.tasks(2))
        await world.passes(5)
        world.runs(first)
        world.succeeds(first)
        await world.passes(2000)
        assert world.pods_of(first) == []
        world.runs(last)
        await world.passes(3)
        assert world.kube.secrets == {}


async def test_the_secret_of_an_adopted_pod_stays_until_it_has_started() -> None:
    kube = Cluster()
    async with World(kube=kube) as world:
        ti = world.task("a")
        launch = world.database.queue(ti)
        kube.add_pod(world.pods.manifest(launch, 1, secret="left"))
        data = {launch.id: TOKEN.encode()}
        await kube.create_secret("default", "left", labels={DEPLOYMENT_LABEL: "d0"}, data=data)
        world.machine.adopt([ti.adopted()])
        await world.passes(600)
        world.runs(launch)
        await world.passes(130)
        assert (world.created(launch), kube.secrets) == (1, {})


async def test_the_secret_of_a_create_that_is_under_way_is_not_swept() -> None:
    """It is old by then, and no pod is there that could wait for it."""
    kube = Cluster()
    carry_out = kube.create_pod

    async def create_pod(namespace: str, manifest: Mapping[str, Any]) -> PodRef:
        await asyncio.sleep(400)
        return await carry_out(namespace, manifest)

    kube.create_pod = create_pod  # type: ignore[method-assign]
    async with World(kube=kube) as world:
        launch = world.queue(world.task("a"))
        await world.passes(405)
        world.runs(launch)
        assert world.created(launch) == 1


async def test_a_secret_that_is_still_being_made_is_not_missed() -> None:
    away = True

    def fail(call: Call) -> ApiError | None:
        making = (call.verb, call.resource) == ("create", "secrets")
        return Unreachable("connection reset") if away and making else None

    kube = Cluster(fail=fail)
    async with World(kube=kube) as world:
        launch = world.queue(world.task("a"))
        await world.passes(130)
        away = False
        await world.passes(20)
        world.runs(launch)
        assert world.created(launch) == 1


async def test_the_secret_of_a_pod_that_was_met_again_stays_though_the_watch_is_silent() -> None:
    kube, hidden = losing_the_first_answer([]), set[str]()
    keep_to_itself(kube, hidden)
    async with World(kube=kube, reconcile=1000) as world:
        launch = world.database.queue(world.task("a"))
        hidden.add(pod_name(identity_of(launch, 1)))
        world.machine.submit([launch])
        await world.passes(60)
        world.runs(launch)
        assert world.created(launch) == 1


async def test_the_secret_of_a_pod_that_was_taken_over_unseen_is_left_to_the_sweep() -> None:
    """The other scheduler sees the pod, this one cannot tell when it starts."""
    kube, hidden = Cluster(), set[str]()
    keep_to_itself(kube, hidden)
    async with World(kube=kube, reconcile=1000) as world:
        await world.passes(1)
        launch = world.database.queue(world.task("a"))
        hidden.add(pod_name(identity_of(launch, 1)))
        world.machine.submit([launch])
        await world.passes(5)
        world.database.tis[launch.ti_id].queued_by_job_id = JOB + 1
        world.machine._judge.want_row(launch.id)
        await world.passes(30)
        assert world.settled(launch) == 1
        world.runs(launch)


async def test_a_delete_that_is_pushed_back_is_asked_for_again() -> None:
    """The sweep would come minutes later."""
    asked: list[Call] = []

    def fail(call: Call) -> ApiError | None:
        if (call.verb, call.resource) != ("delete", "secrets"):
            return None
        asked.append(call)
        return Throttled("slow down", status=429) if len(asked) < 3 else None

    async with World(kube=Cluster(fail=fail)) as world:
        launch = world.queue(world.task("a"))
        await world.passes(1)
        world.runs(launch)
        await world.passes(10)
        assert (len(asked), world.kube.secrets) == (3, {})
