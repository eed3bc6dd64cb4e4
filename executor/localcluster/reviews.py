"""Questions about users and permissions: answered by the authorizer, never stored.

Source: ``pkg/registry/authorization``, ``pkg/registry/authentication``, and their validation.
"""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from executor.localcluster.authorization import Attributes, Decision
from executor.localcluster.cluster import Cluster
from executor.localcluster.decoding import decode_object
from executor.localcluster.reading import json_answer
from executor.localcluster.request_info import RequestInfo
from executor.localcluster.stamps import timestamp, utc_now
from executor.localcluster.status import FieldError, bad_request, invalid
from executor.localcluster.types import Json
from executor.localcluster.users import User
from executor.localcluster.validation import fields

Answer = Callable[[Cluster, RequestInfo, Json], Json]
_ONE_OF = "exactly one of nonResourceAttributes or resourceAttributes must be specified"


async def answer(cluster: Cluster, request: web.Request, info: RequestInfo) -> web.StreamResponse:
    """A review with its status."""
    review = decode_object(await request.read(), info.resource, "", request.content_type).object
    review |= {"kind": info.resource.kind, "apiVersion": info.resource.api_version}
    review.setdefault("metadata", {})
    return json_answer(_ANSWERS[info.resource.kind](cluster, info, review), 201)


def _attributes(spec: Json) -> Attributes:
    if path := spec.get("nonResourceAttributes"):
        return Attributes(path.get("verb", ""), path=path.get("path", ""))
    asked = spec["resourceAttributes"]
    names = ("verb", "group", "resource", "subresource", "namespace", "name")
    return Attributes(*(str(asked.get(name, "")) for name in names))


def _check(spec: Json, more: list[FieldError]) -> None:
    errors = list(more)
    if ("resourceAttributes" in spec) == ("nonResourceAttributes" in spec):
        errors.insert(0, fields.invalid("spec.resourceAttributes", None, _ONE_OF))
    if errors:
        raise invalid("", "authorization.k8s.io", "", errors)


def _decide(cluster: Cluster, user: User, spec: Json) -> Json:
    """The status of an access review; a namespace that a switch closes is closed here too."""
    asked = _attributes(spec)
    closed = asked.namespace in cluster.faults.forbidden
    decision = Decision(False) if closed else cluster.authorizer.decide(user, asked)
    return {"allowed": decision.allowed} | ({"reason": decision.reason} if decision.reason else {})


def _own_access(cluster: Cluster, info: RequestInfo, review: Json) -> Json:
    spec = review.get("spec") or {}
    _check(spec, [])
    return {**review, "status": _decide(cluster, info.user, spec)}


def _access(cluster: Cluster, info: RequestInfo, review: Json) -> Json:
    spec = review.get("spec") or {}
    nobody = not spec.get("user") and not spec.get("groups")
    errors = [fields.invalid("spec.user", "", "at least one of user or group must be specified")] if nobody else []
    if info.namespace and (spec.get("resourceAttributes") or {}).get("namespace") != info.namespace:
        wrong = (spec.get("resourceAttributes") or {}).get("namespace", "")
        errors.append(fields.invalid("spec.resourceAttributes.namespace", wrong, "must match metadata.namespace"))
    _check(spec, errors)
    user = User(spec.get("user", ""), tuple(spec.get("groups") or ()), spec.get("uid", ""))
    return {**review, "status": _decide(cluster, user, spec)}


def _rules(cluster: Cluster, info: RequestInfo, review: Json) -> Json:
    namespace = (review.get("spec") or {}).get("namespace", "")
    if not namespace:
        raise bad_request("no namespace on request")
    grants = cluster.authorizer.grants(info.user, namespace)
    status: Json = {"resourceRules": grants.resource_rules, "nonResourceRules": grants.path_rules, "incomplete": False}
    if grants.errors:
        status |= {"incomplete": True, "evaluationError": ", ".join(grants.errors)}
    return {**review, "spec": {}, "status": status}


def _own_name(cluster: Cluster, info: RequestInfo, review: Json) -> Json:
    metadata = {"creationTimestamp": timestamp(utc_now())}
    return {**review, "metadata": metadata, "status": {"userInfo": info.user.info()}}


def _token(cluster: Cluster, info: RequestInfo, review: Json) -> Json:
    user = cluster.tokens.user((review.get("spec") or {}).get("token", ""))
    if user is None or user.inner:
        return {**review, "status": {"user": {}, "error": "invalid bearer token"}}
    return {**review, "status": {"authenticated": True, "user": user.info()}}


_ANSWERS: dict[str, Answer] = {
    "SelfSubjectAccessReview": _own_access,
    "SubjectAccessReview": _access,
    "LocalSubjectAccessReview": _access,
    "SelfSubjectRulesReview": _rules,
    "SelfSubjectReview": _own_name,
    "TokenReview": _token,
}
KINDS = frozenset(_ANSWERS)
