"""Answers of watch: a stream of events read from a position in the shared history.

Invariants: no queue per watcher; what does not match the selector any more is a DELETED; a watcher that fell out of the
history, or asked for a version that is forgotten, gets an ERROR event with the 410 and its stream ends, as in apiserver
``pkg/storage/cacher/cacher.go``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import msgspec

from executor.localcluster.listing import wanted
from executor.localcluster.request_info import RequestInfo
from executor.localcluster.resources import Resource
from executor.localcluster.status import ApiError, FieldError, invalid
from executor.localcluster.store import Change, Collection, Store, Stored
from executor.localcluster.types import Json

BOOKMARK_SECONDS = 60.0
DEFAULT_TIMEOUT_SECONDS = 1800.0
_BATCH = 256
_MATCH_ALONE = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
_NEEDS_MATCH = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
_NEEDS_BOOKMARKS = "sendInitialEvents requires setting allowWatchBookmarks to true"
_OPEN = {
    name: b'{"type":"' + name.encode() + b'","object":'
    for name in ("ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR")
}
_CLOSE = b"}\n"


Render = Callable[[Json], bytes]
"""Another form of an object than its own JSON, such as a table row."""


@dataclass(frozen=True, slots=True)
class WatchPlan:
    """A watch request, checked: where it starts, whether it sends bookmarks, when it ends (seconds).

    ``after``: nothing is sent up to this version, which may lie in the future (``cacher/cache_watcher.go``).
    """

    collection: Collection
    holds: Callable[[Stored], bool]
    initial: list[Stored]
    position: int
    version: int
    announce_end: bool
    bookmarks: bool
    timeout: float
    after: int = 0
    render: Render | None = None
    refusal: ApiError | None = None


def _check(info: RequestInfo) -> bool:
    """Whether initial events are asked for in the streaming way; raises 422 for options that exclude each other."""
    match, asked = info.query.get("resourceVersionMatch", ""), "sendInitialEvents" in info.query
    streaming = asked and info.flag("sendInitialEvents")
    rules = (
        (match and not asked, "resourceVersionMatch", _MATCH_ALONE),
        (asked and match != "NotOlderThan", "sendInitialEvents", _NEEDS_MATCH),
        (streaming and not info.flag("allowWatchBookmarks"), "allowWatchBookmarks", _NEEDS_BOOKMARKS),
    )
    errors = [FieldError("FieldValueForbidden", field, f"Forbidden: {why}") for broken, field, why in rules if broken]
    if errors:
        raise invalid("ListOptions", "meta.k8s.io", "", errors)
    return streaming


def plan(store: Store, info: RequestInfo) -> WatchPlan:
    """Where the watch starts. Raises 504 (a streaming list of the future), 400, 422; a 410 is told by the stream."""
    streaming, version = _check(info), info.version() or 0
    collection, holds = store.collections[info.resource], wanted(info)
    if streaming:
        store.at(info.resource, max(version, store.version))
    from_now = streaming or (version == 0 and "sendInitialEvents" not in info.query)
    initial = sorted(filter(holds, collection.objects.values()), key=lambda stored: stored.key) if from_now else []
    position, refusal = collection.end, None
    if version and not from_now:
        try:
            position = collection.position_after(version)
        except ApiError as error:
            refusal = error
    seconds = float(info.number("timeoutSeconds") or DEFAULT_TIMEOUT_SECONDS)
    bookmarks = info.flag("allowWatchBookmarks")
    return WatchPlan(
        collection, holds, initial, position, store.version, streaming, bookmarks, seconds, version, refusal=refusal
    )


def event(kind: str, raw: bytes) -> bytes:
    return _OPEN[kind] + raw + _CLOSE


def error_event(error: ApiError) -> bytes:
    return event("ERROR", msgspec.json.encode(error.body()))


def bookmark(resource: Resource, version: int, initial_end: bool = False) -> bytes:
    """A BOOKMARK: everything up to ``version`` was sent; the one that ends initial events is annotated."""
    metadata: Json = {"resourceVersion": str(version), "creationTimestamp": None}
    if initial_end:
        metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
    return event(
        "BOOKMARK",
        msgspec.json.encode({"kind": resource.kind, "apiVersion": resource.api_version, "metadata": metadata}),
    )


def translate(change: Change, watch: WatchPlan) -> bytes | None:
    """A change as a selecting watcher sees it; ``None`` when it concerns no object it has or gets."""
    before = change.previous is not None and watch.holds(change.previous)
    after = change.type != "DELETED" and watch.holds(change.stored)
    if change.stored.version <= watch.after:
        return None
    if after:
        return event("MODIFIED" if before else "ADDED", _raw(change.stored, watch))
    if not before or change.previous is None:
        return None
    if change.type == "DELETED":
        return event("DELETED", _raw(change.stored, watch))
    last = change.previous.object
    last["metadata"]["resourceVersion"] = str(change.stored.version)
    return event("DELETED", (watch.render or msgspec.json.encode)(last))


def _raw(stored: Stored, watch: WatchPlan) -> bytes:
    return watch.render(stored.object) if watch.render else stored.raw


async def stream(store: Store, watch: WatchPlan) -> AsyncIterator[bytes]:
    """Pieces of the answer, each some whole lines, until the time is over or the history is lost."""
    if watch.refusal is not None:
        yield error_event(watch.refusal)
        return
    collection, wake = watch.collection, asyncio.Event()
    for start in range(0, len(watch.initial), _BATCH):
        yield b"".join(event("ADDED", _raw(stored, watch)) for stored in watch.initial[start : start + _BATCH])
    if watch.announce_end:
        yield bookmark(collection.resource, watch.version, initial_end=True)
    collection.readers.add(wake)
    try:
        async for piece in _follow(store, watch, wake):
            yield piece
    except ApiError as error:
        yield error_event(error)
    finally:
        collection.readers.discard(wake)


async def _follow(store: Store, watch: WatchPlan, wake: asyncio.Event) -> AsyncIterator[bytes]:
    collection, position, version = watch.collection, watch.position, watch.version
    clock = asyncio.get_running_loop().time
    end = clock() + watch.timeout
    next_bookmark = clock() + BOOKMARK_SECONDS if watch.bookmarks else end
    while (now := clock()) < end:
        wake.clear()
        changes, version = collection.changes_from(position), store.version
        position += len(changes)
        for start in range(0, len(changes), _BATCH):
            lines = (translate(change, watch) for change in changes[start : start + _BATCH])
            if piece := b"".join(line for line in lines if line):
                yield piece
        if now >= next_bookmark:
            next_bookmark = now + BOOKMARK_SECONDS
            if version >= watch.after:
                yield bookmark(collection.resource, version)
        await _wait(wake, min(end, next_bookmark) - clock())
    if watch.bookmarks and version >= watch.after:
        yield bookmark(collection.resource, version)


async def _wait(wake: asyncio.Event, seconds: float) -> None:
    if wake.is_set() or seconds <= 0:
        return
    try:
        async with asyncio.timeout(seconds):
            await wake.wait()
    except TimeoutError:
        return
