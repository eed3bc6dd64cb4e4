"""``pods/eviction``: deletion that asks the disruption budgets first, and says on the pod that it was one.

Source: Kubernetes page "API-initiated Eviction"; ``pkg/registry/core/pod/storage/eviction.go``.
"""

from __future__ import annotations

from dataclasses import replace

from aiohttp import web

from executor.localcluster.body import read_body
from executor.localcluster.cluster import Cluster
from executor.localcluster.decoding import decode_value
from executor.localcluster.delete_options import read_options
from executor.localcluster.disruption import check_eviction
from executor.localcluster.reading import json_answer
from executor.localcluster.registry import Registry
from executor.localcluster.request_info import RequestInfo
from executor.localcluster.resources import EVICTIONS, PODS
from executor.localcluster.status import bad_request, success
from executor.localcluster.types import Json

_VERSIONS = ("policy/v1", "policy/v1beta1")


async def evict(cluster: Cluster, request: web.Request, info: RequestInfo) -> web.StreamResponse:
    """Mark the pod as disrupted and delete it. Raises 400, 404, 409 (preconditions), 429 (a budget)."""
    eviction = await _decode(request, info)
    options = read_options(eviction.get("deleteOptions") or {}, info)
    key = (info.namespace, info.name)
    pod = cluster.store.get(PODS, key)
    Registry.check_preconditions(PODS, pod, options)
    check_eviction(cluster.store, pod.object)
    if not options.dry_run:
        cluster.registry.mark_disrupted(key, "EvictionByEvictionAPI", "Eviction API: evicting")
        cluster.registry.delete(PODS, key, replace(options, version=None))
    return json_answer(success(201), 201)


async def _decode(request: web.Request, info: RequestInfo) -> Json:
    value = read_body(await request.read(), request.content_type, EVICTIONS.kind).value
    version = value.get("apiVersion") or EVICTIONS.api_version
    if version not in _VERSIONS:
        shown = version.rpartition("/")[2]
        what = f'no kind "Eviction" is registered for version "{version}" in scheme "pkg/api/legacyscheme/scheme.go"'
        raise bad_request(f'Eviction in version "{shown}" cannot be handled as a Eviction: {what}')
    eviction = decode_value(value, EVICTIONS, "").object
    metadata = eviction.get("metadata") or {}
    if metadata.get("namespace", info.namespace) != info.namespace:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    if metadata.get("name") != info.name:
        raise bad_request("name in URL does not match name in Eviction object")
    return eviction
