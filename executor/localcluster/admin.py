"""The switches of :mod:`executor.localcluster.faults` over HTTP: ``POST /localcluster/<switch>`` with a JSON object.

==================  =================================================================================================
``latency``         ``{"milliseconds": 300}``: delay of every answer (not of watch events)
``forbid``          ``{"namespace": "x", "forbidden": true}``: every verb there is 403; ``false`` ends it
``fail``            ``{"verb": "create", "resource": "pods", "status": 500, "count": 3}``, optionally ``namespace``,
                    ``message``, ``reason``: the next requests of that kind fail; ``pods/binding`` names a subresource;
                    with ``"lost": true`` they are carried out and the connection is cut instead of an answer
``unreachable``     ``{"seconds": 10, "hang": false}``: connections are cut, at once or after hanging for that time
``drop-watches``    ``{}``: every open watch is cut
``freeze-watches``  ``{"seconds": 10}``: watches stay open and say nothing for that time
``compact``         ``{}``: the history is forgotten, older versions are 410
``reset``           ``{}``: no fault any more, and the counters at zero
==================  =================================================================================================

``GET /localcluster/requests`` counts the requests since the start or the last reset, by verb and resource.
The endpoint needs the token like any other and is never delayed or cut itself. The cluster's own node agents and
scheduler have a token of their own: ``unreachable`` and ``drop-watches`` hit them too, the other switches and the
counters concern outside clients only. A delayed write happens at once, and only its answer is late.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec
from aiohttp import web

from executor.localcluster.cluster import Cluster
from executor.localcluster.faults import Failure
from executor.localcluster.reading import json_answer
from executor.localcluster.status import bad_request, unknown_resource
from executor.localcluster.types import Json

PREFIX = "/localcluster/"


class _Latency(msgspec.Struct, forbid_unknown_fields=True):
    milliseconds: float


class _Forbid(msgspec.Struct, forbid_unknown_fields=True):
    namespace: str
    forbidden: bool = True


class _Freeze(msgspec.Struct, forbid_unknown_fields=True):
    seconds: float


class _Unreachable(msgspec.Struct, forbid_unknown_fields=True):
    seconds: float
    hang: bool = False


def _latency(cluster: Cluster, body: bytes) -> Json:
    cluster.faults.latency = msgspec.json.decode(body, type=_Latency).milliseconds / 1000
    return {}


def _forbid(cluster: Cluster, body: bytes) -> Json:
    given = msgspec.json.decode(body, type=_Forbid)
    (cluster.faults.forbidden.add if given.forbidden else cluster.faults.forbidden.discard)(given.namespace)
    return {"forbidden": sorted(cluster.faults.forbidden)}


def _fail(cluster: Cluster, body: bytes) -> Json:
    cluster.faults.failures.append(msgspec.json.decode(body, type=Failure))
    return {}


def _unreachable(cluster: Cluster, body: bytes) -> Json:
    given = msgspec.json.decode(body, type=_Unreachable)
    cluster.faults.unreachable(given.seconds, given.hang)
    return {}


def _drop_watches(cluster: Cluster, body: bytes) -> Json:
    return {"dropped": cluster.faults.drop_watches()}


def _freeze_watches(cluster: Cluster, body: bytes) -> Json:
    cluster.faults.frozen_until = time.monotonic() + msgspec.json.decode(body, type=_Freeze).seconds
    return {}


def _compact(cluster: Cluster, body: bytes) -> Json:
    cluster.store.compact()
    return {"resourceVersion": str(cluster.store.version)}


def _reset(cluster: Cluster, body: bytes) -> Json:
    faults = cluster.faults
    faults.latency = faults.unreachable_until = faults.frozen_until = 0.0
    faults.forbidden.clear()
    faults.failures.clear()
    faults.requests.clear()
    return {}


_SWITCHES: dict[str, Callable[[Cluster, bytes], Json]] = {
    "latency": _latency,
    "forbid": _forbid,
    "fail": _fail,
    "unreachable": _unreachable,
    "drop-watches": _drop_watches,
    "freeze-watches": _freeze_watches,
    "compact": _compact,
    "reset": _reset,
}


async def answer(cluster: Cluster, request: web.Request) -> web.Response | None:
    """The answer to an admin request; ``None`` for any other request. Raises 400 and 404."""
    if not request.path.startswith(PREFIX):
        return None
    name = request.path.removeprefix(PREFIX)
    if request.method == "GET" and name == "requests":
        return json_answer(dict(cluster.faults.requests))
    switch = _SWITCHES.get(name)
    if switch is None or request.method != "POST":
        raise unknown_resource()
    try:
        return json_answer(switch(cluster, await request.read() or b"{}"))
    except msgspec.DecodeError as error:
        raise bad_request(f"{request.path}: {error}") from None
