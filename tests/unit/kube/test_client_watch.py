"""A watch over HTTP: what is asked, how it ends, and what a silent, broken or expired one becomes."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing

import pytest
from aiohttp import web

from executor.errors import Forbidden, Gone, Unreachable
from executor.kube.port import Bookmark, Listed, PodChanged, PodGone
from executor.kube.reflector import ReflectorDown, reflect
from tests.unit.kube.conftest import pod_body, status_body


def line(kind: str, obj: object) -> bytes:
    return json.dumps({"type": kind, "object": obj}).encode() + b"\n"


def streams(*chunks: bytes, then: str = "end"):
    """A watch that writes these chunks, then ends, hangs or breaks."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        for chunk in chunks:
            await response.write(chunk)
            await asyncio.sleep(0)
        if then == "hang":
            await asyncio.sleep(30)
        if then == "break":
            assert request.transport is not None
            request.transport.abort()
        return response

    return answer


async def collect(api):
    async with aclosing(api.watch_pods("ns", "a=1", "7")) as stream:
        return [event async for event in stream]


async def test_events_until_the_server_ends_it(server, api):
    text = line("ADDED", pod_body("p", 8)) + line("BOOKMARK", {"metadata": {"resourceVersion": "9"}})
    server.answer = streams(text[:40], text[40:], line("DELETED", pod_body("p", 10)))
    events = await collect(api)
    assert [type(event) for event in events] == [PodChanged, Bookmark, PodGone]
    query = server.seen[0].query
    assert (query["watch"], query["resourceVersion"], query["allowWatchBookmarks"]) == ("true", "7", "true")
    assert 200 <= int(query["timeoutSeconds"]) <= 300


async def test_410_at_the_start(server, api):
    server.says(410, status_body(410, "Expired", "too old resource version: 7 (99)"))
    with pytest.raises(Gone):
        await collect(api)


async def test_410_in_the_middle(server, api):
    server.answer = streams(line("ADDED", pod_body("p")), line("ERROR", status_body(410, "Expired", "too old")))
    with pytest.raises(Gone):
        await collect(api)


async def test_a_silent_socket_is_cut(server, open_api):
    api = await open_api(watch_idle_seconds=0.1)
    server.answer = streams(line("ADDED", pod_body("p")), then="hang")
    with pytest.raises(Unreachable, match=r"watch pods at .*nothing was heard"):
        await asyncio.wait_for(collect(api), 1)


async def test_bookmarks_keep_a_quiet_stream_alive(server, open_api):
    api = await open_api(watch_idle_seconds=0.15)

    async def quiet(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for version in range(4):
            await asyncio.sleep(0.06)
            await response.write(line("BOOKMARK", {"metadata": {"resourceVersion": str(version)}}))
        return response

    server.answer = quiet
    assert [event.resource_version for event in await collect(api)] == ["0", "1", "2", "3"]


async def test_a_stream_that_breaks_is_unreachable(server, api):
    server.answer = streams(line("ADDED", pod_body("p")), then="break")
    with pytest.raises(Unreachable):
        await collect(api)


async def test_forbidden(server, api):
    server.says(403, status_body(403, "Forbidden", 'cannot watch resource "pods"'))
    with pytest.raises(Forbidden):
        await collect(api)


async def test_a_pod_of_many_megabytes_comes_through(server, api):
    big = pod_body("big")
    big["metadata"]["annotations"] = {"a": "x" * 3_000_000}
    server.answer = streams(line("ADDED", big))
    (event,) = await collect(api)
    assert len(event.pod.metadata.annotations["a"]) == 3_000_000


async def test_reflecting_over_http_survives_a_cut_and_a_410(server, open_api):
    api = await open_api(watch_idle_seconds=0.1)
    watches = iter(
        [
            streams(line("ADDED", pod_body("p", 8)), then="hang"),
            streams(line("ERROR", status_body(410, "Expired", "too old"))),
            streams(line("ADDED", pod_body("q", 12)), then="hang"),
        ]
    )

    async def answer(request: web.Request) -> web.StreamResponse:
        if "watch" in request.query:
            return await next(watches)(request)
        return web.json_response({"metadata": {"resourceVersion": "5"}, "items": []})

    server.answer = answer
    slept = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    kinds = []
    async with aclosing(reflect(api, "ns", "a=1", sleep=sleep)) as events:
        async for event in events:
            kinds.append(type(event))
            if kinds.count(PodChanged) == 2:
                break
    assert kinds == [Listed, PodChanged, ReflectorDown, Listed, PodChanged]
    versions = [seen.query["resourceVersion"] for seen in server.seen if "watch" in seen.query]
    assert versions == ["5", "8", "5"]
