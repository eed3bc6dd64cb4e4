"""A spot node goes, a drain, an eviction, a preemption: Airflow takes it for the task's own failure, a retry is gone.

We promise: a pod that went before its task started is replaced, and that costs nothing, up to
`pod_launch_failure_retries` times; a task that is disrupted while it runs gets its try back, up to
`disruption_retries` times; what the task itself did costs a retry, as ever. A change of schedulers forgets none of it.
Size: one task for each kind of disruption, before and after the start, in virtual time.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from executor.model import GivenBack, Kind, Launch, Outcome
from tests.fakes.kube_play import Play
from tests.promises.stage import JOB, Cluster, Database, Scheduler

Hit = Callable[[Play], object]


def node_shut_down(play: Play) -> None:
    """As the kubelet writes it (Kubernetes "Node Shutdowns")."""
    play.evicted("Pod was terminated in response to imminent node shutdown.")
    play.kube.pods[play.key]["status"]["reason"] = "Terminated"


def by(reason: str, grace: int = 30) -> Hit:
    """Reasons of `DisruptionTarget` (Kubernetes "Disruptions", pod disruption conditions)."""
    return lambda play: play.disrupt(reason, grace=grace)


DISRUPTIONS: dict[str, Hit] = {
    "evicted": Play.evicted,
    "drained": by("EvictionByEvictionAPI"),
    "preempted": by("PreemptionByScheduler"),
    "tainted": by("DeletionByTaintManager"),
    "node shut down": node_shut_down,
    "node gone": by("DeletionByPodGC", grace=0),
    "without a word": Play.vanish,
}
every_disruption = pytest.mark.parametrize("hit", DISRUPTIONS.values(), ids=DISRUPTIONS.keys())


async def next_pod(scheduler: Scheduler, launch: Launch, number: int) -> Play:
    """The launch's pod of this number, once it is there."""
    for _ in range(60):
        if scheduler.created(launch) >= number and scheduler.pods_of(launch):
            return scheduler.pods_of(launch)[-1]
        await scheduler.passes(0.5)
    raise AssertionError(f"there is no pod {number}")


@every_disruption
@pytest.mark.parametrize("phase", ["pending", "containers run"])
async def test_row_04_what_goes_before_the_task_started_costs_nothing(hit: Hit, phase: str):
    """`containers run`: the worker is still importing Airflow, no user code has run."""
    async with Scheduler(Cluster(), Database(), launch_retries=3) as scheduler:
        ti = scheduler.task("a", retries=0)
        launch = scheduler.queue(ti)
        for number in (1, 2, 3):
            pod = await next_pod(scheduler, launch, number)
            if phase == "containers run":
                pod.running()
            hit(pod)
        await next_pod(scheduler, launch, 4)
        scheduler.runs(launch)
        scheduler.succeeds(launch)
        await scheduler.passes(5)

        assert (ti.state, ti.try_number, ti.max_tries) == ("success", 1, 0)
        assert (scheduler.created(launch), scheduler.events(launch)) == (4, [])


@every_disruption
async def test_row_04_a_task_that_is_disrupted_while_it_runs_keeps_its_retries(hit: Hit):
    async with Scheduler(Cluster(), Database()) as scheduler:
        ti = scheduler.task("a", retries=1)
        launch = scheduler.queue(ti)
        await scheduler.passes(1)
        hit(scheduler.runs(launch))
        await scheduler.passes(8)

        assert (ti.state, ti.max_tries - ti.try_number) == ("up_for_retry", 1)  # one left, as before
        assert scheduler.outcomes(launch) == [Outcome.FAILED]
        assert "no retry is spent" in scheduler.events(launch)[0].info


async def test_row_04_a_worker_that_reports_its_own_disruption_keeps_its_retries():
    """SIGTERM reaches the task, which fails, which its worker reports before it ends, with exit code 0."""
    async with Scheduler(Cluster(stop_after=None), Database()) as scheduler:
        ti = scheduler.task("a", retries=1)
        launch = scheduler.queue(ti)
        await scheduler.passes(1)
        pod = scheduler.runs(launch).disrupt("PreemptionByScheduler")
        await scheduler.passes(2)
        ti.state = "up_for_retry"
        pod.finish(0).stopped()
        await scheduler.passes(8)

        assert (ti.state, ti.max_tries - ti.try_number) == ("up_for_retry", 1)
        assert scheduler.events(launch) == []


