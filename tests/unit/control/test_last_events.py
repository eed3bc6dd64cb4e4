"""A launch that fails for want of its pod ends with the pod's last events; others do not ask for any."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from executor.control.pod_events import LONGEST, last_words_of
from executor.kube.port import PodEvent
from executor.model import Launch, Outcome
from tests.fakes.kube import EPOCH, Call, status_error
from tests.fakes.kube_play import Play
from tests.unit.control.world import Cluster, World

NOT_READY = PodEvent("NodeNotReady", "Node is not ready", "Warning", 1, None)
PULLED = PodEvent("Pulled", "Image is there", "Normal", 1, None)


def warning(reason: str, message: str, count: int = 1, at: datetime | None = None) -> PodEvent:
    return PodEvent(reason, message, "Warning", count, at)


def test_the_last_three_that_are_different_and_new():
    events = [
        warning("FailedMount", "one"),
        warning("FailedMount", "two", 4),
        PULLED,
        warning("FailedMount", "three."),
        warning("BackOff", "four\n  lines"),
        warning("FailedMount", "two", 5),
    ]
    assert last_words_of(events, "It failed.", None) == (
        " Its last events: FailedMount: three; BackOff: four lines; FailedMount: two (5 times)."
    )


@pytest.mark.parametrize(
    "event",
    [
        PULLED,
        warning("FailedScheduling", "0/1 nodes are available: 1 Insufficient cpu."),
        warning("Failed", "Error: ErrImagePull"),
        warning("FailedScheduling", "no room", at=EPOCH),
    ],
)
def test_what_adds_nothing_is_left_out(event: PodEvent):
    sentence = "Pod a waits: 0/1 nodes are available: 1 Insufficient cpu. (ErrImagePull)"
    assert last_words_of([event], sentence, EPOCH + timedelta(seconds=60)) == ""


def test_long_messages_are_cut_and_a_preemption_is_no_warning_but_tells():
    assert len(last_words_of([warning("FailedMount", "x" * 5000)], "It failed", None)) < LONGEST + 50
    preempted = PodEvent("Preempted", "Preempted by pod p on node n", "Normal", 1, None)
    assert (
        last_words_of([preempted], "It failed", None) == ". Its last events: Preempted: Preempted by pod p on node n."
    )


async def running(world: World) -> tuple[Launch, Play]:
    launch = world.queue(world.task("a"))
    await world.passes(1)
    return launch, world.runs(launch)


def happens(world: World, pod: Play, *events: PodEvent) -> None:
    world.kube.events[world.kube.pods[pod.key]["metadata"]["uid"]] = list(events)


DEATHS: dict[str, Callable[[Play], object]] = {
    "vanished": lambda pod: pod.vanish(),
    "evicted": lambda pod: pod.evicted(),
    "deleted": lambda pod: pod.deleted(),
    "killed": lambda pod: pod.finish(137, "Error"),
}


@pytest.mark.parametrize("how", DEATHS)
async def test_a_pod_that_was_killed(how: str):
    async with World() as world:
        launch, pod = await running(world)
        happens(world, pod, NOT_READY)
        DEATHS[how](pod)
        await world.passes(5)
        (event,) = world.events(launch)
        assert event.info.endswith(" Its last events: NodeNotReady: Node is not ready.")
        assert event.info in world.said(launch, "pod failed")
        assert world.kube.count("list", "events") == 1


async def test_a_pod_that_never_started():
    async with World(launch_retries=0, timeout_unschedulable=60.0) as world:
        launch = world.queue(world.task("a"))
        await world.passes(1)
        pod = world.pod_of(launch).unschedulable("0/1 nodes are available.")
        happens(
            world, pod, warning("FailedScheduling", "0/1 nodes are available."), warning("FailedBinding", "no disk")
        )
        await world.passes(80)
        (event,) = world.events(launch)
        assert event.info.count("0/1 nodes are available") == 1
        assert event.info.endswith("Its last events: FailedBinding: no disk.")


ORDINARY: dict[str, Callable[[Play], object]] = {
    "exit code": lambda pod: pod.finish(3, "Error"),
    "no report": lambda pod: pod.finish(0),
    "out of memory": lambda pod: pod.oom(),
}


@pytest.mark.parametrize("how", ORDINARY)
async def test_an_end_that_tells_itself_costs_no_call(how: str):
    async with World() as world:
        launch, pod = await running(world)
        ORDINARY[how](pod)
        await world.passes(10)
        assert world.outcomes(launch) == [Outcome.FAILED]
        assert world.kube.count("list", "events") == 0


async def test_success_costs_no_call():
    async with World() as world:
        launch, _ = await running(world)
        world.succeeds(launch)
        await world.passes(10)
        assert (world.settled(launch), world.kube.count("list", "events")) == (1, 0)


@pytest.mark.parametrize("trouble", ["forbidden", "slow", "down"])
async def test_the_end_is_told_without_events_where_they_cannot_be_had(trouble: str):
    kube = Cluster()
    async with World(kube=kube) as world:
        launch, pod = await running(world)
        down = status_error(503, "ServiceUnavailable", "away")
        if trouble == "forbidden":
            kube.fail = lambda call: status_error(403, "Forbidden", "no") if call.resource == "events" else None
        if trouble == "down":
            kube.fail = lambda call: down if call.resource == "events" else None
        kube.latency = 60.0 if trouble == "slow" else 0.0
        pod.vanish()
        await world.passes(2)
        world.machine._judge.want_row(launch.id)  # something else happens meanwhile
        await world.passes(2)
        assert world.kube.count("list", "events") == 1
        assert len(world.events(launch)) == (trouble != "slow")
        await world.passes(4)
        kube.latency = 0.0
        assert world.outcomes(launch) == [Outcome.FAILED]
        assert "Its last events" not in world.events(launch)[0].info


async def test_the_row_is_read_again_after_the_events_came():
    """While they are asked for, the task is cleared: nothing is said about the task as it is now."""
    kube = Cluster()
    cleared = False

    async with World(kube=kube) as world:
        launch, pod = await running(world)
        ti = world.database.tis[launch.ti_id]

        def lose(call: Call) -> None:
            nonlocal cleared
            if call.resource == "events":
                cleared, ti.external_executor_id = True, world.database.new_launch_id()

        kube.lose_answer = lose
        pod.vanish()
        await world.passes(10)
        assert (cleared, world.events(launch), world.settled(launch)) == (True, [], 1)


async def test_an_event_that_got_lost_is_told_in_the_same_words():
    async with World() as world:
        launch, pod = await running(world)
        happens(world, pod, NOT_READY)
        world.database.tis[launch.ti_id].locked = True
        pod.vanish()
        await world.passes(8)
        world.database.tis[launch.ti_id].locked = False
        await world.passes(8)
        told = {event.info for event in world.events(launch)}
        assert len(world.events(launch)) > 1
        assert len(told) == 1
        assert "NodeNotReady" in told.pop()
        assert world.kube.count("list", "events") == 1


async def test_many_that_fail_at_once_are_asked_for_a_few_at_a_time():
    kube = Cluster()
    under_way = highest = 0
    ask = kube.list_pod_events

    async def list_pod_events(pod):
        nonlocal under_way, highest
        under_way += 1
        highest = max(highest, under_way)
        try:
            return await ask(pod)
        finally:
            under_way -= 1

    kube.list_pod_events = list_pod_events  # type: ignore[method-assign]
    async with World(kube=kube) as world:
        launches = world.queue_all(world.tasks(100))
        await world.passes(2)
        pods = [world.runs(launch) for launch in launches]
        await world.passes(1)
        kube.latency = 0.1
        for pod in pods:
            pod.vanish()
        await world.passes(20)
        assert [world.outcomes(launch) for launch in launches] == [[Outcome.FAILED]] * 100
        assert 1 < highest <= 16
