"""Logs of pods that others delete: followed to their end, saved when the launch ends badly, and not without bounds."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from executor.control.retention import KeepPolicy
from executor.control.tails import FOLLOWED, HELD, TAIL_BYTES
from executor.model import Launch, Outcome
from tests.fakes.kube import status_error
from tests.fakes.kube_play import Play
from tests.unit.control.world import Cluster, World

LINE = '{"timestamp":"2026-01-01T00:00:00Z","level":"info","event":"a\u2028b \\u043f","logger":"task"}'


def slow_to_stop() -> Cluster:
    """Whoever deletes a pod here waits for the test to say that it has stopped."""
    return Cluster(stop_after=None)


def saved(folder: Path, launch: Launch) -> list[str]:
    """Lines of the file beside the task's own log."""
    file = folder / f"{launch.log_path}.executor.log"
    return file.read_text(encoding="utf-8").split("\n")[:-1] if file.exists() else []


def notes(folder: Path, launch: Launch) -> list[str]:
    """What the executor says of the log's end."""
    records = [json.loads(line) for line in saved(folder, launch) if line.startswith("{")]
    told = [one["event"] for one in records if one.get("logger") == "executor.kubernetes"]
    return [text for text in told if "the log of pod" in text]


async def running(world: World, task: str = "a", retries: int = 1) -> tuple[Launch, Play]:
    launch = world.queue(world.task(task, retries=retries))
    await world.passes(1)
    return launch, world.runs(launch)


async def test_what_is_written_after_the_deletion_is_saved_word_for_word(tmp_path):
    async with World(kube=slow_to_stop(), log_folder=tmp_path) as world:
        launch, pod = await running(world)
        world.kube.writes(pod.key, "before\n")
        pod.deleted()
        await world.passes(1)
        world.kube.writes(pod.key, LINE + "\n")
        await world.passes(1)
        world.kube.writes(pod.key, "last\n")
        pod.stopped(137)
        await world.passes(10)
        assert world.settled(launch) == 1
        assert world.kube.count("follow", "pods/log") == 1
        assert world.kube.count("get", "pods/log") == 0
    lines = saved(tmp_path, launch)
    assert lines[lines.index("before") :] == ["before", LINE, "last"]
    (note,) = notes(tmp_path, launch)
    assert f"Saved the last 3 lines of the log of pod {pod.key[1]} while somebody else deleted it." == note


async def test_a_pod_that_goes_without_its_end_being_seen_leaves_its_tail(tmp_path):
    async with World(kube=slow_to_stop(), log_folder=tmp_path) as world:
        launch, pod = await running(world)
        world.kube.writes(pod.key, "before\n")
        pod.disrupt()
        await world.passes(1)
        world.kube.writes(pod.key, "after\n")
        pod.vanish()
        await world.passes(10)
        assert world.outcomes(launch) == [Outcome.FAILED]
    assert saved(tmp_path, launch)[-2:] == ["before", "after"]


async def test_the_rest_of_a_stream_is_waited_for_when_the_pod_has_gone(tmp_path):
    kube = slow_to_stop()
    follow = kube.follow_log

    async def late(*args, **kwargs):
        async for chunk in follow(*args, **kwargs):
            await asyncio.sleep(6)
            yield chunk

    kube.follow_log = late  # type: ignore[method-assign]
    async with World(kube=kube, log_folder=tmp_path) as world:
        launch, pod = await running(world)
        pod.deleted()
        await world.passes(1)
        kube.writes(pod.key, "last\n")
        pod.stopped(137)
        await world.passes(20)
    assert saved(tmp_path, launch)[-1] == "last"


async def test_a_pod_that_is_still_there_is_read_before_we_delete_it(tmp_path):
    async with World(kube=slow_to_stop(), log_folder=tmp_path) as world:
        launch, pod = await running(world)
        world.kube.writes(pod.key, "before\n")
        pod.deleted()
        await world.passes(1)
        pod.finish(137)
        await world.passes(10)
        assert world.kube.count("get", "pods/log") == 1
        assert world.machine._tails._tails == {}
    assert saved(tmp_path, launch)[-1] == "before"
    assert "before it was deleted" in notes(tmp_path, launch)[0]


