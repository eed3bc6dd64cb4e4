"""Two schedulers dispatch the same task, or one starts a pod for work that is long somebody else's: the second pod is
turned away, fails, and its failure ends the healthy run.

We promise: whoever hands in a launch, and however often, it has one pod; the end of a pod that lost never changes what
the winner does; a scheduler that comes back late finds out before it posts. Size: 20 tasks handed to two executors at
once, on a real API server (the name that is taken is its answer); the rest with one task each in virtual time.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from executor.demo.processes import wait_until
from executor.errors import ApiError, Throttled
from tests.fakes.kube import Call
from tests.promises.stage import JOB, Cluster, Database, Kubelet, Scheduler
from tests.promises.wire import PATIENCE, Driven, Namespace, Rows

TASKS = 20


def test_row_06_two_executors_with_the_same_work_make_one_pod_for_each_task(
    namespace: Namespace, rows: Rows, start: Callable[..., Driven], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__KUBERNETES_POD_EXECUTOR__RECONCILE_INTERVAL", "5")
    first, second = start(job=1), start(job=2)
    tis = [rows.add(f"t{number}") for number in range(TASKS)]
    for ti in tis:
        rows.queue(ti, job=1)
    first.hand_over(*tis)
    second.hand_over(*tis)

    def all_asked() -> bool:
        second.beat()
        return first.posted == TASKS and not first.unposted and not second.unposted

    first.beat_until("both to have asked for all pods", all_asked)
    # It is a matter of milliseconds whether the second asks too, or reads first whose the rows are: both must do.
    assert sorted(pod["metadata"]["labels"]["airflow-launch"] for pod in namespace.pods()) == sorted(
        str(ti.external_executor_id) for ti in tis
    )
    born = {pod["metadata"]["uid"] for pod in namespace.pods()}
    # Before they run: a worker that is at work would be given time to end by itself, and its pod be deleted later.
    wait_until("the second to let go", lambda: second.beat() or first.beat() or not second.slots, PATIENCE)
    settled = time.monotonic()
    wait_until("what it did about them", lambda: first.beat() or time.monotonic() > settled + 0.5, 10)
    assert {pod["metadata"]["uid"] for pod in namespace.pods()} == born
    for pod in namespace.pods():
        namespace.running(pod)
    for ti in tis:
        ti.state = "running"

    for ti in tis:
        ti.state = "success"
    for pod in namespace.pods():
        namespace.ended(pod)
    first.beat_until("all settled", lambda: second.beat() or not first.slots)
    first.beat_until("no pod left", lambda: not namespace.pods())
    assert (first.events, second.events) == ([], [])
    assert {ti.state for ti in tis} == {"success"}


async def test_row_06_the_end_of_a_pod_that_lost_says_nothing_about_the_winner():
    """Two pods of one launch, whatever made them: `/run` takes the one that nobody expected, and ours exits 1."""
    cluster, database = Cluster(), Database()
    async with Kubelet(cluster, database) as kubelet, Scheduler(cluster, database) as scheduler:
        kubelet.runs = 60.0
        ti = scheduler.task("a", retries=1)
        launch = scheduler.queue(ti)
        await scheduler.passes(0.4)
        loser = scheduler.pod_of(launch)
        kubelet.holds = lambda pod: pod["metadata"]["name"] == loser.key[1]
        cluster.add_pod(scheduler.pods.manifest(launch, 2, secret=next(iter(cluster.secrets))[1]))
        winner = scheduler.pods_of(launch)[1]
        await scheduler.passes(4)
        assert (ti.state, ti.hostname) == ("running", winner.key[1])
        kubelet.holds = lambda pod: False
        await scheduler.passes(20)
        assert loser.key not in cluster.pods
        assert (ti.state, scheduler.events(launch)) == ("running", [])
        await scheduler.passes(60)
        assert (ti.state, ti.try_number, scheduler.events(launch)) == ("success", 1, [])
        assert kubelet.ran == {(ti.ti_id, 1): 1}


async def test_row_06_work_that_another_scheduler_has_done_is_not_posted_late():
    """Frozen before it could post. Its launch's name is free again: the pod of the one that took over is gone."""
    cluster, database = Cluster(), Database()
    async with Kubelet(cluster, database) as kubelet, Scheduler(cluster, database, job=JOB) as late:
        await late.passes(1)
        cluster.fail = no_creates
        ti = late.task("a", retries=1)
        launch = late.queue(ti)
        late.beating = False
        await late.passes(60)
        async with Scheduler(cluster, database, job=JOB + 1) as other:
            other.take_over(JOB)
            cluster.fail = lambda call: None
            await other.passes(40)
            assert (ti.state, cluster.born.count(launch.id), cluster.pods) == ("success", 1, {})
        late.beating = True
        await late.passes(60)

        assert cluster.born.count(launch.id) == 1
        assert kubelet.ran == {(ti.ti_id, 1): 1}
        assert (late.slots, late.events(launch)) == (0, [])


async def test_row_06_work_that_was_queued_anew_while_it_waited_is_not_posted_twice():
    """The API server pushes back for a minute; meanwhile somebody clears the task, and its row has another id."""
    cluster, database = Cluster(), Database()
    async with Kubelet(cluster, database) as kubelet, Scheduler(cluster, database) as scheduler:
        cluster.fail = no_creates
        stale = scheduler.queue(scheduler.task("a", retries=1))
        await scheduler.passes(10)
        del database.tis[stale.ti_id]
        ti = scheduler.task("a", retries=1)
        launch = scheduler.queue(ti)
        await scheduler.passes(50)
        cluster.fail = lambda call: None
        await scheduler.passes(40)

        assert (cluster.born.count(stale.id), cluster.born.count(launch.id)) == (0, 1)
        assert (ti.state, kubelet.ran) == ("success", {(ti.ti_id, 1): 1})
        assert scheduler.drained_events() == []


def no_creates(call: Call) -> ApiError | None:
    return Throttled("slow down", status=429) if call.verb == "create" else None
