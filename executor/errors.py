"""What can go wrong when talking to Kubernetes, in the executor's own words.

The tree, and what the caller does with each:

* ApiError                 anything the API server answered, or did not answer
  x Transient              try again later, the task stays queued
    + Unreachable          no answer: connection refused, reset, timed out; the request may have been carried out
    + Throttled            429, or a 5xx that says when to come back
    + QuotaExceeded        403 "exceeded quota": wait until the namespace has room
    + WriteConflict        409 "object has been modified": the quota object was; at once, with jitter
    + Unauthorized         401: credentials are read anew, once
  x Refused                the request will not succeed as it is
    + BadRequest           400: strict decoding, wrong types
    + Invalid              422: semantic validation, with causes
    + Forbidden            403 that is not a quota
    + NotFound             404
    + AlreadyExists        409 AlreadyExists
    + Gone                 410: the resource version is too old; list again

Only `executor.kube.classify` decides which one an answer is.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cause:
    """One entry of a Status object's `details.causes`."""

    field: str
    message: str
    reason: str


class ApiError(Exception):
    """The API server refused a request or could not be reached.

    status: the HTTP status, 0 where there was no answer; reason and message are the Status object's;
    retry_after: seconds the server asked to wait, None where it did not say.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        reason: str = "",
        causes: tuple[Cause, ...] = (),
        retry_after: float | None = None,
        target: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.reason = reason
        self.causes = causes
        self.retry_after = retry_after
        self.target = target  # kind of the object the details name: "pods", "namespaces", ...

    def __str__(self) -> str:
        return f"{self.status} {self.reason}: {self.message}" if self.status else self.message


class Transient(ApiError):
    """Worth another try, later."""


class Unreachable(Transient):
    """No answer. Whether the request was carried out is unknown."""


class Throttled(Transient):
    """429, or a server error."""


class QuotaExceeded(Transient):
    """403 from the quota admission: the namespace is full for now."""


class WriteConflict(Transient):
    """409 because another write came in between."""


class Unauthorized(Transient):
    """401."""


class Refused(ApiError):
    """Final for this request."""


class BadRequest(Refused):
    """400."""


class Invalid(Refused):
    """422."""


class Forbidden(Refused):
    """403 that is not about quota."""


class NotFound(Refused):
    """404."""


class AlreadyExists(Refused):
    """409: an object of this name exists."""


class Gone(Refused):
    """410: history before this resource version has been compacted."""
