"""The errors of the API, as the ``Status`` object a real API server answers with.

Invariant: every refusal of this server is an :class:`ApiError`; the sentences are those of apimachinery
(``pkg/api/errors/errors.go``), because clients read them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from executor.localcluster.resources import Resource
from executor.localcluster.types import Json


class ApiError(Exception):
    """A refusal: HTTP status ``code``, ``reason`` as in ``metav1.StatusReason``, a sentence, and ``details``.

    ``retry_after``: seconds for the header of that name, 0 for none; if it is ``None`` a 429, 503 or 504 says 1.
    """

    def __init__(
        self, code: int, reason: str, message: str, details: Json | None = None, retry_after: int | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details
        self.retry_after = retry_after

    def body(self) -> Json:
        """The ``Status`` object, ready to be encoded."""
        status: Json = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
        status["message"] = self.message
        if self.reason:
            status["reason"] = self.reason
        if self.details is not None:
            status["details"] = self.details
        status["code"] = self.code
        return status


@dataclass(frozen=True, slots=True)
class FieldError:
    """One cause of a 422: ``field`` is a path such as ``spec.containers[0].image``; ``message`` excludes it."""

    reason: str
    field: str
    message: str

    def sentence(self) -> str:
        return f"{self.field}: {self.message}"


def details_of(resource: Resource, name: str, causes: Sequence[Json] = ()) -> Json:
    """``details`` that name one object by its resource (``kind`` holds the plural, as a real server does)."""
    details: Json = {}
    if name:
        details["name"] = name
    if resource.group:
        details["group"] = resource.group
    details["kind"] = resource.plural
    if causes:
        details["causes"] = list(causes)
    return details


def unauthorized() -> ApiError:
    return ApiError(401, "Unauthorized", "Unauthorized")


def bad_request(message: str) -> ApiError:
    return ApiError(400, "BadRequest", message)


def not_found(resource: Resource, name: str) -> ApiError:
    return ApiError(404, "NotFound", f'{resource.qualified} "{name}" not found', details_of(resource, name))


def unknown_resource() -> ApiError:
    return ApiError(404, "NotFound", "the server could not find the requested resource", {})


def method_not_allowed() -> ApiError:
    message = "the server does not allow this method on the requested resource"
    return ApiError(405, "MethodNotAllowed", message, {})


def already_exists(resource: Resource, name: str) -> ApiError:
    message = f'{resource.qualified} "{name}" already exists'
    return ApiError(409, "AlreadyExists", message, details_of(resource, name))


MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


def conflict(resource: Resource, name: str, why: str = MODIFIED) -> ApiError:
    message = f'Operation cannot be fulfilled on {resource.qualified} "{name}": {why}'
    return ApiError(409, "Conflict", message, details_of(resource, name))


def conflict_of_kind(resource: Resource, name: str, why: str) -> ApiError:
    """The 409 that names the kind where others name the resource (``registry/rest/delete.go``, token requests)."""
    message = f'Operation cannot be fulfilled on {resource.kind}{_group_suffix(resource)} "{name}": {why}'
    return ApiError(409, "Conflict", message, details_of(resource, name) | {"kind": resource.kind})


def _group_suffix(resource: Resource) -> str:
    return f".{resource.group}" if resource.group else ""


def forbidden(resource: Resource, name: str, why: str) -> ApiError:
    subject = f'{resource.qualified} "{name}"' if name else resource.qualified
    return ApiError(403, "Forbidden", f"{subject} is forbidden: {why}", details_of(resource, name))


def expired(message: str) -> ApiError:
    return ApiError(410, "Expired", message)


def too_large_version(asked: int, current: int) -> ApiError:
    message = f"Too large resource version: {asked}, current: {current}"
    details = {"causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]}
    return ApiError(504, "Timeout", f"Timeout: {message}", details | {"retryAfterSeconds": 1})


def internal_error(error: Exception) -> ApiError:
    """A defect of this server. Its log has the traceback; the answer does not quote it, as it may quote a secret."""
    message = f"Internal error occurred: {type(error).__name__}, see the log of the local cluster"
    return ApiError(500, "InternalError", message, {})


def unsupported_media_type(accepted: Sequence[str]) -> ApiError:
    types = ", ".join(accepted)
    message = f"the body of the request was in an unknown format - accepted media types include: {types}"
    return ApiError(415, "UnsupportedMediaType", message)


def body_too_large(limit: int) -> ApiError:
    return ApiError(413, "RequestEntityTooLarge", f"Request entity too large: limit is {limit}")


def invalid(kind: str, group: str, name: str, errors: Sequence[FieldError]) -> ApiError:
    """422 with one cause a field; ``kind`` is the object's kind, as a real server has it here."""
    sentences = [error.sentence() for error in errors]
    text = sentences[0] if len(sentences) == 1 else f"[{', '.join(sentences)}]"
    qualified = f"{kind}.{group}" if group else kind
    details: Json = {"name": name} if name else {}
    if group:
        details["group"] = group
    if kind:
        details["kind"] = kind
    details["causes"] = [{"reason": e.reason, "message": e.message, "field": e.field} for e in errors]
    return ApiError(422, "Invalid", f'{qualified} "{name}" is invalid: {text}', details)


def success(code: int = 0) -> Json:
    """The ``Status`` of a request that worked; with its code where a real server gives it."""
    status: Json = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    return status | ({"code": code} if code else {})
