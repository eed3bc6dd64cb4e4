"""The reflector against an API that forgets, breaks and refuses. Sleeps are counted, not slept; jitter is its maximum.

Not here: silent sockets and broken HTTP, which `KubeApi.watch_pods` turns into errors (test_client_watch).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from executor.errors import Forbidden, Throttled, Unreachable
from executor.kube.port import Listed, PodChanged, PodGone
from executor.kube.reflector import BackOff, Reflected, ReflectorDown, reflect
from tests.fakes.kube import Call, FakeKube, status_error


class Clock:
    """Time that passes only in `sleep`."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []
        self.third_sleep = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if len(self.slept) == 3:
            self.third_sleep.set()
        self.now += seconds
        await asyncio.sleep(0)


class Seen:
    """What a reflector has said so far."""

    def __init__(self) -> None:
        self.events: list[Reflected] = []
        self._more = asyncio.Event()

    def add(self, event: Reflected) -> None:
        self.events.append(event)
        self._more.set()

    async def until(self, enough: Callable[[list[Reflected]], bool]) -> None:
        async with asyncio.timeout(2):
            while not enough(self.events):
                self._more.clear()
                await self._more.wait()

    async def count(self, kind: type, number: int) -> None:
        await self.until(lambda events: sum(isinstance(event, kind) for event in events) >= number)

    def words(self) -> list[str]:
        names = {PodChanged: "changed", PodGone: "gone"}
        return [
            f"listed {len(e.pods)}" if isinstance(e, Listed)
            else "down" if isinstance(e, ReflectorDown)
            else f"{names[type(e)]} {e.pod.metadata.name}"
            for e in self.events
        ]  # fmt: skip


@asynccontextmanager
async def reflecting(kube: FakeKube, clock: Clock, namespace: str | None = "default") -> AsyncIterator[Seen]:
    seen = Seen()

    async def follow() -> None:
        back_off = BackOff(jitter=lambda low, high: high)
        events = reflect(kube, namespace, "a=1", sleep=clock.sleep, clock=lambda: clock.now, back_off=back_off)
        async for event in events:
            seen.add(event)

    task = asyncio.create_task(follow())
    try:
        yield seen
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def pod(name: str, **labels: str) -> dict:
    return {"metadata": {"name": name, "labels": {"a": "1", **labels}}, "spec": {"containers": [{"name": "base"}]}}


async def test_list_then_every_change():
    kube, clock = FakeKube(), Clock()
    kube.add_pod(pod("old"))
    async with reflecting(kube, clock) as seen:
        await seen.count(Listed, 1)
        kube.add_pod(pod("new"))
        kube.add_pod({"metadata": {"name": "alien"}})
        kube.play("new").vanish()
        await seen.count(PodGone, 1)
    assert seen.words() == ["listed 1", "changed new", "gone new"]
    assert clock.slept == []


async def test_a_stream_that_ends_is_resumed_where_it_was():
    kube, clock = FakeKube(), Clock()
    async with reflecting(kube, clock) as seen:
        await seen.count(Listed, 1)
        kube.add_pod(pod("p"))
        await seen.count(PodChanged, 1)
        kube.break_streams()
        await asyncio.sleep(0)
        kube.play("p").running()
        await seen.count(PodChanged, 3)
    assert seen.words() == ["listed 0", "changed p", "changed p", "changed p"]
    assert (kube.count("list"), kube.count("watch")) == (1, 2)


async def test_a_broken_stream_says_so_waits_and_misses_nothing():
    kube, clock = FakeKube(), Clock()
    async with reflecting(kube, clock) as seen:
        await seen.count(Listed, 1)
        kube.fail = lambda call: Unreachable("reset") if kube.count("watch") == 1 else None
        await seen.count(ReflectorDown, 1)
        kube.add_pod(pod("meanwhile"))
        await seen.count(PodChanged, 1)
    assert seen.words() == ["listed 0", "down", "changed meanwhile"]
    assert clock.slept == [2.0]
    assert kube.count("list") == 1


async def test_410_in_the_middle_lists_again_at_once():
    kube, clock = FakeKube(), Clock()
    async with reflecting(kube, clock) as seen:
        await seen.count(Listed, 1)
        kube.add_pod(pod("p"))
        await seen.count(PodChanged, 1)
        clock.now += 60
        kube.play("p").vanish()
        kube.compact()
        await seen.count(Listed, 2)
    assert seen.words() == ["listed 0", "changed p", "listed 0"]
    assert clock.slept == []


