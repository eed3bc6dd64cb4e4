"""A loopback HTTP server whose answers a test writes, and a client that talks to it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from executor.kube.client import KubeApi
from executor.kube.settings import KubeSettings

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Seen:
    """A request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass
class Server:
    """`answer` may be replaced at any time; `seen` is everything that was asked."""

    answer: Answer = field(default_factory=lambda: _not_found)
    seen: list[Seen] = field(default_factory=list)
    port: int = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        decoded = json.loads(body) if body else None
        self.seen.append(Seen(request.method, request.path, dict(request.query), dict(request.headers), decoded))
        return await self.answer(request)

    def says(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        """The same answer to everything."""

        async def answer(request: web.Request) -> web.StreamResponse:
            return web.json_response(body, status=status, headers=headers)

        self.answer = answer


async def _not_found(request: web.Request) -> web.StreamResponse:
    return web.json_response(status_body(404, "NotFound", "nothing here"), status=404)


def status_body(code: int, reason: str, message: str, **details: Any) -> dict[str, Any]:
    """A Status object as a server writes it."""
    body = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message}
    return {**body, "reason": reason, "code": code, "details": details}


def pod_body(name: str, version: int = 1, **labels: str) -> dict[str, Any]:
    """A pod as a server writes it."""
    meta = {"name": name, "namespace": "ns", "uid": f"uid-{name}", "resourceVersion": str(version), "labels": labels}
    return {"metadata": meta, "spec": {"containers": [{"name": "base"}]}, "status": {"phase": "Pending"}}


def write_kubeconfig(path: Path, url: str, user: dict[str, Any]) -> Path:
    """A kubeconfig with one context for this server and user."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [{"name": "k", "cluster": {"server": url}}],
        "users": [{"name": "u", "user": user}],
    }
    path.write_text(json.dumps(config))
    return path


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", made.handle)
    test_server = TestServer(app, host="127.0.0.1")
    await test_server.start_server(shutdown_timeout=0.05)
    made.port = test_server.port or 0
    yield made
    await test_server.close()


@pytest.fixture
def kubeconfig(server: Server, tmp_path: Path) -> Path:
    return write_kubeconfig(tmp_path / "kubeconfig", f"http://127.0.0.1:{server.port}", {"token": "first-token"})


@pytest.fixture
async def open_api(kubeconfig: Path) -> AsyncIterator[Callable[..., Awaitable[KubeApi]]]:
    """Opens clients with these settings; all are closed at the end."""
    opened: list[KubeApi] = []

    async def open_(**settings: Any) -> KubeApi:
        api = await KubeApi.open(KubeSettings(**{"in_cluster": False, "config_file": str(kubeconfig), **settings}))
        opened.append(api)
        return api

    yield open_
    for api in opened:
        await api.close()


@pytest.fixture
async def api(open_api: Callable[..., Awaitable[KubeApi]]) -> KubeApi:
    return await open_api()
