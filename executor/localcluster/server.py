"""The HTTP face: authentication, faults, dispatch to verbs, and errors as ``Status`` answers.

One catch-all route: paths are read by :mod:`executor.localcluster.request_info`, so a new resource needs no route.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

from executor.localcluster import (
    admin,
    discovery,
    eviction,
    pod_log,
    pod_streams,
    reading,
    reviews,
    status,
    token_request,
    writing,
)
from executor.localcluster.authorization import impersonated, require
from executor.localcluster.cluster import Cluster
from executor.localcluster.decoding import MAX_BODY_BYTES
from executor.localcluster.faults import Mishap
from executor.localcluster.negotiation import in_yaml, require_acceptable, wants_yaml
from executor.localcluster.request_info import RequestInfo, parse
from executor.localcluster.status import ApiError
from executor.localcluster.users import ADMINISTRATOR, User

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
    ("get", "exec"): pod_streams.execute,
    ("create", "exec"): pod_streams.execute,
    ("get", "attach"): pod_streams.attach,
    ("create", "attach"): pod_streams.attach,
    ("create", "binding"): writing.bind,
    ("create", "eviction"): eviction.evict,
    ("create", "token"): token_request.create,
}
_OPEN_PATHS = frozenset({"/healthz", "/livez", "/readyz"})
_BEARER = "bearer"  # in any case: RFC 7235
_RETRY = frozenset({429, 503, 504})


def json_error(error: ApiError) -> web.Response:
    seconds = error.retry_after if error.retry_after is not None else 1 if error.code in _RETRY else None
    headers = {"Retry-After": str(seconds)} if seconds else None
    body = msgspec.json.encode(error.body())
    return web.Response(body=body, status=error.code, content_type="application/json", headers=headers)


def _cut(request: web.Request) -> web.Response:
    """Drop the connection without an answer, as a network that fails does."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


class ApiServer:
    """Answers requests about one :class:`Cluster`; with ``switches`` also those that make it misbehave.

    The cluster's own node agents and scheduler are not counted, delayed or refused: a test that makes its client's
    requests fail still has pods that run.
    """

    def __init__(self, cluster: Cluster, switches: bool = False) -> None:
        self.cluster = cluster
        self._switches = switches

    def application(self) -> web.Application:
        app = web.Application(client_max_size=MAX_BODY_BYTES + 1)
        app.router.add_route("*", "/{path:.*}", self.handle)
        return app

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One request to its answer; every refusal is a ``Status``."""
        try:
            answer = await self._answer(request)
        except ApiError as error:
            answer = json_error(error)
        except web.HTTPRequestEntityTooLarge:
            answer = json_error(status.body_too_large(MAX_BODY_BYTES))
        except ConnectionResetError:
            return web.Response()
        except Exception as error:
            log.exception("%s %s failed", request.method, request.path)
            answer = json_error(status.internal_error(error))
        return in_yaml(answer) if wants_yaml(request) else answer

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if request.path in _OPEN_PATHS:
            return web.Response(text="ok")
        user = self._authenticate(request)
        if self._switches and admin.is_switch(request):
            return await self._switch(request, user)
        faults = self.cluster.faults
        if not await faults.reachable():
            return _cut(request)
        if user.inner:
            return await self._dispatch(request, user)
        try:
            answer = await self._dispatch(request, user)
        except ApiError as error:
            answer = json_error(error)
        if faults.latency and not answer.prepared:
            await asyncio.sleep(faults.latency)
        return answer

    def _authenticate(self, request: web.Request) -> User:
        """Who asks; raises a 401 for strangers."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        user = self.cluster.tokens.user(token.strip()) if scheme.lower() == _BEARER else None
        if user is None:
            raise status.unauthorized()
        return impersonated(self.cluster.authorizer, user, request.headers)

    async def _switch(self, request: web.Request, user: User) -> web.Response:
        if user.inner or user is ADMINISTRATOR:
            return await admin.answer(self.cluster, request)
        path = f'User "{user.name}" cannot {request.method.lower()} path "{request.path}"'
        raise ApiError(403, "Forbidden", f"forbidden: {path}", {})

    async def _dispatch(self, request: web.Request, user: User) -> web.StreamResponse:
        if (known := discovery.answer(request)) is not None:
            return known
        info = parse(request.method, request.path, request.query, user)
        require_acceptable(request, info)
        require(self.cluster.authorizer, info)
        mishap = Mishap() if user.inner else self.cluster.faults.strike(info)
        if mishap.delay:
            await asyncio.sleep(mishap.delay)
        if mishap.drop_request or (mishap.drop_answer and info.verb == "watch"):
            return _cut(request)
        if mishap.error is not None:
            raise mishap.error
        if info.verb == "watch":
            return await self._watch(request, info, mishap)
        answer = await _verb(info)(self.cluster, request, info)
        return _cut(request) if mishap.drop_answer else answer

    async def _watch(self, request: web.Request, info: RequestInfo, mishap: Mishap) -> web.StreamResponse:
        faults = self.cluster.faults
        frozen_until = time.monotonic() + mishap.frozen

        async def passing(piece: bytes) -> bytes:
            await faults.thaw(frozen_until)
            return faults.arriving(info, piece)

        with faults.watching(request.transport, info, mishap):
            return await reading.watch(self.cluster, request, info, None if info.user.inner else passing)


def _verb(info: RequestInfo) -> Verb:
    """What answers the request; raises a 405."""
    if info.resource.kind in reviews.KINDS:
        return reviews.answer
    if info.subresource in ("", "status"):
        return _VERBS[info.verb]
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
