"""A container task's life in virtual time: who makes its pod, who ends it, and that nobody asks at intervals."""

from __future__ import annotations

import asyncio
import sys
import tracemalloc

import pytest

from executor.errors import Unreachable
from executor.operators import removal
from executor.operators.life import Life
from executor.operators.orphans import collect_for_ever
from executor.operators.outcome import Ending
from tests.fakes.kube import Call, status_error
from tests.operators.world import Kube, World, identity, next_try, play


def test_a_pod_that_ends_well() -> None:
    async def story() -> None:
        world = World()
        running = world.start(world.life())
        name = await world.pod()
        world.kube.play(name).running()
        world.kube.writes(("default", name), "hello\nworld\n")
        await asyncio.sleep(1)
        world.kube.play(name).finish(0)
        assert (await running).state == "success"
        assert [line for line in world.said.lines if line.startswith("[base]")] == ["[base] hello", "[base] world"]
        assert world.airflow.cleared == [identity().ti_id]

    play(story)


@pytest.mark.parametrize("code", [0, 1])
def test_where_the_pod_is_becomes_known_at_once(code: int) -> None:
    async def story() -> None:
        world = World()
        running = world.start(world.life())
        name = await world.pod()
        await asyncio.sleep(0.1)
        assert world.airflow.stored == {identity().ti_id: {"pod_name": name, "pod_namespace": "default"}}
        world.kube.play(name).running().finish(code)
        await running

    play(story)


def test_an_answer_that_was_lost_makes_no_second_pod() -> None:
    async def story() -> None:
        world = World()
        lost = iter([Unreachable("no answer"), None])
        world.kube.lose_answer = lambda call: next(lost, None) if call.verb == "create" else None
        running = world.start(world.life())
        name = await world.pod()
        world.kube.play(name).running().finish(0)
        assert (await running).state == "success"
        assert world.kube.count("create") == 2
        assert len(world.kube.pods) == 1

    play(story)


def test_a_full_quota_is_waited_for_and_said() -> None:
    async def story() -> None:
        world = World(Kube(quota={"default": 0}))
        running = world.start(world.life())
        await asyncio.sleep(100)
        assert not running.done()
        assert world.said.count("exceeded quota") >= 2
        world.kube.quota.clear()
        name = await world.pod()
        world.kube.play(name).running().finish(0)
        assert (await running).state == "success"

    play(story)


@pytest.mark.parametrize(
    ("status", "reason", "message"),
    [
        (403, "Forbidden", 'pods is forbidden: User "x" cannot create resource "pods" in namespace "default"'),
        (404, "NotFound", 'namespaces "default" not found'),
        (422, "Invalid", 'Pod "x" is invalid: spec.containers[0].image: Required value'),
    ],
)
def test_a_refused_create_fails_with_the_servers_words(status: int, reason: str, message: str) -> None:
    async def story() -> Ending:
        world = World()
        world.kube.fail = lambda call: status_error(status, reason, message) if call.verb == "create" else None
        return await world.life().run()

    ending = play(story)
    assert ending.state == "failed"
    assert message in ending.sentence


def test_another_triggerer_finds_the_same_pod() -> None:
    async def story() -> None:
        first = World()
        started = first.start(first.life())
        name = await first.pod()
        first.kube.play(name).running()
        await asyncio.sleep(1)
        started.cancel()  # killed
        second = first.other()
        going_on = second.start(second.life())
        await asyncio.sleep(1)
        second.kube.play(name).finish(0)
        assert (await going_on).state == "success"
        assert second.kube.count("create") == 1
        assert second.airflow.cleared == [identity().ti_id], "only whoever made the pod clears old results"

    play(story)


def test_a_pod_that_ended_while_nobody_looked() -> None:
    async def story() -> None:
        first = World()
        started = first.start(first.life(do_xcom_push=True))
        name = await first.pod()
        first.kube.play(name).running()
        started.cancel()
        mark = f"::airflow-xcom:{name[-16:]}::"
        first.kube.writes(("default", name), f'said\n\n{mark} 7\n{{"a":1}}\n{mark} end\n')
        first.kube.play(name).finish(0)
        second = first.other()
        ending = await second.life(do_xcom_push=True).run()
        assert ending.xcoms == {"return_value": {"a": 1}}
        assert second.said.count("[base] said") == 1

    play(story)


def test_a_frozen_triggerer_ends_nothing_that_went_on() -> None:
    """Its clock says the pod should have started long ago; what the API server says now counts."""

    async def story() -> None:
        world = World()
        running = world.start(world.life(startup_timeout_seconds=60))
        name = await world.pod()
        world.kube.play(name).scheduled()
        await asyncio.sleep(1)
        await world.watch.close()  # deaf from here
        world.kube.play(name).running()
        await asyncio.sleep(300)
        assert not running.done()
        assert name in {key[1] for key in world.kube.pods}
        assert world.kube.count("delete") == 0

    play(story)


