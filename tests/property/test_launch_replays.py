"""Stories that the state machine of `test_launch_lifecycle` has found, or is too short to find in every run.

Each is told step by step and fails when the line that answers it is taken out; what must hold at every moment and at
the end is checked as there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from executor.control.retention import KeepPolicy
from executor.identity import pod_name
from tests.property.test_launch_lifecycle import Lifecycle
from tests.unit.control.pods import identity_of


@contextmanager
def story(queued: int) -> Iterator[Lifecycle]:
    """The end is checked as always."""
    told = Lifecycle()
    told.begin(KeepPolicy(), schedulers=1, retries=0, queued=queued, steps=0)
    try:
        yield told
        told.i4_i5_i6_i12_i13_nothing_was_done_wrong()
        told.check_the_end()
    finally:
        told.close()


def starts(told: Lifecycle) -> tuple[str, str]:
    """The one pod there is runs its task."""
    told.passes(1.5)
    (pod,) = told.nodes.living()
    for _ in range(3):
        told.do(told.nodes.move, pod, "goes on")
    told.passes(0.5)
    assert told.nodes.at_work
    return pod


def test_a_task_that_began_in_a_pod_of_its_former_launch_is_not_forgotten():
    """Requeued while its pod starts: the worker in there passes `/run` for the next launch, and goes on; the pod of the
    next launch is turned away meanwhile. Then the first one's node goes."""
    with story(queued=1) as told:
        (scheduler,) = told.schedulers
        scheduler.kube.silent_until = told.loop.time() + 3.5
        told.passes(1.2)
        (first,) = told.nodes.living()
        for _ in range(2):
            told.do(told.nodes.move, first, "goes on")
        told.a_timer_of_the_scheduler_strikes(0)
        told.passes(0.1)
        (row,) = told.rows("scheduled")
        told.queue(row, scheduler)
        told.do(told.nodes.move, first, "goes on")
        told.passes(1.0)
        (second,) = [key for key in told.nodes.living() if key != first]
        for _ in range(3):
            told.do(told.nodes.move, second, "goes on")
        assert second not in told.nodes.living()
        assert (row.state, row.hostname) == ("running", first[1])
        told.passes(90.0)
        assert first in told.nodes.living()
        (launch,) = scheduler.machine.tracker
        assert (launch.launch.id, launch.pod and launch.pod.name) == (row.external_executor_id, first[1])
        told.do(told.nodes.accident, first, "node lost")
        told.passes(5.0)
        assert row.state == "failed"


def test_a_pod_whose_secret_died_with_its_scheduler_is_replaced():
    """Both were sent together, and only the pod arrived: it would wait for its volume for ever."""
    with story(queued=1) as told:
        (scheduler,) = told.schedulers
        told.run(scheduler.kill(carried_out=False))
        (row,) = told.rows("queued")
        manifest = scheduler.plan_pods.manifest(row.launch(), 1, secret="never-made")
        told.do(told.cluster.add_pod, manifest)
        told.a_scheduler_starts(0.5)
        told.passes(5.0)
        (pod,) = told.nodes.living()
        assert pod[1] == pod_name(identity_of(row.launch(), 2))


def test_what_is_given_up_right_after_its_adoption_is_not_followed():
    """Both are timers of the scheduler's loop, and may come before its next heartbeat."""
    with story(queued=1) as told:
        told.run(told.schedulers[0].kill(carried_out=False))
        told.a_scheduler_starts(0.0)
        told.a_timer_of_the_scheduler_strikes(0)
        told.passes(1.5)
        assert list(told.schedulers[1].machine.tracker) == []


def test_i4_the_end_of_an_earlier_leg_is_not_told_of_the_next():
    with story(queued=1) as told:
        pod = starts(told)
        (scheduler,) = told.schedulers
        scheduler.kube.silent_until = told.loop.time() + 3.0
        told.do(told.nodes.move, pod, "deferred")
        told.do(told.nodes.move, pod, "goes on")
        told.cluster.latency = 4.0  # of the next leg's pod
        told.queue(told.rows("deferred")[0], scheduler)
        told.passes(7.0)
        assert told.table.rows()[0].state in ("queued", "running")


def test_i4_what_another_scheduler_adopted_is_its_own_to_tell():
    with story(queued=1) as told:
        pod = starts(told)
        told.a_scheduler_freezes(0, 34, "goes on")
        told.a_scheduler_starts(0.5)
        told.passes(2.0)
        told.frozen_schedulers_go_on()
        told.do(told.nodes.move, pod, "crash")
        told.passes(5.0)
        assert told.table.rows()[0].state == "failed"


def test_i4_an_event_that_met_a_lock_comes_again_at_once():
    """Not only with the next reconciliation, 30 s later."""
    with story(queued=1) as told:
        pod = starts(told)
        (row,) = told.rows("running")
        told.passes(12.0)  # and no timer is left that would make it look by chance
        row.locked = True
        told.do(told.nodes.move, pod, "crash")
        told.passes(3.0)
        assert row.lost_events
        row.locked = False
        told.passes(6.0)
        assert row.state == "failed"


def test_i13_what_waited_through_a_freeze_is_looked_up_before_it_is_posted():
    with story(queued=1) as told:
        told.weather.creates.extend(["quota"] * 40)
        told.a_scheduler_freezes(0, 34, "goes on")
        (row,) = told.rows("queued")
        row.state = "success"
        told.weather.creates.clear()
        told.frozen_schedulers_go_on()
        told.passes(5.0)
        assert told.cluster.born.count(str(row.external_executor_id)) == 0


