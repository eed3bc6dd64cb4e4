"""However long a pod waits, the token of its worker is good when it starts.

What users suffer: the token is made when the task is queued and is good for ten minutes. A pod that waits longer for
quota, a node or an image starts, is turned away by the execution API, and its task fails after an hour of waiting.
What we promise: the token is made when the pod is posted and lives as long as the pod may wait; a pod that no node took
is replaced, at no cost, before its token expires. The executor's defaults, in virtual time, one task for each cause.
"""

from __future__ import annotations

import pytest

from tests.fakes.kube_play import Play
from tests.promises.stage_more import DefaultsWorld
from tests.unit.control.world import Cluster

HOUR = 3600.0
BEAT = 10.0  # a slow scheduler: fewer events to play in all these hours
WAITS = {
    "for a node": Play.unschedulable,
    "for the cluster's scheduler": lambda pod: pod,
}


@pytest.mark.parametrize("cause", WAITS)
async def test_row_31_a_pod_that_is_pending_for_two_hours_starts(cause: str) -> None:
    async with DefaultsWorld(beat=BEAT, reconcile=300.0) as world:
        ti = world.task("a")
        launch = world.queue(ti)
        await world.passes(1)
        WAITS[cause](world.pod_of(launch))
        await world.passes(2 * HOUR)
        world.runs(launch)
        world.succeeds(launch)
        await world.passes(5)
        assert (ti.state, world.created(launch), world.outcomes(launch)) == ("success", 1, [])


async def test_row_31_a_task_that_waits_for_quota_for_three_hours_gets_its_token_then() -> None:
    """Long enough, too, for more than a thousand answers "no" in a row."""
    kube = Cluster(quota={"default": 0})
    async with DefaultsWorld(kube=kube, beat=BEAT, reconcile=300.0) as world:
        ti = world.task("a")
        launch = world.queue(ti)
        await world.passes(3 * HOUR)
        assert kube.count("create") > 1100
        assert world.pods_of(launch) == []
        kube.quota.clear()
        await world.passes(60)
        assert world.token_left(launch) > 23 * HOUR
        world.runs(launch)
        world.succeeds(launch)
        await world.passes(5)
        assert (ti.state, world.outcomes(launch)) == ("success", [])


@pytest.mark.parametrize("cause", WAITS)
async def test_row_31_a_pod_that_no_node_takes_for_30_hours_never_has_an_expired_token(cause: str) -> None:
    async with DefaultsWorld(beat=BEAT, reconcile=300.0) as world:
        ti = world.task("a", retries=1)
        launch = world.queue(ti)
        for _ in range(30):
            await world.passes(HOUR)
            WAITS[cause](world.pod_of(launch))
            assert world.token_left(launch) > HOUR
        world.runs(launch)
        world.succeeds(launch)
        await world.passes(5)
        assert (ti.state, ti.try_number, ti.max_tries) == ("success", 1, 1)
        assert (world.outcomes(launch), world.database.relaunched) == ([], [])
        assert (world.kube.pods, world.kube.secrets) == ({}, {})
