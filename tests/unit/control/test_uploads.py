"""What the executor says goes to the remote log store once, when all is said, and no store holds anybody up."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from executor.control.uploads import SLOTS, UPLOAD_SECONDS
from executor.model import Launch, Outcome
from tests.unit.control.world import World


class Store:
    """What was uploaded, by path: as with a real one, an upload to a name adds to what is there."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.kept = folder, dict[str, str]()

    def upload(self, path: str) -> None:
        self.kept[path] = self.kept.get(path, "") + (self.folder / path).read_text()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def world_with(upload: Callable[[str], None], folder: Path, **options: object) -> World:
    world = World(log_folder=folder, **options)  # type: ignore[arg-type]
    world.plan = replace(world.plan, upload=upload)
    return world


def name_of(launch: Launch) -> str:
    return f"{launch.log_path}.executor.{launch.id}.log"


async def test_all_that_was_said_and_the_end_of_the_log_in_one_file(tmp_path: Path, store: Store) -> None:
    async with world_with(store.upload, tmp_path) as world:
        launch = world.queue(world.task("a"))
        await world.passes(1)
        world.pod_of(launch).deleted()
        await world.passes(2)
        assert store.kept == {}
        pod = world.runs(launch)
        world.kube.logs[pod.key] = "reading all orders\n"
        pod.oom()
        await world.passes(6)
        assert world.settled(launch) == 1
    assert list(store.kept) == [name_of(launch)]
    text = store.kept[name_of(launch)]
    assert [text.count(words) for words in ("Another pod takes its place", "(OOMKilled")] == [1, 1]
    assert text.endswith("\nreading all orders\n")
    assert not (tmp_path / f"{launch.log_path}.executor.log").exists()


async def test_each_launch_of_a_try_has_a_file_of_its_own(tmp_path: Path, store: Store) -> None:
    async with world_with(store.upload, tmp_path) as world:
        ti = world.task("a", retries=1)
        launches = []
        for _ in range(2):
            launches.append(world.queue(ti))
            await world.passes(2)
            world.runs(launches[-1]).finish(3)
            await world.passes(10)
    assert sorted(store.kept) == sorted(map(name_of, launches))
    assert all(text.count("exit code 3") == 1 for text in store.kept.values())


async def test_a_task_of_which_nothing_was_said_costs_no_upload(tmp_path: Path, store: Store) -> None:
    async with world_with(store.upload, tmp_path) as world:
        launch = world.queue(world.task("a"))
        await world.passes(1)
        world.runs(launch)
        world.succeeds(launch)
        await world.passes(10)
        assert world.settled(launch) == 1
    assert store.kept == {}


async def test_what_was_said_of_a_task_that_ends_well_is_uploaded_too(tmp_path: Path, store: Store) -> None:
    async with world_with(store.upload, tmp_path) as world:
        launch = world.queue(world.task("a"))
        await world.passes(1)
        world.pod_of(launch).unschedulable()
        await world.passes(60)
        world.runs(launch)
        world.succeeds(launch)
        await world.passes(10)
    assert "is not scheduled" in store.kept[name_of(launch)]


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Opened at the end, so that no thread is left behind."""
    event = threading.Event()
    yield event
    event.set()


async def test_a_store_that_hangs_holds_up_nobody(
    tmp_path: Path, gate: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    tried = []

    def hang(path: str) -> None:
        tried.append(path)
        gate.wait()

    async with world_with(hang, tmp_path) as world:
        launches = world.queue_all(world.tasks(3 * SLOTS))
        await world.passes(2)
        for launch in launches:
            world.runs(launch).finish(3)
        await world.passes(10)
        assert (world.slots, world.kube.pods) == (0, {})
        await world.passes(UPLOAD_SECONDS + 2)
        assert len(tried) == SLOTS
        assert caplog.text.count("could not be brought to the remote log store: there was no answer within 30 s") == 1
        later = world.queue(world.task("later"))
        await world.passes(2)
        world.runs(later).finish(3)
        await world.passes(5)
        assert world.outcomes(later) == [Outcome.FAILED]


async def test_a_store_that_refuses_is_told_of_once_a_minute(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def refuse(path: str) -> None:
        raise PermissionError("no such bucket")

    async with world_with(refuse, tmp_path) as world:
        launches = world.queue_all(world.tasks(20))
        await world.passes(2)
        for launch in launches:
            world.runs(launch).finish(3)
        await world.passes(10)
    assert caplog.text.count("remote log store: PermissionError: no such bucket") == 1
    assert (tmp_path / name_of(launches[0])).exists()


async def test_what_is_under_way_when_the_scheduler_ends_is_waited_for(tmp_path: Path, store: Store) -> None:
    async with world_with(store.upload, tmp_path) as world:
        launch = world.queue(world.task("a"))
        await world.passes(1)
        world.runs(launch).finish(3)
        while not world.settled(launch):
            await world.passes(0.1)
    assert list(store.kept) == [name_of(launch)]
