"""What our session adds to the official client's: keepalive times, and proxy variables read once."""

from __future__ import annotations

import asyncio
import socket

import aiohttp
import pytest
from aiohttp import web
from kubernetes.aio import client as aio_client

from executor.kube.session import Sockets, connector, proxy_for
from executor.kube.settings import KubeSettings

ADDRESS = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", 1))


def test_sockets_notice_a_dead_peer():
    with Sockets(KubeSettings(tcp_keep_idle=11, tcp_keep_intvl=12, tcp_keep_cnt=3))(ADDRESS) as made:
        assert made.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        names = ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT")
        assert [made.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) for name in names] == [11, 12, 3]


@pytest.mark.parametrize(
    ("host", "proxy"),
    [
        ("https://api.example.org:6443", "http://proxy:3128"),
        ("http://api.example.org", None),
        ("https://inside.cluster.local", None),
        ("https://10.0.0.1", None),
        ("", None),
    ],
)
def test_proxy(host, proxy, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    monkeypatch.setenv("no_proxy", ".cluster.local,10.0.0.1")
    assert proxy_for(host) == proxy


@pytest.mark.parametrize("enabled", [True, False])
async def test_the_connector_makes_such_sockets(server, enabled):
    async def unfinished(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"x")
        await asyncio.sleep(30)
        return response

    server.answer = unfinished
    settings = KubeSettings(enable_tcp_keepalive=enabled, tcp_keep_idle=77)
    made = connector(aio_client.Configuration(host="http://127.0.0.1"), settings)
    address = f"http://127.0.0.1:{server.port}"
    async with aiohttp.ClientSession(connector=made) as session, session.get(address) as response:
        assert response.connection is not None
        assert response.connection.transport is not None
        used = response.connection.transport.get_extra_info("socket")
        assert (used.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 77) is enabled
