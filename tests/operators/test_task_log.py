"""A container's log in the task's log: each line once, whatever happens to the stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from executor.errors import NotFound, Unreachable
from executor.operators.stamps import StampedLog
from executor.operators.task_log import ContainerLog
from executor.operators.turns import Place, Turns
from executor.operators.xcom import ResultReader
from tests.operators.world import Stamper, play

TEXT = b"".join(b"line %d\n" % number for number in range(50)) + b"the end"


@dataclass
class Source:
    """A log that is read in pieces; the streams break after so many bytes, one after the other."""

    breaks: list[int | None] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    gone: bool = False

    async def follow_stamped_log(self, namespace: str, name: str, container: str, since: str) -> AsyncGenerator[bytes]:
        if self.gone:
            raise NotFound("pods not found", status=404, reason="NotFound")
        until = self.breaks[len(self.asked)] if len(self.asked) < len(self.breaks) else None
        self.asked.append(since)
        text = Stamper(since).stamped(TEXT)
        for start in range(0, len(text), 7):
            if until is not None and start >= until:
                raise Unreachable("the answer broke off")
            yield text[start : start + 7]


def followed(source: Source, turns: Turns | None = None, ended: float = 1.0) -> tuple[list[str], ContainerLog]:
    shown: list[str] = []
    place = Place(turns or Turns())

    def nothing() -> None:
        return None

    log = ContainerLog(
        source, "ns", "pod", "base", shown.append, ResultReader.of("pod-0123456789abcdef"), place, nothing
    )

    async def story() -> None:
        asyncio.get_running_loop().call_later(ended, place.end)
        await log.follow()

    play(story)
    return shown, log


def test_each_line_once_over_broken_streams() -> None:
    source = Source([3, 100, 101, 333, 260])
    shown, log = followed(source)
    assert shown == TEXT.decode().splitlines()
    assert len(source.asked) == 6
    assert source.asked[0] == ""
    assert source.asked == sorted(source.asked)
    assert source.asked[-1] > "2026"
    assert log.problem == ""


def test_a_log_that_is_gone_says_so() -> None:
    shown, log = followed(Source(gone=True))
    assert shown == []
    assert "pods not found" in log.problem


@given(
    st.lists(st.binary(max_size=60).map(lambda line: line.replace(b"\n", b"") + b"\n"), max_size=12),
    st.binary(max_size=50).map(lambda line: line.replace(b"\n", b"")),
    st.lists(st.tuples(st.integers(0, 900), st.integers(1, 40)), max_size=4),
)
def test_a_log_is_exact_over_any_number_of_streams(
    lines: list[bytes], unfinished: bytes, breaks: list[tuple[int, int]]
) -> None:
    """Also where the node has thrown away what was read already, all but the second that is asked for."""
    text = b"".join([*lines, unfinished])
    log, got = StampedLog(), b""
    for until, size in [*breaks, (10**6, 64)]:
        stream = Stamper(log.since).stamped(text)
        log.reopened()
        for start in range(0, min(until, len(stream)), size):
            got += log.feed(stream[start : min(until, start + size)])
    assert got == text


def test_what_the_node_says_into_a_log_has_no_time() -> None:
    log = StampedLog()
    log.reopened()
    assert log.feed(b"2026-01-01T00:00:00.5Z one\nunable to retrieve container logs for containerd://1\n") == (
        b"one\nunable to retrieve container logs for containerd://1\n"
    )
    log.reopened()
    assert log.feed(b"2026-01-01T00:00:00.5Z one\n2026-01-01T00:00:00.500000001Z two\n") == b"two\n"


def test_a_log_that_ends_before_its_container_is_opened_again() -> None:
    """A node's agent that is started anew ends the streams of all its containers."""
    source = Source()
    shown, _ = followed(source, ended=45.0)
    assert shown == TEXT.decode().splitlines()
    assert len(source.asked) == 3


class Talking:
    """Containers that write a line each second; counts who is read."""

    def __init__(self) -> None:
        self.now = self.most = self.opened = 0

    async def follow_stamped_log(self, namespace: str, name: str, container: str, since: str) -> AsyncGenerator[bytes]:
        self.now += 1
        self.opened += 1
        self.most = max(self.most, self.now)
        try:
            begun = datetime.fromisoformat(since) if since else START
            second = int((begun - START).total_seconds())
            loop = asyncio.get_running_loop()
            while True:
                await asyncio.sleep(second - loop.time())
                yield f"{(START + timedelta(seconds=second)).strftime('%Y-%m-%dT%H:%M:%SZ')} {second}\n".encode()
                second += 1
        finally:
            self.now -= 1


START = datetime(2026, 1, 1, tzinfo=UTC)


def test_more_logs_than_are_followed_at_once_take_turns() -> None:
    source, turns, seconds = Talking(), Turns(at_once=10, turn=20.0), 1000.0
    shown: list[list[str]] = [[] for _ in range(40)]
    told: list[int] = []

    async def story() -> None:
        following = []
        for number, lines in enumerate(shown):
            log = ContainerLog(
                source,
                "ns",
                f"pod-{number}",
                "base",
                lines.append,
                ResultReader.of("pod-0123456789abcdef"),
                Place(turns),
                partial(told.append, number),
            )
            following.append(asyncio.create_task(log.follow()))
        await asyncio.sleep(seconds)
        for one in following:
            one.cancel()
        await asyncio.gather(*following, return_exceptions=True)

    play(story)
    assert source.most == 10
    assert source.opened / seconds <= 0.55
    assert sorted(set(told)) == list(range(40))
    assert min(map(len, shown)) > seconds - 100
    assert all(lines == [str(second) for second in range(len(lines))] for lines in shown)
    assert turns.taken == 0


@dataclass
class Dead(Source):
    """The connection of the first stream dies without a word."""

    async def follow_stamped_log(self, namespace: str, name: str, container: str, since: str) -> AsyncGenerator[bytes]:
        dies = not self.asked
        async for chunk in super().follow_stamped_log(namespace, name, container, since):
            yield chunk
            if dies:
                await asyncio.sleep(10**6)


def test_a_connection_that_died_is_left_when_the_container_has_ended() -> None:
    source = Dead()
    shown, log = followed(source)
    assert shown == TEXT.decode().splitlines()
    assert len(source.asked) == 2
    assert log.place.turns.taken == 0


class AtOnce:
    """A log that comes in one piece."""

    async def follow_stamped_log(self, namespace: str, name: str, container: str, since: str) -> AsyncGenerator[bytes]:
        yield Stamper(since).stamped(LINES)


LINES = b"".join(b"%d\n" % number for number in range(500))


def test_a_turn_that_ends_amid_lines_loses_none() -> None:
    shown: dict[str, list[str]] = {"one": [], "two": []}
    turns = Turns(at_once=1, turn=0.0)

    async def story() -> None:
        loop, following = asyncio.get_running_loop(), []
        for name, lines in shown.items():
            place, waits = Place(turns), partial(str)
            reader = ResultReader.of("pod-0123456789abcdef")
            log = ContainerLog(AtOnce(), "ns", name, "base", lines.append, reader, place, waits)
            following.append(asyncio.create_task(log.follow()))
            loop.call_later(50, place.end)
        await asyncio.gather(*following)

    play(story)
    assert list(shown.values()) == [LINES.decode().split()] * 2


def test_a_log_whose_container_has_ended_need_not_wait() -> None:
    turns = Turns(at_once=0)
    shown, _ = followed(Source(), turns)
    assert shown == TEXT.decode().splitlines()
