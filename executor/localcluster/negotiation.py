"""The form of answers: JSON, or YAML for who asks for it (Kubernetes page "API Concepts", resource encoding)."""

from __future__ import annotations

import msgspec
import yaml
from aiohttp import web

from executor.localcluster.request_info import RequestInfo
from executor.localcluster.status import ApiError

JSON_TYPE, YAML_TYPE = "application/json", "application/yaml"
_JSON_LIKE = frozenset({"*/*", "application/*", JSON_TYPE})
_STREAMS = frozenset({"log", "exec", "attach"})


def wants_yaml(request: web.Request) -> bool:
    """Whether the first form that this server can write is YAML."""
    for part in request.headers.get("Accept", "").split(","):
        kind = part.split(";")[0].strip()
        if kind in _JSON_LIKE:
            return False
        if kind == YAML_TYPE:
            return True
    return False


def require_acceptable(request: web.Request, info: RequestInfo) -> None:
    """Raise the 406 for who takes neither JSON nor YAML; what is no object (logs, streams) is sent to anyone."""
    accept = request.headers.get("Accept", "")
    kinds = {part.split(";")[0].strip() for part in accept.split(",")}
    if accept and not kinds & {*_JSON_LIKE, YAML_TYPE} and info.subresource not in _STREAMS:
        message = f"406: Not Acceptable\n\nAvailable representations: {JSON_TYPE}, {YAML_TYPE}"
        raise ApiError(406, "NotAcceptable", message, {})


def in_yaml(answer: web.StreamResponse) -> web.StreamResponse:
    """The same answer in YAML; streams and texts stay as they are."""
    if not isinstance(answer, web.Response) or answer.prepared or answer.content_type != JSON_TYPE:
        return answer
    body = answer.body if isinstance(answer.body, bytes) else b"null"
    text = yaml.safe_dump(msgspec.json.decode(body), sort_keys=True, allow_unicode=True)
    written = web.Response(body=text.encode(), status=answer.status, content_type=YAML_TYPE)
    for name in ("Warning", "Retry-After"):
        written.headers.extend((name, value) for value in answer.headers.getall(name, []))
    return written
