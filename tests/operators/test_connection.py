"""Many watches and followed logs leave the API server reachable: their connections are not those of the requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from executor.kube.client import KubeApi
from executor.kube.settings import KubeSettings
from executor.localcluster.kubeconfig import kubeconfig_text, make_certificate
from executor.operators.cluster import ClusterChoice
from executor.operators.hub import Hub

STREAMS = 20
LARGE = b"".join(b"line %d\n" % number for number in range(200_000))


async def endless(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse()
    await answer.prepare(request)
    await answer.write(b'{"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "1"}}}\n')
    await asyncio.sleep(600)
    return answer


async def created(request: web.Request) -> web.Response:
    return web.json_response({"metadata": {"namespace": "ns", "name": "pod", "uid": "u"}}, status=201)


async def large(request: web.Request) -> web.Response:
    return web.Response(body=LARGE)


@asynccontextmanager
async def api_server(folder: Path) -> AsyncIterator[ClusterChoice]:
    app = web.Application()
    app.router.add_get("/api/v1/namespaces/large/pods/{name}/log", large)
    app.router.add_get("/api/v1/namespaces/ns/pods/{name}/log", endless)
    app.router.add_get("/api/v1/namespaces/{name}/pods", endless)
    app.router.add_post("/api/v1/namespaces/ns/pods", created)
    runner, certificate = web.AppRunner(app, shutdown_timeout=0.1), make_certificate()
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=certificate.server_context(folder))
    await site.start()
    port = runner.addresses[0][1]
    (folder / "config").write_text(kubeconfig_text(f"https://127.0.0.1:{port}", "t", certificate.authority))
    settings = KubeSettings(in_cluster=False, config_file=str(folder / "config"), connection_pool_size=4)
    try:
        yield ClusterChoice(settings)
    finally:
        await runner.cleanup()


def a_log(api: KubeApi, number: int) -> AsyncGenerator[Any]:
    return api.follow_stamped_log("ns", f"pod-{number}", "base", "")


def a_watch(api: KubeApi, number: int) -> AsyncGenerator[Any]:
    return api.watch_pods(f"ns-{number}", "a=b", "1")


@pytest.mark.parametrize("lasting", [a_log, a_watch])
async def test_requests_go_on_beside_many_streams(
    tmp_path: Path, lasting: Callable[[KubeApi, int], AsyncGenerator[Any]]
) -> None:
    async with api_server(tmp_path) as choice:
        hub = Hub.here()
        api = await hub.api(choice)
        begun = asyncio.Semaphore(0)

        async def follow(number: int) -> None:
            async with aclosing(lasting(api, number)) as chunks:
                await anext(chunks)
                begun.release()
                await asyncio.sleep(600)

        following = [asyncio.create_task(follow(number)) for number in range(STREAMS)]
        async with asyncio.timeout(60):
            for _ in range(STREAMS):
                await begun.acquire()
            assert (await api.create_pod("ns", {"metadata": {"name": "pod"}})).uid == "u"
        for one in following:
            one.cancel()
        await asyncio.gather(*following, return_exceptions=True)
        await hub.close()


async def test_a_followed_log_has_no_large_buffer_and_comes_whole(tmp_path: Path) -> None:
    async with api_server(tmp_path) as choice:
        hub = Hub.here()
        api: Any = await hub.api(choice)
        async with aclosing(a_log(api, 1)) as lasting:
            await anext(lasting)
            (open_one,) = api._streams._transport._api_client.rest_client.pool_manager.connector._acquired
            assert len(open_one.transport._ssl_protocol._ssl_buffer) == 2**14
        async with aclosing(api.follow_stamped_log("large", "pod", "base", "")) as chunks:
            assert b"".join([chunk async for chunk in chunks]) == LARGE
        await hub.close()
