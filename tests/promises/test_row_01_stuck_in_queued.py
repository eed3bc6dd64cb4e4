"""A task is `queued`, there is no pod for it, and nothing will ever change that: somebody restarts the scheduler.

We promise: whatever gets lost between the scheduler and the pod, the task leaves `queued` within a minute, with the
settings as they are installed and without a restart. Size: 20 tasks for each thing that can get lost, in virtual time;
pods start a second after they were created, so that a task that nothing befalls is running after two.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from executor.errors import ApiError, Unreachable
from executor.kube.port import PodChanged, PodGone, WatchEvent
from tests.fakes.kube import Call
from tests.promises.stage import JOB, Cluster, Database, Kubelet, Scheduler

TASKS = 20
PROMISED = 60.0


def pods_are_created(call: Call) -> bool:
    return (call.verb, call.resource) == ("create", "pods")


def once_each(error: ApiError) -> Callable[[Call], ApiError | None]:
    """The first create of each pod ends with this error."""
    struck: set[str] = set()

    def strike(call: Call) -> ApiError | None:
        if not pods_are_created(call) or call.name in struck:
            return None
        struck.add(call.name)
        return error

    return strike


def nothing_twice(kubelet: Kubelet, database: Database) -> None:
    """Every task ran, once, in its first try."""
    assert {ti.state for ti in database.tis.values()} <= {"running", "success"}
    assert kubelet.ran == {(ti.ti_id, 1): 1 for ti in database.tis.values()}


@pytest.mark.parametrize("lost", ["request", "answer"])
async def test_row_01_a_create_that_gets_lost(lost: str):
    cluster, database = Cluster(), Database()
    strike = once_each(Unreachable("connection reset by peer"))
    cluster.fail, cluster.lose_answer = (strike, cluster.lose_answer) if lost == "request" else (cluster.fail, strike)
    async with Kubelet(cluster, database) as kubelet, Scheduler(cluster, database) as scheduler:
        launches = scheduler.queue_all(scheduler.tasks(TASKS))
        await scheduler.passes(PROMISED)
        nothing_twice(kubelet, database)
        assert [cluster.born.count(launch.id) for launch in launches] == [1] * TASKS


@pytest.mark.parametrize("how", ["deleted", "vanish", "evicted"])
@pytest.mark.parametrize("told", [True, False], ids=["told", "event lost"])
async def test_row_01_a_pod_that_goes_before_its_task_started(how: str, told: bool):
    """told False: of every pod's end the watch says nothing."""
    cluster, database = Cluster(), Database()
    async with Kubelet(cluster, database) as kubelet, Scheduler(cluster, database) as scheduler:
        if not told:
            scheduler.line.drops = once_per_pod(is_an_end)
        kubelet.holds = lambda pod: True
        launches = scheduler.queue_all(scheduler.tasks(TASKS))
        await scheduler.passes(3)
        for launch in launches:
            getattr(scheduler.pod_of(launch), how)()
        kubelet.holds = lambda pod: pod["status"].get("reason") == "Evicted"
        await scheduler.passes(PROMISED)
        nothing_twice(kubelet, database)


def is_an_end(event: WatchEvent) -> bool:
    return isinstance(event, PodGone) or (isinstance(event, PodChanged) and event.pod.status.phase == "Failed")


def once_per_pod(fits: Callable[[WatchEvent], bool]) -> Callable[[WatchEvent], bool]:
    dropped: set[str] = set()

    def drops(event: WatchEvent) -> bool:
        if not isinstance(event, PodChanged | PodGone) or not fits(event) or event.pod.metadata.uid in dropped:
            return False
        dropped.add(event.pod.metadata.uid)
        return True

    return drops


async def test_row_01_a_watch_that_says_nothing_at_all():
    """Not of the pods' birth, and not of their end."""
    cluster, database = Cluster(), Database()
    async with Kubelet(cluster, database) as kubelet, Scheduler(cluster, database) as scheduler:
        scheduler.line.drops = lambda event: True
        kubelet.holds = lambda pod: True
        launches = scheduler.queue_all(scheduler.tasks(TASKS))
        await scheduler.passes(3)
        for launch in launches:
            scheduler.pod_of(launch).vanish()
        kubelet.holds = lambda pod: False
        await scheduler.passes(PROMISED)
        nothing_twice(kubelet, database)


@pytest.mark.parametrize("after", [0.0, 0.01, 0.06, 0.2])
async def test_row_01_a_scheduler_that_is_killed_while_it_creates_pods(after: float):
    """Before the creates, while they are on their way, and after they were carried out but nothing was recorded."""
    cluster, database = Cluster(latency=0.05), Database()
    async with Kubelet(cluster, database) as kubelet:
        async with Scheduler(cluster, database, slow=0.05) as first:
            launches = first.queue_all(first.tasks(TASKS))
            await first.passes(after)
            await first.kill()
        async with Scheduler(cluster, database, job=JOB + 1) as second:
            second.take_over(JOB)
            await second.passes(PROMISED)
            nothing_twice(kubelet, database)
            assert [cluster.born.count(launch.id) for launch in launches] == [1] * TASKS


async def test_row_01_a_resume_does_not_wait_for_a_pod_that_never_goes():
    """A deferred task comes back while the pod of its first leg hangs on a dead node."""
    cluster, database = Cluster(stop_after=None), Database()
    async with Kubelet(cluster, database) as kubelet, Scheduler(cluster, database) as scheduler:
        kubelet.runs = 1000.0
        tis = scheduler.tasks(TASKS)
        scheduler.queue_all(tis)
        await scheduler.passes(3)
        for ti in tis:
            assert ti.state == "running"
            ti.state = "deferred"
        await scheduler.passes(45)
        assert all(pod["metadata"].get("deletionTimestamp") for pod in cluster.pods.values())
        legs = scheduler.queue_all(tis)
        await scheduler.passes(PROMISED)
        assert [cluster.born.count(leg.id) for leg in legs] == [1] * TASKS
        assert {ti.state for ti in tis} == {"running"}
