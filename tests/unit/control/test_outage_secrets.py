"""The API server goes away and comes back: of all the batches that could not be posted no Secret appears."""

from __future__ import annotations

from executor.errors import ApiError, Unreachable
from executor.identity import SECRET_ANNOTATION
from tests.fakes.kube import Call
from tests.unit.control.world import Cluster, World


async def test_the_secrets_of_batches_that_were_not_posted_never_come_to_be():
    """Each of them would hold tokens that nobody uses, until the sweep."""
    away = True

    def fail(call: Call) -> ApiError | None:
        return Unreachable("connection refused") if away else None

    kube = Cluster(fail=fail)
    async with World(kube=kube) as world:
        launches = world.queue_all(world.tasks(3))
        await world.passes(60)
        assert kube.count("create") > 6
        away = False
        await world.passes(40)
        assert [world.created(launch) for launch in launches] == [1, 1, 1]
        mounted = {pod["metadata"]["annotations"][SECRET_ANNOTATION] for pod in kube.pods.values()}
        assert {name for _, name in kube.secrets} == mounted
        for launch in launches:
            world.runs(launch)
            world.succeeds(launch)
        await world.passes(5)
        assert (kube.pods, kube.secrets) == ({}, {})


async def test_a_pod_whose_answer_was_lost_gets_its_secret_though_its_batch_was_given_up():
    """Its create was carried out while that of its Secret was not, and neither was answered."""
    away = True

    def fail(call: Call) -> ApiError | None:
        return Unreachable("connection reset") if away and call.resource == "secrets" else None

    def lose(call: Call) -> ApiError | None:
        return Unreachable("connection reset") if away and (call.verb, call.resource) == ("create", "pods") else None

    kube = Cluster(fail=fail, lose_answer=lose)
    async with World(kube=kube) as world:
        launch = world.queue(world.task("a"))
        await world.passes(1)
        away = False
        await world.passes(40)
        assert world.created(launch) == 1
        world.runs(launch)
        assert len(kube.secrets) == 1
        world.succeeds(launch)
        await world.passes(5)
        assert (kube.pods, kube.secrets) == ({}, {})