async def test_a_worker_that_ends_well_all_the_same_leaves_no_tail(tmp_path):
    async with World(kube=slow_to_stop(), log_folder=tmp_path) as world:
        launch, pod = await running(world)
        world.kube.writes(pod.key, "before\n")
        pod.deleted()
        await world.passes(1)
        world.database.tis[launch.ti_id].state = "success"
        pod.stopped(0)
        await world.passes(10)
        assert world.settled(launch) == 1
        assert world.machine._tails._tails == {}
    assert saved(tmp_path, launch) == []


async def test_pods_that_we_delete_and_pods_that_have_not_started_are_not_followed():
    async with World(kube=slow_to_stop()) as world:
        abandoned, _ = await running(world, "a")
        waiting = world.queue(world.task("b"))
        await world.passes(1)
        world.pod_of(waiting).scheduled()
        world.machine.abandon(abandoned.id, "no heartbeat")
        world.pod_of(waiting).deleted()
        await world.passes(5)
        assert world.kube.count("follow", "pods/log") == 0


@pytest.mark.parametrize("how", ["vanish", "evicted"])
async def test_where_nothing_could_be_had_one_line_says_so(tmp_path, how: str):
    kube = slow_to_stop()
    async with World(kube=kube, log_folder=tmp_path) as world:
        launch, pod = await running(world)
        kube.fail = lambda call: status_error(404, "NotFound", "no such log") if call.resource == "pods/log" else None
        getattr(pod, how)()
        await world.passes(10)
        assert world.outcomes(launch) == [Outcome.FAILED]
    (note,) = notes(tmp_path, launch)
    why = {"vanish": "the pod was gone before anybody could read it", "evicted": "no such log"}[how]
    assert note.startswith(f"The end of the log of pod default/{pod.key[1]} could not be saved: ")
    assert why in note


async def test_a_stream_that_breaks_is_opened_again_and_repeats_nothing(tmp_path):
    kube = slow_to_stop()
    follow, streams = kube.follow_log, 0

    async def breaks_once(*args, **kwargs):
        nonlocal streams
        streams += 1
        if streams == 2:
            raise status_error(503, "ServiceUnavailable", "the node does not answer")
        async for chunk in follow(*args, **kwargs):
            yield chunk
            if streams == 1:
                raise status_error(503, "ServiceUnavailable", "the node does not answer")

    kube.follow_log = breaks_once  # type: ignore[method-assign]
    async with World(kube=kube, log_folder=tmp_path) as world:
        launch, pod = await running(world)
        kube.writes(pod.key, "before\n")
        pod.deleted()
        await world.passes(5)
        kube.writes(pod.key, "after\n")
        pod.stopped(137)
        await world.passes(10)
        assert streams == 3
    assert saved(tmp_path, launch)[-2:] == ["before", "after"]
    assert saved(tmp_path, launch).count("before") == 1


async def test_a_log_that_is_empty_is_said_to_be(tmp_path):
    async with World(kube=slow_to_stop(), log_folder=tmp_path) as world:
        launch, pod = await running(world)
        pod.deleted()
        await world.passes(1)
        pod.stopped(137)
        await world.passes(10)
    (note,) = notes(tmp_path, launch)
    assert note.endswith("could not be saved: it is empty.")


async def test_a_log_that_could_be_written_nowhere_is_not_read():
    async with World() as world:
        launch = world.callback()
        await world.passes(1)
        world.pod_of(launch).running().finish(3)
        await world.passes(5)
        assert (world.kube.pods, world.kube.count("get", "pods/log")) == ({}, 0)


