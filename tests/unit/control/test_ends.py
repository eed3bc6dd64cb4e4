"""How launches end: what the scheduler is told, when, and how often."""

from __future__ import annotations

from executor.model import Outcome
from tests.unit.control.world import World


async def test_success_is_settled_without_an_event():
    async with World() as world:
        launch = world.queue(world.task("a"))
        await world.passes(1)
        world.runs(launch)
        await world.passes(1)
        world.succeeds(launch)
        await world.passes(2)
        assert (world.settled(launch), world.events(launch), world.slots) == (1, [], 0)
        assert (world.kube.pods, world.kube.secrets) == ({}, {})
        assert world.kube.count("delete") == 1


async def test_exit_0_without_a_report_fails_after_a_second_look():
    async with World() as world:
        launch = world.queue(world.task("a"))
        await world.passes(1)
        world.runs(launch).finish(0)
        await world.passes(1.5)
        assert world.events(launch) == []
        await world.passes(3)
        assert world.outcomes(launch) == [Outcome.FAILED]
        assert "ended with 0 without reporting a result: it is not an Airflow worker" in world.events(launch)[0].info
        await world.passes(3)
        assert (world.settled(launch), world.kube.pods) == (1, {})


async def test_exit_0_with_a_report_that_is_a_moment_late_is_no_failure():
    async with World() as world:
        launch = world.queue(world.task("a"))
        await world.passes(1)
        world.runs(launch).finish(0)
        await world.passes(1)
        world.database.tis[launch.ti_id].state = "success"
        await world.passes(4)
        assert (world.settled(launch), world.events(launch)) == (1, [])


async def test_out_of_memory_and_its_log_is_kept(tmp_path):
    async with World(log_folder=tmp_path) as world:
        config = {
            "pod_override": {"spec": {"containers": [{"name": "base", "resources": {"limits": {"memory": "64Mi"}}}]}}
        }
        ti = world.task("a", retries=1, config=config)
        launch = world.queue(ti)
        await world.passes(1)
        pod = world.runs(launch)
        world.kube.logs[pod.key] = "allocating\nallocating more\n"
        pod.oom()
        await world.passes(5)
        assert ti.state == "up_for_retry"
        info = world.events(launch)[0].info
        assert "memory limit of 64Mi (OOMKilled" in info
        assert "on node node-1" in info
        assert (world.settled(launch), world.kube.pods) == (1, {})
        await world.close()
        text = (tmp_path / "dag/a/attempt=1.log.executor.log").read_text()
        assert "OOMKilled" in text
        assert text.endswith("allocating\nallocating more\n")


async def test_a_pod_that_is_deleted_while_pending_is_replaced_without_an_event():
    async with World() as world:
        launch = world.queue(world.task("a"))
        await world.passes(1)
        first = world.pod_of(launch)
        first.deleted()
        await world.passes(2)
        second = world.pod_of(launch)
        assert second.key != first.key
        assert world.events(launch) == []
        assert world.database.relaunched == [launch.id]
        world.runs(launch)
        world.succeeds(launch)
        await world.passes(2)
        assert (world.settled(launch), world.kube.pods, world.kube.secrets) == (1, {}, {})


async def test_the_budget_of_pods_is_kept():
    async with World(launch_retries=2) as world:
        launch = world.queue(world.task("a"))
        for _ in range(3):
            await world.passes(10)
            world.pod_of(launch).deleted()
        await world.passes(3)
        assert world.created(launch) == 3
        assert "This was pod 3 of this launch and none of them started the task" in world.events(launch)[0].info
        assert "pod_launch_failure_retries = 2" in world.events(launch)[0].info
        await world.passes(3)
        assert (world.settled(launch), world.slots) == (1, 0)


async def test_an_eviction_of_a_running_task_is_a_failure_that_says_so():
    async with World() as world:
        launch = world.queue(world.task("a"))
        await world.passes(1)
        world.kube.stop_after = 20.0
        world.runs(launch).disrupt()
        await world.passes(10)
        assert world.events(launch) == []
        await world.passes(15)
        assert world.outcomes(launch) == [Outcome.FAILED]
        info = world.events(launch)[0].info
        assert "was evicted, as happens when a node is drained" in info
        assert "(EvictionByEvictionAPI: somebody needs the room). Then container base was killed by SIGTERM" in info


async def test_a_row_that_is_locked_gets_its_event_again_until_it_moves():
    async with World() as world:
        ti = world.task("a")
        launch = world.queue(ti)
        await world.passes(1)
        world.runs(launch).finish(3, "Error")
        ti.locked = True
        await world.passes(20)
        assert ti.lost_events >= 3
        assert ti.state == "running"
        assert world.kube.pods != {}
        ti.locked = False
        await world.passes(5)
        assert (ti.state, world.settled(launch), world.kube.pods) == ("failed", 1, {})
        assert len(world.said(launch, "pod failed")) == 1


async def test_events_do_not_pile_up_while_the_scheduler_is_slow():
    """Handed over again only once the one before was taken."""
    async with World(beat=13.0) as world:
        ti = world.task("a")
        launch = world.queue(ti)
        await world.passes(1)
        world.runs(launch).finish(3, "Error")
        await world.passes(40)
        assert (ti.state, world.outcomes(launch), world.settled(launch)) == ("failed", [Outcome.FAILED], 1)


async def test_confirmations_do_not_multiply():
    """However often a launch is looked at, its row is read about once per confirm interval."""
    async with World(reconcile=5.0) as world:
        ti = world.task("a")
        launch = world.queue(ti)
        await world.passes(1)
        world.runs(launch).finish(3, "Error")
        ti.locked = True
        await world.passes(300)
        before = world.database.read_ids.count(launch.id)
        await world.passes(100)
        assert world.database.read_ids.count(launch.id) - before <= 100 / 2 + 100 / 5 + 2


async def test_looks_at_a_terminating_pod_do_not_multiply():
    async with World(reconcile=1.0) as world:
        launch = world.queue(world.task("a"))
        await world.passes(1)
        world.kube.stop_after = None
        world.runs(launch).deleted(grace=600)
        await world.passes(500)
        loop = world.loop
        waiting = [h for h in loop._scheduled if not h._cancelled]
        assert len(waiting) < 20


async def test_a_cleared_task_ends_by_success_so_that_airflow_reschedules_it():
    async with World() as world:
        ti = world.task("a")
        launch = world.queue(ti)
        await world.passes(1)
        pod = world.runs(launch)
        ti.state = "restarting"
        pod.finish(143, "Error")
        await world.passes(4)
        assert (world.outcomes(launch), ti.state, world.settled(launch)) == ([Outcome.SUCCESS], None, 1)


async def test_a_row_that_was_read_before_the_pod_ended_decides_nothing():
    """The worker reports, and is killed a moment later, while a read of its row is on its way."""
    async with World(reconcile=10.0) as world:
        ti = world.task("a")
        launch = world.queue(ti)
        await world.passes(1)
        pod = world.runs(launch)
        world.database.latency = 1.0
        await world.passes(9.5)
        assert world.database.reads
        ti.state = "deferred"
        pod.finish(137, "Error")
        await world.passes(10)
        assert (world.events(launch), world.settled(launch)) == ([], 1)
