"""The switches of :mod:`executor.localcluster.faults` over HTTP: ``POST /localcluster/<switch>`` with a JSON object.

They exist only where the server was started with ``--faults``.

==================  =================================================================================================
``fault``           a rule, see :class:`executor.localcluster.faults.Fault`: ``{"effect": "status", "verb": "create",
                    "resource": "pods", "namespace": "x", "probability": 0.1, "status": 503}``. Effects: ``status``
                    (with ``message``, ``reason``, ``retry_after``), ``latency`` (``seconds``), ``drop-request`` (cut
                    before the work), ``drop-answer`` (cut after it), ``drop-event`` (of watches, open ones too; not
                    bookmarks), ``cut-watch`` and ``freeze-watch`` (``seconds``: when, how long; for watches that begin
                    from now on). ``count``: so many times, else for ever
``fail``            the same for the next ``count`` (1) requests; ``"lost": true`` is ``drop-answer``
``latency``         ``{"milliseconds": 300}``: delay of every answer (not of watch events)
``forbid``          ``{"namespace": "x", "forbidden": true}``: every verb there is 403; ``false`` ends it
``unreachable``     ``{"seconds": 10, "hang": false}``: connections are cut, at once or after hanging for that time
``drop-watches``    ``{}``: every open watch is cut; with ``resource``, ``namespace``, ``probability`` those only
``freeze-watches``  ``{"seconds": 10}``: watches stay open and say nothing for that time
``compact``         ``{}``: the history is forgotten, older versions are 410
``seed``            ``{"seed": 7}``: probabilities are drawn from this seed
``reset``           ``{}``: no fault any more, and the counters at zero
==================  =================================================================================================

``GET /localcluster/requests`` counts the requests since the start or the last reset, by verb and resource.
The endpoint needs an administrator's token and is never delayed or cut itself. The cluster's own node agents and
scheduler have a token of their own: ``unreachable`` and ``drop-watches`` hit them too, the other switches and the
counters concern outside clients only. A write delayed by ``latency`` happens at once, and only its answer is late.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec
from aiohttp import web

from executor.localcluster.cluster import Cluster
from executor.localcluster.faults import Effect, Fault
from executor.localcluster.reading import json_answer
from executor.localcluster.status import bad_request, unknown_resource
from executor.localcluster.types import Json

PREFIX = "/localcluster/"


class _Latency(msgspec.Struct, forbid_unknown_fields=True):
    milliseconds: float


class _Forbid(msgspec.Struct, forbid_unknown_fields=True):
    namespace: str
    forbidden: bool = True


class _Fail(msgspec.Struct, forbid_unknown_fields=True):
    verb: str
    resource: str
    status: int = 500
    count: int = 1
    namespace: str = ""
    message: str = ""
    reason: str = ""
    lost: bool = False


class _Freeze(msgspec.Struct, forbid_unknown_fields=True):
    seconds: float


class _Watches(msgspec.Struct, forbid_unknown_fields=True):
    resource: str = "*"
    namespace: str = ""
    probability: float = 1.0


class _Unreachable(msgspec.Struct, forbid_unknown_fields=True):
    seconds: float
    hang: bool = False


class _Seed(msgspec.Struct, forbid_unknown_fields=True):
    seed: int


def _fault(cluster: Cluster, body: bytes) -> Json:
    cluster.faults.rules.append(msgspec.json.decode(body, type=Fault))
    return {"rules": len(cluster.faults.rules)}


def _fail(cluster: Cluster, body: bytes) -> Json:
    given = msgspec.structs.asdict(msgspec.json.decode(body, type=_Fail))
    effect: Effect = "drop-answer" if given.pop("lost") else "status"
    cluster.faults.rules.append(Fault(effect, **given))
    return {}


def _latency(cluster: Cluster, body: bytes) -> Json:
    cluster.faults.latency = msgspec.json.decode(body, type=_Latency).milliseconds / 1000
    return {}


def _forbid(cluster: Cluster, body: bytes) -> Json:
    given = msgspec.json.decode(body, type=_Forbid)
    (cluster.faults.forbidden.add if given.forbidden else cluster.faults.forbidden.discard)(given.namespace)
    return {"forbidden": sorted(cluster.faults.forbidden)}


def _unreachable(cluster: Cluster, body: bytes) -> Json:
    given = msgspec.json.decode(body, type=_Unreachable)
    cluster.faults.unreachable(given.seconds, given.hang)
    return {}


def _drop_watches(cluster: Cluster, body: bytes) -> Json:
    given = msgspec.json.decode(body, type=_Watches)
    which = Fault("cut-watch", resource=given.resource, namespace=given.namespace, probability=given.probability)
    return {"dropped": cluster.faults.drop_watches(which)}


def _freeze_watches(cluster: Cluster, body: bytes) -> Json:
    cluster.faults.frozen_until = time.monotonic() + msgspec.json.decode(body, type=_Freeze).seconds
    return {}


def _compact(cluster: Cluster, body: bytes) -> Json:
    cluster.store.compact()
    return {"resourceVersion": str(cluster.store.version)}


def _seed(cluster: Cluster, body: bytes) -> Json:
    cluster.faults.dice.seed(msgspec.json.decode(body, type=_Seed).seed)
    return {}


def _reset(cluster: Cluster, body: bytes) -> Json:
    cluster.faults.reset()
    return {}


_SWITCHES: dict[str, Callable[[Cluster, bytes], Json]] = {
    "fault": _fault,
    "fail": _fail,
    "latency": _latency,
    "forbid": _forbid,
    "unreachable": _unreachable,
    "drop-watches": _drop_watches,
    "freeze-watches": _freeze_watches,
    "compact": _compact,
    "seed": _seed,
    "reset": _reset,
}


def is_switch(request: web.Request) -> bool:
    return request.path.startswith(PREFIX)


async def answer(cluster: Cluster, request: web.Request) -> web.Response:
    """Turn a switch. Raises 400 for a body that says something else, 404 for a switch that there is not."""
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
