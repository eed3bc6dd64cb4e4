"""Pods as they are, for ever: list, watch from there, list again when history is lost.

Three generators: `reflect` never ends, `_list_then_watch` ends when its version is of no more use, the port's
`watch_pods` is one stream. Each `Listed` is complete: what it lacks is gone, and the caller finds out by comparing.
Events may repeat after a broken stream; each says "here is the pod now", so that does no harm.
Excluded: a cache, and rate-limiting of messages (both the caller's).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field

from executor.errors import ApiError, Gone, Refused, Transient
from executor.kube.port import Bookmark, KubePort, Listed, PodChanged, PodGone, WatchEvent

_SHORT = 1.0  # seconds: a stream that ends sooner, with nothing said, is no healthy one
_BROKEN_STREAMS = 3  # in a row and without an event: the version itself may be the trouble, list again


@dataclass(frozen=True, slots=True)
class ReflectorDown:
    """The pods of this namespace cannot be seen for now; tried again in `retry_in` seconds."""

    namespace: str | None
    error: ApiError
    retry_in: float


Reflected = Listed | PodChanged | PodGone | ReflectorDown


def _loop_time() -> float:
    return asyncio.get_running_loop().time()


@dataclass(slots=True)
class BackOff:
    """How long to wait after the n-th failure in a row: between `low` and low * 2^n seconds, at most `high`."""

    low: float = 1.0
    high: float = 30.0
    jitter: Callable[[float, float], float] = random.uniform
    failures: int = field(default=0, init=False)

    def after(self, error: ApiError | None) -> float:
        """Seconds to wait; never less than the server asked for."""
        self.failures += 1
        wait = self.jitter(self.low, min(self.high, self.low * 2.0 ** min(self.failures, 16)))
        return max(wait, (error.retry_after or 0.0) if error else 0.0)

    def forget(self) -> None:
        """Something went well."""
        self.failures = 0


@dataclass(frozen=True, slots=True)
class _Target:
    port: KubePort
    namespace: str | None
    selector: str
    back_off: BackOff
    sleep: Callable[[float], Awaitable[object]]
    clock: Callable[[], float]


async def reflect(
    port: KubePort,
    namespace: str | None,
    selector: str,
    *,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    clock: Callable[[], float] = _loop_time,
    back_off: BackOff | None = None,
) -> AsyncGenerator[Reflected]:
    """Every change of the pods that match, until the caller closes it (`contextlib.aclosing`).

    Yields `Listed` after every list, then `PodChanged` and `PodGone`; `ReflectorDown` whenever it has to wait after
    an error. sleep and clock are in seconds. Raises nothing of its own; cancellation passes through.
    """
    target = _Target(port, namespace, selector, back_off or BackOff(), sleep, clock)
    while True:
        async with aclosing(_list_then_watch(target)) as events:
            async for event in events:
                yield event


@dataclass(slots=True)
class _Cursor:
    """How far a list and the streams after it have come."""

    version: str
    listed_at: float
    lost: bool = False  # 410: the version is too old
    broken: int = 0  # streams in a row that broke without an event


async def _list_then_watch(target: _Target) -> AsyncGenerator[Reflected]:
    """Ends when the version is of no more use, or after the wait for a list that failed."""
    try:
        listed = await target.port.list_pods(target.namespace, target.selector)
    except ApiError as error:
        wait = target.back_off.after(error)
        yield ReflectorDown(target.namespace, error, wait)
        await target.sleep(wait)
        return
    yield listed
    cursor = _Cursor(listed.resource_version, target.clock())
    while not cursor.lost and cursor.broken < _BROKEN_STREAMS:
        async with aclosing(_one_stream(target, cursor)) as events:
            async for event in events:
                yield event


async def _one_stream(target: _Target, cursor: _Cursor) -> AsyncGenerator[Reflected]:
    """One watch from the cursor on, which it moves; a stream that did not go well ends with a wait."""
    opened, before = target.clock(), cursor.version
    error: ApiError | None = None
    try:
        async with aclosing(_changes(target, cursor)) as changes:
            async for change in changes:
                yield change
    except ApiError as failure:
        error = failure
    wait = _settle(target, cursor, error, moved=cursor.version != before, opened=opened)
    if wait and error is not None and not isinstance(error, Gone):
        yield ReflectorDown(target.namespace, error, wait)
    if wait:
        await target.sleep(wait)


async def _changes(target: _Target, cursor: _Cursor) -> AsyncGenerator[PodChanged | PodGone]:
    """What the port's stream says, without bookmarks; the cursor follows both. Raises ApiError."""
    async with aclosing(target.port.watch_pods(target.namespace, target.selector, cursor.version)) as events:
        async for event in events:
            cursor.version = _version(event) or cursor.version
            if not isinstance(event, Bookmark):
                yield event


def _settle(target: _Target, cursor: _Cursor, error: ApiError | None, *, moved: bool, opened: float) -> float:
    """Note what the end of a stream means for the cursor; the seconds to wait before going on."""
    gone = isinstance(error, Gone)
    cursor.lost = isinstance(error, Refused)
    cursor.broken = cursor.broken + 1 if isinstance(error, Transient) and not moved else 0
    # A version that is too old right after its list would otherwise make us list without pause.
    went_well = moved or target.clock() - (cursor.listed_at if gone else opened) >= _SHORT
    if went_well:
        target.back_off.forget()
    return 0.0 if went_well and (gone or error is None) else target.back_off.after(error)


def _version(event: WatchEvent) -> str:
    return event.resource_version if isinstance(event, Bookmark) else event.pod.metadata.resource_version
