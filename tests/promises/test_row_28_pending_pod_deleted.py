"""A pod that is deleted before its task began is replaced at once.

What users suffer: somebody, or something, deletes a pod that is still Pending. Nobody says a word, the task stays
queued, and only Airflow's own timer notices, ten minutes later.
What we promise: another pod within 5 seconds, no retry spent, and it is said in the event log; the budget of
`pod_launch_failure_retries` bounds it. Size: 100 tasks, in virtual time.
"""

from __future__ import annotations

import pytest

from executor.model import Outcome
from tests.unit.control.world import Cluster, World

TASKS = 100
SECONDS = 5.0


@pytest.mark.parametrize("how", ["vanish", "deleted", "scheduled and deleted", "missed by the watch"])
async def test_row_28_a_deleted_pending_pod_is_replaced_within_5_s(how: str) -> None:
    kube = Cluster(latency=0.05)
    async with World(kube=kube) as world:
        launches = world.queue_all(world.tasks(TASKS, retries=1))
        await world.passes(3)
        for launch in launches:
            pod = world.pod_of(launch)
            if how == "scheduled and deleted":
                pod.scheduled()
            pod.vanish() if how in ("vanish", "missed by the watch") else pod.deleted(grace=0)
        if how == "missed by the watch":
            kube.compact()  # 410: what happened must be found by a list
        await world.passes(SECONDS)

        assert [len(world.pods_of(launch)) for launch in launches] == [1] * TASKS
        assert [world.created(launch) for launch in launches] == [2] * TASKS
        for launch in launches:
            ti = world.database.tis[launch.ti_id]
            assert (ti.state, ti.try_number, ti.max_tries) == ("queued", 1, 1)
            assert world.outcomes(launch) == []
            world.runs(launch)
        assert world.database.relaunched == [launch.id for launch in launches]
        for launch in launches:
            world.succeeds(launch)
        await world.passes(SECONDS)
        assert (kube.pods, world.slots) == ({}, 0)


async def test_row_28_but_not_for_ever() -> None:
    """Whatever deletes each new pod as well is not fought without end: four pods, then the task fails and says why."""
    async with World(launch_retries=3) as world:
        ti = world.task("a", retries=1)
        launch = world.queue(ti)
        for _ in range(20):
            await world.passes(5)
            for pod in world.pods_of(launch):
                pod.vanish()
        assert world.created(launch) == 4
        assert world.outcomes(launch) == [Outcome.FAILED]
        assert "deleted by somebody else" in world.events(launch)[0].info
        assert "pod_launch_failure_retries = 3" in world.events(launch)[0].info
        assert ti.state == "up_for_retry"