@pytest.mark.parametrize(("parameter", "scheduled"), [("schedule_timeout", False), ("startup_timeout", True)])
def test_a_pod_that_does_not_start_in_time(parameter: str, scheduled: bool) -> None:
    async def story() -> None:
        world = World()
        running = world.start(world.life(**{f"{parameter}_seconds": 40}))
        name = await world.pod()
        world.kube.play(name).scheduled() if scheduled else world.kube.play(name).unschedulable()
        await asyncio.sleep(30)
        assert not running.done()
        ending = await running
        assert ending.state == "failed"
        assert f"{parameter}_seconds" in ending.sentence
        assert world.kube.pods == {} or world.kube.pod(name).metadata.deletion_timestamp is not None

    play(story)


def test_the_execution_timeout_stops_the_pod() -> None:
    async def story() -> None:
        world = World()
        running = world.start(world.life(execution_timeout=20))
        name = await world.pod()
        world.kube.play(name).running()
        ending = await running
        assert ending.state == "failed"
        assert "execution_timeout (20 s) is over" in ending.sentence
        assert world.kube.count("delete") == 1

    play(story)


def test_a_pod_that_somebody_deletes() -> None:
    async def story() -> None:
        world = World()
        running = world.start(world.life())
        name = await world.pod()
        world.kube.play(name).running()
        await asyncio.sleep(1)
        world.kube.play(name).disrupt()
        ending = await running
        assert ending.state == "failed"
        assert "was evicted, as happens when a node is drained" in ending.sentence

    play(story)


def test_a_pod_that_vanished_is_gone_for_sure() -> None:
    async def story() -> None:
        world = World()
        running = world.start(world.life())
        name = await world.pod()
        world.kube.play(name).running()
        await asyncio.sleep(1)
        world.kube.compact()
        world.kube.play(name).vanish()
        await asyncio.sleep(8)
        assert not running.done(), "whoever ended the task has the time to tell Airflow, which cancels this one"
        ending = await running
        assert ending.state == "failed"
        assert name in ending.sentence

    play(story)


def test_a_new_try_ends_what_an_older_one_left_running() -> None:
    async def story() -> None:
        world = World()
        first = world.life()
        left = world.start(first)
        old = await world.pod()
        world.kube.play(old).running()
        await asyncio.sleep(1)
        left.cancel()
        second = world.start(world.life(next_try(first.task.identity, 2)))
        await asyncio.sleep(35)
        names = [key[1] for key in world.kube.pods]
        assert old not in names
        assert len(names) == 1
        second.cancel()

    play(story)


@pytest.mark.parametrize(("action", "left"), [("delete_pod", False), ("keep_pod", True)])
def test_a_task_that_is_taken_from_its_pod(action: str, left: bool) -> None:
    async def story() -> None:
        world = World()
        life = world.life(on_kill_action=action)
        running = world.start(life)
        name = await world.pod()
        world.kube.play(name).running()
        await asyncio.sleep(1)
        running.cancel()
        await life.stop()
        await asyncio.sleep(1)
        assert (("default", name) in world.kube.pods) == left

    play(story)


@pytest.mark.parametrize(
    ("action", "succeeded", "deleted"),
    [
        ("delete_pod", True, True),
        ("delete_pod", False, True),
        ("keep_pod", True, False),
        ("delete_succeeded_pod", True, True),
        ("delete_succeeded_pod", False, False),
        ("delete_active_pod", True, False),
    ],
)
def test_what_is_kept_after_the_end(action: str, succeeded: bool, deleted: bool) -> None:
    async def story() -> bool:
        world = World()
        running = world.start(world.life(on_finish_action=action))
        name = await world.pod()
        world.kube.play(name).running().finish(0 if succeeded else 1)
        await running
        return removal.wanted_after_end(world.kube.pod(name), succeeded=succeeded)

    assert play(story) is deleted


def test_a_pod_is_deleted_only_when_airflow_has_its_end() -> None:
    async def story() -> None:
        world = World()
        life = world.life()
        running = world.start(life)
        name = await world.pod()
        world.kube.play(name).running().finish(0)
        await running
        assert life.pod is not None

        async def taken() -> bool:
            return await world.airflow.state(life.task.identity) != "deferred"

        deleting = asyncio.create_task(removal.delete_when_taken(world.kube, removal.ref_of(life.pod), None, taken))
        await asyncio.sleep(10)
        assert ("default", name) in world.kube.pods
        world.airflow.states[life.task.identity.ti_id] = "success"
        await deleting
        assert world.kube.pods == {}

    play(story)


