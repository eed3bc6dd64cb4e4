"""The verbs that read: get, list, watch."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial as bound

import msgspec
from aiohttp import web

from executor.localcluster import listing, partial, tables, watching
from executor.localcluster.cluster import Cluster
from executor.localcluster.request_info import RequestInfo
from executor.localcluster.store import Stored
from executor.localcluster.types import Json

JSON_TYPE = "application/json"


def object_answer(request: web.Request, stored: Stored, code: int = 200) -> web.Response:
    """An object, from its bytes where it is stored, or only its metadata where that was asked for."""
    if partial.wanted(request.headers.get("Accept", "")):
        return json_answer(partial.partial(stored.object), code)
    return web.Response(body=stored.raw, status=code, content_type=JSON_TYPE)


def json_answer(value: Json, code: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), status=code, content_type=JSON_TYPE)


def _table_wanted(request: web.Request) -> bool:
    return tables.wanted(request.headers.get("Accept", ""))


def _table(request: web.Request, info: RequestInfo, objects: list[Json], metadata: Json) -> Json:
    return tables.table(info.resource.kind, objects, metadata, request.query.get("includeObject", "Metadata"))


async def get(cluster: Cluster, request: web.Request, info: RequestInfo) -> web.StreamResponse:
    stored = cluster.store.get(info.resource, (info.namespace, info.name))
    if _table_wanted(request):
        version = {"resourceVersion": str(stored.version)}
        return json_answer(_table(request, info, [stored.object], version))
    return object_answer(request, stored)


async def list_objects(cluster: Cluster, request: web.Request, info: RequestInfo) -> web.StreamResponse:
    found = listing.page(cluster.store, info)
    if _table_wanted(request):
        return json_answer(_table(request, info, [stored.object for stored in found.objects], found.metadata))
    if partial.list_wanted(request.headers.get("Accept", "")):
        return json_answer(partial.partial_list([stored.object for stored in found.objects], found.metadata))
    return web.Response(body=listing.encode_page(info, found), content_type=JSON_TYPE)


async def watch(
    cluster: Cluster,
    request: web.Request,
    info: RequestInfo,
    passing: Callable[[bytes], Awaitable[bytes]] | None = None,
) -> web.StreamResponse:
    """Stream events until the time of the watch is over, the client leaves or the connection is cut.

    ``passing`` is awaited with each piece, some whole lines, and returns what is to be sent of it: switches hold the
    watch and lose events there.
    """
    plan = watching.plan(cluster.store, info)
    if _table_wanted(request):
        plan = replace(plan, render=bound(_event_table, request, info))
    elif partial.wanted(request.headers.get("Accept", "")):
        plan = replace(plan, render=_event_metadata)
    answer = web.StreamResponse(headers={"Content-Type": JSON_TYPE})
    await answer.prepare(request)
    async for piece in watching.stream(cluster.store, plan):
        if sent := await passing(piece) if passing else piece:
            await answer.write(sent)
    await answer.write_eof()
    return answer


def _event_table(request: web.Request, info: RequestInfo, obj: Json) -> bytes:
    version = {"resourceVersion": obj["metadata"]["resourceVersion"]}
    return msgspec.json.encode(_table(request, info, [obj], version))


def _event_metadata(obj: Json) -> bytes:
    return msgspec.json.encode(partial.partial(obj))
