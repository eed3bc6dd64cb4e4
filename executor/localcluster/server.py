"""The HTTP face: authentication, faults, dispatch to verbs, and errors as ``Status`` answers.

One catch-all route: paths are read by :mod:`executor.localcluster.request_info`, so a new resource needs no route.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

from executor.localcluster import admin, discovery, pod_log, reading, reviews, status, writing
from executor.localcluster.cluster import Cluster
from executor.localcluster.decoding import MAX_BODY_BYTES
from executor.localcluster.request_info import RequestInfo, parse
from executor.localcluster.status import ApiError

log = logging.getLogger(__name__)

Verb = Callable[[Cluster, web.Request, RequestInfo], Awaitable[web.StreamResponse]]

_VERBS: dict[str, Verb] = {
    "get": reading.get,
    "list": reading.list_objects,
    "create": writing.create,
    "update": writing.update,
    "patch": writing.patch,
    "delete": writing.delete,
    "deletecollection": writing.delete_collection,
}
_SUBRESOURCES: dict[tuple[str, str], Verb] = {
    ("get", "log"): pod_log.serve,
    ("create", "binding"): writing.bind,
    ("create", "eviction"): writing.evict,
}
_UNSTORED: dict[str, Verb] = {"SelfSubjectAccessReview": reviews.review_access}
_OPEN_PATHS = frozenset({"/healthz", "/livez", "/readyz"})


def json_error(error: ApiError) -> web.Response:
    headers = {"Retry-After": "1"} if error.code in (429, 503, 504) else None
    body = msgspec.json.encode(error.body())
    return web.Response(body=body, status=error.code, content_type="application/json", headers=headers)


def _cut(request: web.Request) -> web.Response:
    """Drop the connection without an answer, as a network that fails does."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


class ApiServer:
    """Answers requests about one :class:`Cluster`.

    ``token`` is what a client must present; ``inner_token`` is for the cluster's own node agents and scheduler, who are
    not counted, delayed or refused: a test that makes its client's requests fail still has pods that run.
    """

    def __init__(self, cluster: Cluster, token: str, inner_token: str) -> None:
        self.cluster = cluster
        self._authorization = f"Bearer {token}".encode()
        self._inner = f"Bearer {inner_token}".encode()

    def application(self) -> web.Application:
        app = web.Application(client_max_size=MAX_BODY_BYTES + 1)
        app.router.add_route("*", "/{path:.*}", self.handle)
        return app

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One request to its answer; every refusal is a ``Status``."""
        try:
            return await self._answer(request)
        except ApiError as error:
            return json_error(error)
        except web.HTTPRequestEntityTooLarge:
            return json_error(status.body_too_large(MAX_BODY_BYTES))
        except ConnectionResetError:
            return web.Response()
        except Exception as error:
            log.exception("%s %s failed", request.method, request.path)
            return json_error(status.internal_error(error))

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if request.path in _OPEN_PATHS:
            return web.Response(text="ok")
        inner = self._authenticate(request)
        if (switched := await admin.answer(self.cluster, request)) is not None:
            return switched
        faults = self.cluster.faults
        if not await faults.reachable():
            return _cut(request)
        if inner:
            return await self._dispatch(request, inner)
        try:
            answer = await self._dispatch(request, inner)
        except ApiError as error:
            answer = json_error(error)
        if faults.latency and not answer.prepared:
            await asyncio.sleep(faults.latency)
        return answer

    def _authenticate(self, request: web.Request) -> bool:
        """Whether the caller is a part of the cluster itself; raises a 401 for strangers."""
        given = request.headers.get("Authorization", "").encode()
        if hmac.compare_digest(given, self._inner):
            return True
        if not hmac.compare_digest(given, self._authorization):
            raise status.unauthorized()
        return False

    async def _dispatch(self, request: web.Request, inner: bool) -> web.StreamResponse:
        if (known := discovery.answer(request)) is not None:
            return known
        info = parse(request.method, request.path, request.query)
        faults = self.cluster.faults
        lose_answer = not inner and faults.check(info)
        if info.verb == "watch":
            with faults.cuttable(request.transport):
                return await reading.watch(self.cluster, request, info, None if inner else faults.thaw)
        answer = await _verb(info)(self.cluster, request, info)
        return _cut(request) if lose_answer else answer


def _verb(info: RequestInfo) -> Verb:
    """What answers the request; raises a 405."""
    if info.subresource in ("", "status"):
        return _UNSTORED.get(info.resource.kind, _VERBS[info.verb])
    verb = _SUBRESOURCES.get((info.verb, info.subresource))
    if verb is None:
        raise status.method_not_allowed()
    return verb


async def listen(app: web.Application, port: int, tls: object) -> tuple[web.AppRunner, int]:
    """Serve on 127.0.0.1; returns the runner, to be cleaned up by the caller, and the port that was taken."""
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=1.0, keepalive_timeout=600)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port, ssl_context=tls, backlog=1024)  # type: ignore[arg-type]
    await site.start()
    return runner, runner.addresses[0][1]
