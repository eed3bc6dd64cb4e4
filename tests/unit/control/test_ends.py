"""How launches end: what the scheduler is told, when, and what becomes of the pod."""

from __future__ import annotations

import pytest

from executor.model import Outcome
from tests.fakes.kube import status_error
from tests.unit.control.world import Cluster, World


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
        assert "Launching another pod" in world.said(launch, "pod relaunched")[0]
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
        assert "was disrupted (EvictionByEvictionAPI: somebody needs the room)" in world.events(launch)[0].info


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


async def test_an_older_launch_that_ends_says_nothing_about_the_newer():
    """A deferral: the same key and try, another launch id."""
    async with World() as world:
        ti = world.task("a")
        first = world.queue(ti)
        await world.passes(1)
        pod = world.runs(first)
        world.kube.stop_after = 15.0
        ti.state = "deferred"
        second = world.queue(ti)
        await world.passes(0.5)
        pod.finish(1, "Error")
        await world.passes(40)
        assert (world.events(first), world.events(second)) == ([], [])
        assert ti.state == "queued"
        world.runs(second)
        world.succeeds(second)
        await world.passes(2)
        assert (world.settled(first), world.settled(second), world.slots) == (1, 1, 0)


async def test_a_row_that_moved_while_its_pod_is_pending_frees_slot_and_pod():
    async with World() as world:
        ti = world.task("a")
        launch = world.queue(ti)
        await world.passes(1)
        ti.state = "failed"
        await world.passes(31)
        assert (world.settled(launch), world.slots, world.kube.pods, world.kube.secrets) == (1, 0, {}, {})
        assert world.events(launch) == []


async def test_a_row_that_another_scheduler_took_over_keeps_its_pod():
    async with World() as world:
        ti = world.task("a")
        launch = world.queue(ti)
        await world.passes(1)
        world.runs(launch)
        ti.queued_by_job_id = 8
        await world.passes(120)
        assert (world.settled(launch), world.slots) == (1, 0)
        assert len(world.kube.pods) == 1


@pytest.mark.parametrize("started", [False, True])
async def test_what_the_scheduler_gives_up_goes(started: bool):
    async with World() as world:
        ti = world.task("a")
        launch = world.queue(ti)
        await world.passes(1)
        if started:
            world.runs(launch)
        await world.passes(1)
        ti.state = "failed"
        world.machine.abandon(launch.id, "no heartbeat")
        world.machine.abandon(launch.id, "no heartbeat")
        await world.passes(2)
        assert (world.settled(launch), world.slots, world.kube.pods, world.kube.secrets) == (1, 0, {}, {})
        assert world.events(launch) == []


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


async def test_a_duplicate_that_lost_the_race_does_not_kill_the_winner():
    """B9: two pods of one launch; the one whose worker was turned away exits 1."""
    async with World() as world:
        ti = world.task("a")
        launch = world.queue(ti)
        await world.passes(1)
        winner = world.pods.manifest(launch, 9)
        world.kube.add_pod(winner)
        world.kube.play(winner["metadata"]["name"]).running()
        ti.state, ti.hostname = "running", winner["metadata"]["name"]
        loser = next(p for p in world.pods_of(launch) if p.key[1] != winner["metadata"]["name"])
        loser.running().finish(1, "Error")
        await world.passes(10)
        assert world.events(launch) == []
        assert ti.state == "running"
        assert list(world.kube.pods) == [("default", winner["metadata"]["name"])]
        world.kube.play(winner["metadata"]["name"]).oom()
        await world.passes(5)
        assert "OOMKilled" in world.events(launch)[0].info


async def test_an_image_that_is_not_there_fails_within_seconds():
    async with World(timeout_pulling=300.0) as world:
        launch = world.queue(world.task("a"))
        await world.passes(1)
        world.pod_of(launch).waiting("ErrImagePull", 'failed to resolve "r.io/x:1": not found')
        await world.passes(4)
        assert world.outcomes(launch) == [Outcome.FAILED]
        assert "ErrImagePull" in world.events(launch)[0].info
        assert (world.settled(launch), world.kube.pods) == (1, {})