async def test_410_at_the_start_of_a_resumed_watch_forgets_the_version():
    kube, clock = FakeKube(), Clock()
    async with reflecting(kube, clock) as seen:
        await seen.count(Listed, 1)
        clock.now += 300
        kube.compact()
        kube.break_streams()
        await seen.count(Listed, 2)
        kube.add_pod(pod("after"))
        await seen.count(PodChanged, 1)
    assert seen.words()[-2:] == ["listed 0", "changed after"]


async def test_410_right_after_every_list_does_not_spin():
    kube, clock = FakeKube(), Clock()
    kube.fail = lambda call: status_error(410, "Expired", "too old") if call.verb == "watch" else None
    async with reflecting(kube, clock) as seen:
        await seen.count(Listed, 4)
    assert clock.slept[:3] == [2.0, 4.0, 8.0]
    assert "down" not in seen.words()


async def test_a_stream_that_ends_at_once_every_time_does_not_spin():
    kube, clock = FakeKube(), Clock()

    def end_at_once(call: Call) -> None:
        if call.verb == "watch":
            asyncio.get_running_loop().call_soon(kube.break_streams)

    kube.fail = end_at_once
    async with reflecting(kube, clock), asyncio.timeout(2):
        await clock.third_sleep.wait()
    assert clock.slept[:3] == [2.0, 4.0, 8.0]


async def test_a_forbidden_list_is_said_and_tried_again_ever_more_slowly():
    kube, clock = FakeKube(forbidden={"default"}), Clock()
    async with reflecting(kube, clock) as seen:
        await seen.count(ReflectorDown, 7)
        kube.forbidden.clear()
        await seen.count(Listed, 1)
    downs = [event for event in seen.events if isinstance(event, ReflectorDown)]
    assert [down.retry_in for down in downs[:7]] == [2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]
    assert all(isinstance(down.error, Forbidden) and down.namespace == "default" for down in downs)


async def test_retry_after_is_waited_for():
    kube, clock = FakeKube(), Clock()
    answers = [Throttled("slow down", status=429, retry_after=45.0)]
    kube.fail = lambda call: answers.pop() if answers else None
    async with reflecting(kube, clock) as seen:
        await seen.count(Listed, 1)
    assert clock.slept == [45.0]


async def test_a_version_that_never_works_is_given_up():
    kube, clock = FakeKube(), Clock()
    kube.fail = lambda call: Unreachable("no") if call.verb == "watch" and kube.count("list") < 2 else None
    async with reflecting(kube, clock) as seen:
        await seen.count(Listed, 2)
        kube.add_pod(pod("p"))
        await seen.count(PodChanged, 1)
    assert seen.words() == ["listed 0", "down", "down", "down", "listed 0", "changed p"]


async def test_a_watch_that_is_forbidden_is_said_and_listed_again():
    kube, clock = FakeKube(), Clock()
    denied = status_error(403, "Forbidden", 'cannot watch resource "pods"')
    kube.fail = lambda call: denied if call.verb == "watch" and kube.count("list") < 3 else None
    async with reflecting(kube, clock) as seen:
        await seen.count(Listed, 3)
    assert seen.words() == ["listed 0", "down", "listed 0", "down", "listed 0"]


async def test_back_off_forgets_after_a_healthy_stream():
    kube, clock = FakeKube(), Clock()
    async with reflecting(kube, clock) as seen:
        await seen.count(Listed, 1)
        for number in range(3):
            kube.add_pod(pod(f"p{number}"))
            await seen.count(PodChanged, number + 1)
            kube.break_streams(Unreachable("reset"))
            await seen.count(ReflectorDown, number + 1)
    assert clock.slept[:2] == [2.0, 2.0]


async def test_all_namespaces_and_a_pod_that_stops_matching():
    kube, clock = FakeKube(), Clock()
    kube.add_pod(pod("one"), "n1")
    async with reflecting(kube, clock, None) as seen:
        await seen.count(Listed, 1)
        kube.add_pod(pod("two"), "n2")
        changed = {**kube.pods["n2", "two"], "metadata": {**kube.pods["n2", "two"]["metadata"], "labels": {"a": "2"}}}
        kube.store(changed)
        await seen.count(PodGone, 1)
    assert seen.words() == ["listed 1", "changed two", "gone two"]


def test_jitter_stays_between_one_and_thirty_seconds():
    back_off = BackOff()
    waits = [back_off.after(None) for _ in range(200)]
    assert all(1.0 <= wait <= 30.0 for wait in waits)
    assert len(set(waits)) > 100