async def test_a_drained_node_does_not_open_a_stream_for_every_pod(tmp_path):
    kube = slow_to_stop()
    async with World(kube=kube, log_folder=tmp_path) as world:
        launches = world.queue_all(world.tasks(3 * FOLLOWED))
        await world.passes(2)
        pods = [world.runs(launch) for launch in launches]
        for pod in pods:
            kube.writes(pod.key, "before\n")
            pod.deleted()
        await world.passes(1)
        assert kube.count("follow", "pods/log") == FOLLOWED
        for pod in pods:
            kube.writes(pod.key, "after\n")
            pod.stopped(137)
        await world.passes(20)
        assert world.slots == 0
        assert world.machine._tails._tails == {}
        _again, pod = await running(world, "again")
        pod.deleted()
        await world.passes(1)
        assert kube.count("follow", "pods/log") == FOLLOWED + 1  # a place has become free
        pod.stopped(137)
        await world.passes(5)
    found = [saved(tmp_path, launch) for launch in launches]
    assert sum(lines[-2:] == ["before", "after"] for lines in found) == FOLLOWED
    rest = [lines for lines in found if lines[-1] == "before"]
    assert len(rest) == 2 * FOLLOWED
    assert all("at most 20 are followed" in lines[-2] for lines in rest)


async def test_a_long_log_is_kept_from_its_end_and_from_a_lines_beginning(tmp_path):
    async with World(kube=slow_to_stop(), log_folder=tmp_path) as world:
        launch, pod = await running(world)
        pod.deleted()
        await world.passes(1)
        for number in range(50):
            world.kube.writes(pod.key, "".join(f"{number:03}-{line:03} {'x' * 90}\n" for line in range(100)))
            await world.passes(0.1)
        pod.stopped(137)
        await world.passes(10)
    lines = [line for line in saved(tmp_path, launch) if not line.startswith("{")]
    assert lines[-1].startswith("049-099")
    assert {len(line) for line in lines} == {98}
    assert TAIL_BYTES - 200 < sum(len(line) + 1 for line in lines) <= TAIL_BYTES


async def test_a_database_that_is_away_does_not_fill_the_memory_with_tails():
    kube = slow_to_stop()
    async with World(kube=kube) as world:
        launches = world.queue_all(world.tasks(HELD + 30))
        await world.passes(3)
        pods = [world.runs(launch) for launch in launches]
        await world.passes(2)
        world.database.down = True
        for pod in pods:
            pod.deleted()
        await world.passes(3)
        assert len(world.machine._tails._tails) == HELD
        for pod in pods:
            pod.stopped(137)
        world.database.down = False
        await world.passes(60)
        assert (world.slots, world.machine._tails._tails) == (0, {})


@pytest.mark.parametrize("keep", [KeepPolicy(), KeepPolicy(delete_on_failure=False)])
async def test_the_log_of_a_pod_whose_scheduler_died_before_it_could_read_it(tmp_path, keep: KeepPolicy):
    """A pod that is kept has had its log saved by whoever kept it."""
    kube = Cluster()
    world = World(kube=kube, log_folder=tmp_path, keep=keep)
    found = replace(world.plan.airflow, log_path=lambda one: f"dag/{one.task_id}/attempt={one.try_number}.log")
    world.plan = replace(world.plan, airflow=found)
    async with world:
        launch = world.database.queue(world.task("a"), job=99)
        kube.add_pod(world.pods.manifest(launch, 1))
        kube.writes(world.pod_of(launch).running().oom().key, "last\n")
        world.database.tis[launch.ti_id].state = "failed"
        await world.passes(120)
        assert len(kube.pods) == (not keep.delete_on_failure)
    assert saved(tmp_path, launch)[1:] == (["last"] if keep.delete_on_failure else [])


async def test_a_stream_that_never_ends_is_given_up(tmp_path):
    async with World(kube=slow_to_stop(), log_folder=tmp_path) as world:
        launch, pod = await running(world)
        world.kube.writes(pod.key, "before\n")
        pod.deleted(grace=30)
        await world.passes(200)
        assert (world.machine._tails._followed, world.events(launch)) == (0, [])
        pod.vanish()
        await world.passes(10)
        assert world.outcomes(launch) == [Outcome.FAILED]
    assert saved(tmp_path, launch)[-1] == "before"