def test_i2_a_pod_that_went_while_nobody_watched_is_missed_by_the_next_list():
    with story(queued=1) as told:
        pod = starts(told)
        (scheduler,) = told.schedulers
        scheduler.kube.swallow = 1
        told.do(told.nodes.accident, pod, "node lost")
        told.a_watch(0, "is too old")
        told.passes(8.0)
        assert told.table.rows()[0].state == "failed"


def test_i2_a_watch_that_keeps_an_end_to_itself_is_found_out():
    """By the list beside it, every 30 s."""
    with story(queued=1) as told:
        pod = starts(told)
        (scheduler,) = told.schedulers
        scheduler.kube.swallow = 1
        told.do(told.nodes.accident, pod, "node lost")
        told.passes(36.0)
        assert told.table.rows()[0].state == "failed"


def test_i2_a_pod_that_came_and_went_unseen_is_asked_for():
    with story(queued=1) as told:
        (scheduler,) = told.schedulers
        scheduler.kube.swallow = 2
        told.passes(1.5)
        (pod,) = told.nodes.living()
        told.do(told.nodes.accident, pod, "node lost")
        told.passes(70.0)
        assert [key for key in told.nodes.living() if key != pod]


def test_i3_the_next_launch_waits_for_the_pod_that_is_on_its_way_out():
    """Two of one task would share its volumes and its licence."""
    with story(queued=1) as told:
        pod = starts(told)
        (scheduler,) = told.schedulers
        told.do(told.nodes.move, pod, "deferred")
        told.do(told.nodes.accident, pod, "deleted")
        told.passes(0.2)
        told.queue(told.rows("deferred")[0], scheduler)
        told.passes(1.5)
        assert told.nodes.living() == [pod]
        told.passes(3.0)
        assert len(told.nodes.living()) == 1
        assert pod not in told.nodes.living()


def test_i4_a_row_that_was_read_before_the_end_says_nothing_about_it():
    """A user marks the task while its row is on its way; its worker meets its limit before it hears of that."""
    with story(queued=1) as told:
        pod = starts(told)
        told.table.latency = 1.5
        told.passes(28.5)  # reconciliation reads every row at 30 s
        told.a_user(0, "marks success")
        told.do(told.cluster.play(pod[1]).oom)
        told.passes(5.0)
        assert list(told.schedulers[0].machine.tracker) == []


def test_i5_a_task_that_is_given_up_before_it_was_handed_over_is_not_launched():
    """The worker of its former launch got it in the very moment in which it was queued."""
    with story(queued=1) as told:
        (scheduler,) = told.schedulers
        told.passes(1.5)
        (pod,) = told.nodes.living()
        for _ in range(2):
            told.do(told.nodes.move, pod, "goes on")
        told.a_timer_of_the_scheduler_strikes(0)
        told.queue(told.rows("scheduled")[0], scheduler)
        told.do(told.nodes.move, pod, "goes on")
        assert told.rows("running")
        told.a_timer_of_the_scheduler_strikes(0)
        told.passes(1.5)
        assert list(scheduler.machine.tracker) == []


def test_i5_a_task_that_a_user_ends_while_it_waits_frees_its_slot():
    """Nobody tells the executor."""
    with story(queued=1) as told:
        told.passes(1.5)
        told.a_user(0, "marks success")
        told.passes(40.0)
        assert (told.nodes.living(), list(told.schedulers[0].machine.tracker)) == ([], [])


def test_i6_the_pod_of_a_launch_that_another_scheduler_adopted_is_let_go():
    with story(queued=1) as told:
        pod = starts(told)
        told.a_scheduler_freezes(0, 34, "goes on")
        told.a_scheduler_starts(0.5)
        told.passes(2.0)
        told.frozen_schedulers_go_on()
        told.passes(40.0)
        assert list(told.schedulers[0].machine.tracker) == []
        assert told.nodes.living() == [pod]


def test_i6_a_pod_whose_launch_was_settled_while_it_was_created_goes_at_once():
    with story(queued=1) as told:
        told.cluster.latency = 2.0
        told.passes(1.0)
        told.a_timer_of_the_scheduler_strikes(0)
        told.passes(8.0)
        assert len(told.cluster.born) == 3  # with the strangers'
        assert told.nodes.living() == []


def test_i13_nothing_is_created_while_the_scheduler_is_frozen():
    with story(queued=2) as told:
        (scheduler,) = told.schedulers
        told.passes(1.5)
        for pod in told.nodes.living():
            told.do(told.nodes.accident, pod, "node lost")
        told.weather.creates.extend(["quota"] * 40)
        told.passes(1.0)
        scheduler.freeze()
        told.passes(26.0)
        assert told.nodes.living() == []


def test_i13_a_look_before_a_delete_outlives_no_freeze():
    """What it has seen may be old when its answers come."""
    with story(queued=1) as told:
        (scheduler,) = told.schedulers
        told.passes(1.5)
        (pod,), (row,) = told.nodes.living(), told.rows("queued")
        told.table.latency = 1.5  # of a query
        told.passes(2.0)
        scheduler.freeze()
        told.passes(13.7)
        told.do(scheduler.requeue, row)  # heard of late
        told.passes(3.0)
        assert told.nodes.living() == [pod]


def test_i13_nothing_is_deleted_while_the_scheduler_is_frozen():
    with story(queued=1) as told:
        pod = starts(told)
        told.schedulers[0].freeze()
        told.passes(16.0)
        for _ in range(2):
            told.do(told.nodes.move, pod, "success")
        told.passes(5.0)
        assert pod in told.cluster.pods
        told.frozen_schedulers_go_on()
        told.passes(3.0)
        assert pod not in told.cluster.pods
