"""``serviceaccounts/token``: tokens on request, as kubelets and ``kubectl create token`` ask for them.

Source: ``pkg/registry/core/serviceaccount/storage/token.go``.
"""

from __future__ import annotations

from datetime import UTC, datetime

from aiohttp import web

from executor.localcluster.cluster import Cluster
from executor.localcluster.decoding import decode_object
from executor.localcluster.reading import json_answer
from executor.localcluster.request_info import RequestInfo
from executor.localcluster.resources import SERVICE_ACCOUNTS, TOKEN_REQUESTS
from executor.localcluster.stamps import timestamp, utc_now
from executor.localcluster.status import FieldError, conflict_of_kind, invalid, not_found
from executor.localcluster.tokens import AUDIENCE, BOUND_KINDS
from executor.localcluster.types import Json
from executor.localcluster.validation import fields

_HOUR, _SHORTEST, _LONGEST = 3600, 600, 1 << 32


async def create(cluster: Cluster, request: web.Request, info: RequestInfo) -> web.StreamResponse:
    """A ``TokenRequest`` with its token. Raises 404 (no account, no bound object), 409 (another uid), 422."""
    given = decode_object(await request.read(), TOKEN_REQUESTS, "", request.content_type).object
    spec = given.get("spec") or {}
    account = cluster.store.get(SERVICE_ACCOUNTS, (info.namespace, info.name)).object
    seconds = spec.get("expirationSeconds", _HOUR)
    if errors := _errors(seconds):
        raise invalid("TokenRequest", TOKEN_REQUESTS.group, "", errors)
    bound = _bound_object(cluster, info.namespace, spec.get("boundObjectRef"))
    audiences = spec.get("audiences") or [AUDIENCE]
    token, end = cluster.tokens.issue(account, seconds, bound, audiences)
    metadata = {"name": info.name, "namespace": info.namespace, "creationTimestamp": timestamp(utc_now())}
    answer = {
        "kind": "TokenRequest",
        "apiVersion": TOKEN_REQUESTS.api_version,
        "metadata": metadata,
        "spec": {**spec, "audiences": audiences, "expirationSeconds": seconds},
        "status": {"token": token, "expirationTimestamp": timestamp(datetime.fromtimestamp(end, UTC))},
    }
    return json_answer(answer, 201)


def _errors(seconds: int) -> list[FieldError]:
    path = "spec.expirationSeconds"
    if seconds < _SHORTEST:
        return [fields.invalid(path, seconds, "may not specify a duration less than 10 minutes")]
    return [fields.invalid(path, seconds, "may not specify a duration larger than 2^32 seconds")] * (seconds > _LONGEST)


def _bound_object(cluster: Cluster, namespace: str, reference: Json | None) -> Json | None:
    """The pod or Secret whose end is the token's end, with its kind."""
    if reference is None:
        return None
    kind, name = reference.get("kind", ""), reference.get("name", "")
    resource = BOUND_KINDS.get(kind)
    if resource is None:
        message = f'cannot bind token for serviceaccount to object of type "{reference.get("apiVersion")}, Kind={kind}"'
        raise invalid("TokenRequest", TOKEN_REQUESTS.group, "", [fields.invalid("spec.boundObjectRef", kind, message)])
    found = cluster.store.find(resource, (namespace, name))
    if found is None:
        raise not_found(resource, name)
    if reference.get("uid") and reference["uid"] != found.uid:
        why = (
            f"the UID in the bound object reference ({reference['uid']}) does not match the UID in record. "
            "The object might have been deleted and then recreated"
        )
        raise conflict_of_kind(resource, name, why)
    return found.object