def test_never_more_pods_than_slots() -> None:
    async def story() -> None:
        world = World(limit=5)
        lives = [world.start(world.life(identity(number, task_id=f"t{number}"))) for number in range(20)]
        done = most = 0
        while done < 20:
            await asyncio.sleep(1)
            alive = [key for key, pod in world.kube.pods.items() if pod["status"].get("phase") != "Succeeded"]
            most = max(most, len(alive))
            for _, name in alive[:2]:
                world.kube.play(name).running().finish(0)
                done += 1
        assert most == 5
        assert {ending.state for ending in await asyncio.gather(*lives)} == {"success"}
        assert world.said.count("max_active_pods = 5") == 15
        assert world.kube.count("create") == 20

    play(story)


def test_a_thousand_waiting_tasks_ask_next_to_nothing() -> None:
    async def story() -> float:
        world = World()
        lives = [world.start(_patient(world, number)) for number in range(1000)]
        await asyncio.sleep(5)
        for _, name in list(world.kube.pods)[:50]:
            world.kube.play(name).running()
        await asyncio.sleep(5)
        before = len(world.kube.calls)
        await asyncio.sleep(600)
        assert not any(life.done() for life in lives)
        assert len(world.kube.pods) == 1000
        return (len(world.kube.calls) - before) / 600

    assert play(story) < 0.1


def _patient(world: World, number: int) -> Life:
    return world.life(identity(number, task_id=f"t{number}"), schedule_timeout_seconds=86_400)


def test_a_waiting_task_weighs_little() -> None:
    """Beyond what Airflow's own trigger costs; the log that is followed and the pod's view are part of it."""

    async def story() -> float:
        world = World()
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            lives = [
                world.start(world.life(identity(number, task_id=f"t{number}"), get_logs=False)) for number in range(100)
            ]
            await asyncio.sleep(5)
            kept = sum(map(sys.getsizeof, world.kube.pods.values()))
            for _, name in list(world.kube.pods):
                world.kube.play(name).running()
            await asyncio.sleep(5)
            assert len(lives) == 100
            in_fake = _size_of_fake(world)
            return (tracemalloc.get_traced_memory()[0] - before - kept - in_fake) / 100
        finally:
            tracemalloc.stop()

    assert play(story) < 20_000


def _size_of_fake(world: World) -> int:
    """What the API in memory keeps: its objects and their history, found by letting go of them."""
    before = tracemalloc.get_traced_memory()[0]
    world.kube.pods.clear()
    world.kube._history.clear()
    world.kube.calls.clear()
    return before - tracemalloc.get_traced_memory()[0]


@pytest.mark.parametrize(
    ("state", "ended", "given", "deleted"),
    [
        ("success", True, {}, True),
        ("failed", False, {}, True),
        (None, False, {}, True),
        ("success", True, {"on_finish_action": "keep_pod"}, False),
        ("failed", False, {"on_kill_action": "keep_pod"}, False),
        ("deferred", True, {}, False),
        ("up_for_retry", True, {}, False),
        ("running", False, {}, False),
    ],
)
def test_pods_that_a_dead_triggerer_left(state: str | None, ended: bool, given: dict[str, str], deleted: bool) -> None:
    async def story() -> None:
        first = World()
        life = first.life(**given)
        left = first.start(life)
        name = await first.pod()
        first.kube.play(name).running()
        await asyncio.sleep(1)
        left.cancel()
        if ended:
            first.kube.play(name).finish(0)
        first.airflow.states[life.task.identity.ti_id] = state
        second = first.other()
        collecting = asyncio.create_task(collect_for_ever(second.watch, second.airflow, second.kube.now))
        await asyncio.sleep(400)
        collecting.cancel()
        assert (("default", name) not in first.kube.pods) == deleted

    play(story)


def test_a_name_that_is_anothers() -> None:
    async def story() -> Ending:
        world = World()
        world.kube.add_pod({"metadata": {"name": "mine", "namespace": "default"}, "spec": {}, "status": {}})
        return await world.life(name="mine", random_name_suffix=False).run()

    ending = play(story)
    assert ending.state == "failed"
    assert "exists already and is another's" in ending.sentence


def test_pods_that_cannot_be_listed() -> None:
    async def story() -> Ending:
        kube = Kube()
        forbidden = status_error(403, "Forbidden", "pods is forbidden")

        def fail(call: Call) -> Exception | None:
            return forbidden if call.verb == "list" else None

        kube.fail = fail  # type: ignore[assignment]
        return await World(kube).life().run()

    ending = play(story)
    assert "cannot be listed: 403 Forbidden: pods is forbidden" in ending.sentence