@pytest.mark.parametrize("hit", [lambda pod: pod.finish(1), Play.oom], ids=["exit code", "out of memory"])
async def test_row_04_what_the_task_did_itself_costs_a_retry(hit: Hit):
    async with Scheduler(Cluster(), Database()) as scheduler:
        ti = scheduler.task("a", retries=1)
        launch = scheduler.queue(ti)
        await scheduler.passes(1)
        hit(scheduler.runs(launch))
        await scheduler.passes(8)

        assert (ti.state, ti.max_tries - ti.try_number) == ("up_for_retry", 0)
        assert scheduler.database.given_back == []


async def test_row_04_another_scheduler_knows_what_a_launch_has_cost():
    """Two pods lost under the first scheduler and two under the second are four, and three are allowed."""
    cluster, database = Cluster(), Database()
    async with Scheduler(cluster, database, launch_retries=3) as first:
        ti = first.task("a", retries=0)
        launch = first.queue(ti)
        for number in (1, 2):
            (await next_pod(first, launch, number)).evicted()
        await first.passes(1)
        await first.kill()
    async with Scheduler(cluster, database, job=JOB + 1, launch_retries=3) as second:
        second.take_over(JOB)
        for number in (3, 4):
            (await next_pod(second, launch, number)).evicted()
        await second.passes(10)

        assert (ti.state, cluster.born.count(launch.id)) == ("failed", 4)
        assert "pod_launch_failure_retries = 3" in second.events(launch)[0].info


async def test_row_04_another_scheduler_does_not_give_a_try_back_twice():
    """The first one died between giving the try back and telling so."""
    cluster, database = Cluster(), Database()
    async with Scheduler(cluster, database) as first:
        ti = first.task("a", retries=1)
        launch = first.queue(ti)
        await first.passes(1)
        pod = first.runs(launch)
        first.beating = False
        pod.disrupt("EvictionByEvictionAPI", grace=0)
        await first.passes(2)
        assert (ti.state, database.given_back) == ("running", [launch.id])
        await first.kill()
    async with Scheduler(cluster, database, job=JOB + 1) as second:
        second.take_over(JOB)
        await second.passes(10)

        assert (ti.state, ti.max_tries - ti.try_number) == ("up_for_retry", 1)
        assert database.given_back == [launch.id]


def test_row_04_what_was_spent_stands_in_the_event_log():
    """Real rows, and what another scheduler makes of them: budgets are counted, and no try is given back twice."""
    from airflow.models.log import Log
    from airflow.models.taskinstancekey import TaskInstanceKey
    from sqlalchemy import Table, create_engine
    from sqlalchemy.orm import Session

    from executor.row_budgets import DISRUPTED, give_back, note_relaunch, relaunches

    database = create_engine("sqlite://")
    assert isinstance(Log.__table__, Table)
    Log.__table__.create(database)  # no other table: nothing but the log is asked
    mine, other = (Launch(name, Kind.TASK, name, name, "dag", "task", "run", 1, -1) for name in ("mine", "other"))
    with Session(database) as first:
        for number in (1, 2):
            note_relaunch(first, mine, f"Pod {number} was evicted.")
        note_relaunch(first, other, "Pod 1 was evicted.")
        key = TaskInstanceKey("dag", "task", "run", 1, -1)
        first.add(Log(event=DISRUPTED, task_instance=key, extra="Its try is given back. (launch mine)"))
        first.commit()

    with Session(database) as second:
        assert relaunches(second, [mine, other]) == {"mine": 2, "other": 1}
        again = give_back(second, mine, "Evicted.", reported=False, limit=3, job_id=2)
        spent = give_back(second, other, "Evicted.", reported=False, limit=1, job_id=2)
        assert (again, spent) == (GivenBack.GIVEN, GivenBack.SPENT)
    database.dispose()
