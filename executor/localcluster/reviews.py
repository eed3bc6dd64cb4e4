"""Questions about permissions: everything is allowed, except where a namespace is forbidden by a switch."""

from __future__ import annotations

from aiohttp import web

from executor.localcluster.cluster import Cluster
from executor.localcluster.decoding import decode_object
from executor.localcluster.reading import json_answer
from executor.localcluster.request_info import RequestInfo


async def review_access(cluster: Cluster, request: web.Request, info: RequestInfo) -> web.StreamResponse:
    """A ``SelfSubjectAccessReview`` with its status; nothing is stored."""
    review = decode_object(await request.read(), info.resource, "", request.content_type).object
    asked = (review.get("spec") or {}).get("resourceAttributes") or {}
    allowed = asked.get("namespace", "") not in cluster.faults.forbidden
    answer = {**review, "kind": info.resource.kind, "apiVersion": info.resource.api_version}
    return json_answer({**answer, "status": {"allowed": allowed}}, 201)
