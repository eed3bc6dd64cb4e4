"""The verbs that write: create, update, patch, delete, deletecollection, and the subresource binding."""

from __future__ import annotations

from aiohttp import web

from executor.localcluster import applying, listing, status
from executor.localcluster.body import read_body, read_patch
from executor.localcluster.cluster import Cluster
from executor.localcluster.decoding import Decoded, decode_object, decode_patched
from executor.localcluster.delete_options import check_write, delete_options
from executor.localcluster.patches import APPLY_TYPE, apply_patch
from executor.localcluster.reading import json_answer, object_answer
from executor.localcluster.registry import Deletion, Write
from executor.localcluster.request_info import RequestInfo
from executor.localcluster.store import Key

_RETURNS_OBJECT = frozenset({"Pod", "ServiceAccount", "Namespace", "PersistentVolumeClaim"})


def _key(info: RequestInfo) -> Key:
    return info.namespace, info.name


async def _decode(request: web.Request, info: RequestInfo) -> Decoded:
    validation = info.query.get("fieldValidation", "")
    return decode_object(await request.read(), info.resource, validation, request.content_type)


def _write(request: web.Request, info: RequestInfo) -> Write:
    """How it is meant; who does not name a field manager is called as its program is."""
    manager = info.query.get("fieldManager") or request.headers.get("User-Agent", "").partition("/")[0]
    return Write(info.subresource, info.dry_run, manager or "unknown")


def _warn(answer: web.Response, decoded: Decoded) -> web.Response:
    """Add a ``Warning`` header (RFC 7234) for each field that was not understood."""
    for text in decoded.warnings:
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        answer.headers.add("Warning", f'299 - "{escaped}"')
    return answer


async def create(cluster: Cluster, request: web.Request, info: RequestInfo) -> web.StreamResponse:
    check_write(info)
    decoded = await _decode(request, info)
    stored = cluster.registry.create(info.resource, info.namespace, decoded.object, info.dry_run)
    return _warn(object_answer(request, stored, 201), decoded)


async def update(cluster: Cluster, request: web.Request, info: RequestInfo) -> web.StreamResponse:
    check_write(info)
    decoded = await _decode(request, info)
    stored = cluster.registry.update(info.resource, _key(info), decoded.object, _write(request, info))
    return _warn(object_answer(request, stored), decoded)


async def patch(cluster: Cluster, request: web.Request, info: RequestInfo) -> web.StreamResponse:
    if request.content_type == APPLY_TYPE:
        return await applying.apply(cluster, request, info)
    check_write(info)
    change = read_patch(await request.read())
    current = cluster.store.get(info.resource, _key(info))
    patched = apply_patch(request.content_type, info.resource, current.object, change.value)
    decoded = decode_patched(patched, info.resource, info.query.get("fieldValidation", ""), change.repeated)
    stored = cluster.registry.patched(info.resource, _key(info), decoded.object, _write(request, info))
    return _warn(object_answer(request, stored), decoded)


async def bind(cluster: Cluster, request: web.Request, info: RequestInfo) -> web.StreamResponse:
    binding = read_body(await request.read(), request.content_type, "Binding").value
    cluster.registry.bind(_key(info), str(binding.get("target", {}).get("name", "")))
    return json_answer(status.success(201), 201)


async def delete(cluster: Cluster, request: web.Request, info: RequestInfo) -> web.StreamResponse:
    options = await delete_options(request, info)
    return _deletion_answer(request, info, cluster.registry.delete(info.resource, _key(info), options))


async def delete_collection(cluster: Cluster, request: web.Request, info: RequestInfo) -> web.StreamResponse:
    options = await delete_options(request, info)
    found = listing.page(cluster.store, info)
    for stored in found.objects:
        cluster.registry.delete(info.resource, stored.key, options)
    return web.Response(body=listing.encode_page(info, found), content_type="application/json")


def _deletion_answer(request: web.Request, info: RequestInfo, done: Deletion) -> web.Response:
    if not done.gone or info.resource.kind in _RETURNS_OBJECT:
        return object_answer(request, done.stored)
    details = status.details_of(info.resource, info.name) | {"uid": done.stored.uid}
    return json_answer(status.success() | {"details": details})
