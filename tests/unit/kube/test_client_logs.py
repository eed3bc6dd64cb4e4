"""Logs as KubeApi reads and follows them, on a loopback HTTP server."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest
from aiohttp import web

from executor import errors
from tests.unit.kube.conftest import status_body


@pytest.mark.parametrize(
    ("limit", "text"), [(1000, "one\ntwo\nthree\n"), (10, "three\n"), (4, "ree\n"), (6, "three\n")]
)
async def test_log_keeps_whole_last_lines(server, api, limit, text):
    async def answer(request: web.Request) -> web.Response:
        return web.Response(text="one\ntwo\nthree\n")

    server.answer = answer
    assert await api.read_log("ns", "p", container="base", tail_lines=9, limit_bytes=limit) == text
    assert server.seen[0].query == {"container": "base", "tailLines": "9"}


async def test_a_log_is_followed_as_it_comes_without_timestamps(server, api):
    more = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"one\n")
        await more.wait()
        await response.write(b"two\n")
        return response

    server.answer = answer
    found = []
    async with aclosing(api.follow_log("ns", "p", container="base", tail_lines=9)) as chunks:
        async for chunk in chunks:
            found.append(chunk)
            more.set()
    assert found == [b"one\n", b"two\n"]
    assert server.seen[0].query == {"container": "base", "tailLines": "9", "follow": "true"}


async def test_a_followed_log_may_be_silent_for_longer_than_a_request_lasts(server, open_api):
    """`request_timeout` ends a read that hangs, not a container that says nothing."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await asyncio.sleep(0.3)
        await response.write(b"late\n")
        return response

    server.answer = answer
    api = await open_api(request_timeout=0.1)
    async with aclosing(api.follow_log("ns", "p", container="base", tail_lines=9)) as chunks:
        assert [chunk async for chunk in chunks] == [b"late\n"]


async def test_a_log_that_is_gone_cannot_be_followed(server, api):
    server.says(404, status_body(404, "NotFound", 'pods "p" not found'))
    with pytest.raises(errors.NotFound):
        await anext(api.follow_log("ns", "p", container="base", tail_lines=9))
