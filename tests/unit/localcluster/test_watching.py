"""Watches on the shared history, without a network."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from executor.localcluster.request_info import parse
from executor.localcluster.resources import CONFIG_MAPS
from executor.localcluster.store import Store
from executor.localcluster.types import Json
from executor.localcluster.watching import plan, stream
from tests.virtual_time import VirtualTimeLoop

_PATH = "/api/v1/namespaces/n/configmaps"


def config_map(name: str, **labels: str) -> Json:
    return {"kind": "ConfigMap", "metadata": {"name": name, "namespace": "n", "uid": name, "labels": labels}}


def events(piece: bytes) -> list[tuple[str, Any]]:
    return [(event["type"], event["object"]) for event in map(json.loads, piece.splitlines())]


def started(store: Store, **query: str) -> Any:
    return stream(store, plan(store, parse("GET", _PATH, {"watch": "1", **query})))


async def test_changes_that_come_together_are_one_piece() -> None:
    store = Store()
    watch = started(store, resourceVersion=str(store.version))
    for name in ("a", "b", "c"):
        store.create(CONFIG_MAPS, config_map(name))
    piece = events(await anext(watch))
    assert [(kind, obj["metadata"]["name"]) for kind, obj in piece] == [("ADDED", "a"), ("ADDED", "b"), ("ADDED", "c")]
    await watch.aclose()
    assert not store.collections[CONFIG_MAPS].readers


async def test_a_reader_that_fell_behind_is_told_410_and_ended() -> None:
    store = Store(history_limit=4)
    watch = started(store, resourceVersion=str(store.version))
    store.create(CONFIG_MAPS, config_map("first"))
    assert len(events(await anext(watch))) == 1
    for number in range(20):
        store.create(CONFIG_MAPS, config_map(f"c-{number}"))
    [(kind, status)] = events(await anext(watch))
    assert (kind, status["code"], status["reason"]) == ("ERROR", 410, "Expired")
    assert [piece async for piece in watch] == []


async def test_a_watch_ends_with_a_bookmark() -> None:
    store = Store()
    query = {"watch": "1", "resourceVersion": str(store.version), "allowWatchBookmarks": "true"}
    made = plan(store, parse("GET", _PATH, query))
    [piece] = [piece async for piece in stream(store, replace(made, timeout=0.0))]
    [(kind, mark)] = events(piece)
    assert (kind, mark["metadata"]["resourceVersion"]) == ("BOOKMARK", str(store.version))


@pytest.mark.timeout(20)
@pytest.mark.parametrize("bookmarks", ["false", "true"])
def test_a_watch_on_which_nothing_happens_leaves_the_server_to_others(bookmarks: str) -> None:
    """For minutes; then a change arrives when it is made."""
    store = Store()

    async def follow() -> list[tuple[float, str]]:
        loop, seen = asyncio.get_running_loop(), []
        began = loop.time()
        loop.call_later(250, store.create, CONFIG_MAPS, config_map("late"))
        query = {"resourceVersion": str(store.version), "timeoutSeconds": "300", "allowWatchBookmarks": bookmarks}
        async for piece in started(store, **query):
            seen += [(round(loop.time() - began), kind) for kind, _ in events(piece)]
        return seen

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        seen = runner.run(follow())
    marks = [(at, "BOOKMARK") for at in (60, 120, 180, 240, 300) if bookmarks == "true"]
    assert seen == sorted([*marks, (250, "ADDED")])


async def test_a_bookmark_never_promises_more_than_was_sent() -> None:
    store = Store()
    query = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}
    store.create(CONFIG_MAPS, config_map("a"))
    watch = started(store, **query)
    then = store.version
    assert [kind for kind, _ in events(await anext(watch))] == ["ADDED"]
    store.create(CONFIG_MAPS, config_map("late"))
    [(kind, mark)] = events(await anext(watch))
    assert (kind, mark["metadata"]["resourceVersion"]) == ("BOOKMARK", str(then))
    [(kind, obj)] = events(await anext(watch))
    assert (kind, obj["metadata"]["name"]) == ("ADDED", "late")
    await watch.aclose()