async def test_a_missing_secret_of_the_user_has_its_grace():
    async with World(fatal_reasons=frozenset({"CreateContainerConfigError"}), timeout_config=60.0) as world:
        launch = world.queue(world.task("a"))
        await world.passes(1)
        world.pod_of(launch).waiting("CreateContainerConfigError", 'secret "s" not found in namespace')
        await world.passes(50)
        assert world.events(launch) == []
        assert world.said(launch, "pod waiting")[0].endswith('secret "s" not found in namespace')
        await world.passes(15)
        assert world.outcomes(launch) == [Outcome.FAILED]


async def test_a_waiting_pod_keeps_its_row_fresh_and_a_running_one_does_not():
    async with World() as world:
        waits, runs = world.task("waits"), world.task("runs")
        waiting, running = world.queue_all([waits, runs])
        await world.passes(1)
        world.pod_of(waiting).unschedulable()
        world.runs(running)
        await world.passes(1800)
        assert waits.freshened >= 11
        assert runs.freshened == 0
        assert world.said(waiting, "pod waiting") == [
            f"Pod default/{world.pod_of(waiting).key[1]} is not scheduled: 0/1 nodes are available: 1 Insufficient cpu."
        ]
        assert world.events(waiting) == []


async def test_a_pod_that_no_node_takes_is_replaced_before_its_token_expires():
    async with World(token_life=1000.0, launch_retries=0) as world:
        launch = world.queue(world.task("a"))
        await world.passes(1)
        world.pod_of(launch).unschedulable()
        await world.passes(700)
        assert world.created(launch) == 1
        await world.passes(100)
        assert world.created(launch) == 2
        assert len(world.kube.pods) == 1
        assert world.events(launch) == []


async def test_a_worker_that_reported_by_itself_may_finish():
    """After a deferral SIGTERM would reach `on_kill` of the task that has just handed its job to the triggerer."""
    async with World(reconcile=2.0) as world:
        ti = world.task("a")
        launch = world.queue(ti)
        await world.passes(1)
        pod = world.runs(launch)
        ti.state = "deferred"
        await world.passes(5)
        assert world.kube.count("delete") == 0
        assert (world.settled(launch), world.slots) == (1, 0)
        pod.finish(0)
        await world.passes(0.5)
        assert world.kube.pods == {}


async def test_a_worker_that_does_not_finish_by_itself_is_ended():
    async with World(reconcile=2.0) as world:
        ti = world.task("a")
        launch = world.queue(ti)
        await world.passes(1)
        world.runs(launch)
        ti.state = "success"
        await world.passes(15)
        assert world.kube.pods == {}


async def test_the_next_try_waits_for_the_pod_that_was_given_up():
    """M13: the scheduler's heartbeat timeout; user code may still run in the first pod. The next try has a new id."""
    async with World() as world:
        ti = world.task("a", retries=1)
        first = world.queue(ti)
        await world.passes(1)
        world.kube.stop_after = 12.0
        world.runs(first)
        await world.passes(1)
        del world.database.tis[ti.ti_id]
        again = world.task("a", retries=1)
        again.try_number = 2
        world.machine.abandon(first.id, "no heartbeat")
        second = world.queue(again)
        await world.passes(10)
        assert world.created(second) == 0
        await world.passes(4)
        assert (world.created(second), world.pods_of(first)) == (1, [])


async def test_the_next_try_waits_for_a_delete_that_is_not_answered_but_not_for_ever():
    kube = Cluster()
    async with World(kube=kube) as world:
        ti = world.task("a")
        first = world.queue(ti)
        await world.passes(1)
        world.runs(first)
        kube.fail = lambda call: status_error(500, "InternalError", "etcd") if call.verb == "delete" else None
        world.machine.abandon(first.id, "stuck")
        second = world.queue(ti)
        await world.passes(25)
        assert world.created(second) == 0
        await world.passes(10)
        assert world.created(second) == 1
        kube.fail = lambda call: None


async def test_another_mapped_task_does_not_wait():
    async with World() as world:
        first, other = world.task("a"), world.task("b")
        launch = world.queue(first)
        await world.passes(1)
        world.kube.stop_after = 20.0
        world.runs(launch).deleted()
        running = world.queue(other)
        await world.passes(1)
        assert world.created(running) == 1
