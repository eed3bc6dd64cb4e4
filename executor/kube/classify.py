"""What an answer, or the lack of one, means: the one place that turns it into the tree of `executor.errors`.

Invariants: message text of the API server is matched only here; no request or response body is ever quoted; what the
server repeats from a request is stripped of anything that looks like a token; hosts are named without credentials.
"""

from __future__ import annotations

import asyncio
import os
import re
import ssl
from collections.abc import Mapping

import aiohttp
import msgspec

from executor.errors import (
    AlreadyExists,
    ApiError,
    BadRequest,
    Cause,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    QuotaExceeded,
    Refused,
    Throttled,
    Unauthorized,
    Unreachable,
    WriteConflict,
)
from executor.observe.pod_view import View

_TOKEN = re.compile(r"eyJ[\w-]{8,}(?:\.[\w-]+)*")  # '{"' in base64: a JWT, or a workload in a Secret
_QUOTA = "exceeded quota"  # ResourceQuota admission, the only sign of it (Resource Quotas, Kubernetes docs)
_OTHER_UID = (  # a write, or a delete that lost a race: storage/interfaces.go; a delete: registry/rest/delete.go
    "Precondition failed: UID",
    "the UID in the precondition",
)
_TOO_LARGE = "Too large resource version"  # storage/errors.go, cause ResourceVersionTooLarge
_LONGEST_WAIT = 300.0


class StatusCause(View, frozen=True):
    field: str = ""
    message: str = ""
    reason: str = ""


class StatusDetails(View, frozen=True):
    kind: str = ""
    causes: tuple[StatusCause, ...] = ()
    retry_after_seconds: float = 0.0


class StatusObject(View, frozen=True):
    """The `Status` object of the API (meta/v1), as far as it is used."""

    kind: str = ""
    message: str = ""
    reason: str = ""
    code: int = 0
    details: StatusDetails = StatusDetails()


_decoder = msgspec.json.Decoder(StatusObject)


def from_response(status: int, body: bytes, headers: Mapping[str, str], where: str) -> ApiError:
    """An HTTP answer outside 2xx.

    where: what was asked of whom ("create pods at 10.0.0.1:6443"), used when the answer has no Status object.
    """
    after = _retry_after(headers)
    answer = _status_object(body)
    if answer is not None:
        return from_status(answer, status=status, retry_after=after)
    message = f"{where}: HTTP {status} without a Kubernetes Status (a proxy, or not a Kubernetes API server?)"
    return _by_status(status)(message, status=status, retry_after=after)


def from_status(answer: StatusObject, *, status: int = 0, retry_after: float | None = None) -> ApiError:
    """A Status object: the body of an answer, or the object of a watch's ERROR event."""
    code = status or answer.code or 500
    causes = tuple(Cause(cause.field, _clean(cause.message), cause.reason) for cause in answer.details.causes)
    message = _clean(answer.message) or answer.reason or f"HTTP {code}"
    return _kind(code, answer.reason, message, causes)(
        message,
        status=code,
        reason=answer.reason,
        causes=causes,
        retry_after=_bounded(answer.details.retry_after_seconds) if retry_after is None else retry_after,
        target=answer.details.kind,
    )


def from_exception(error: BaseException, where: str) -> Unreachable:
    """A failure below HTTP (aiohttp, OS, TLS, a timeout): the request may or may not have been carried out."""
    return Unreachable(f"{where}: {_sentence(error)}")


def not_understood(where: str, what: str) -> Unreachable:
    """A 2xx answer that is not what the API documents, for example a login page."""
    return Unreachable(f"{where}: {what}")


_BY_STATUS: dict[int, type[ApiError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    408: Throttled,
    409: WriteConflict,
    410: Gone,
    422: Invalid,
    425: Throttled,
    429: Throttled,
}


def _kind(code: int, reason: str, message: str, causes: tuple[Cause, ...]) -> type[ApiError]:
    if code == 403 and _QUOTA in message:
        return QuotaExceeded
    if code == 409 and any(words in message for words in _OTHER_UID):
        return NotFound  # the pod of this uid is gone, another one has its name
    if code == 422 and any(cause.field == "metadata.uid" for cause in causes):
        return NotFound  # the same, as a PATCH is told: its uid would change
    if code == 409 and reason == "AlreadyExists":
        return AlreadyExists
    if any(cause.reason == "ResourceVersionTooLarge" for cause in causes) or _TOO_LARGE in message:
        return Gone  # etcd was restored from a backup: our version lies in a future that no longer happens
    return _by_status(code)


def _by_status(code: int) -> type[ApiError]:
    return _BY_STATUS.get(code, Throttled if code >= 500 else Refused)


def _status_object(body: bytes) -> StatusObject | None:
    try:
        answer = _decoder.decode(body)
    except msgspec.MsgspecError:
        return None
    return answer if answer.kind == "Status" else None


def _retry_after(headers: Mapping[str, str]) -> float | None:
    text = headers.get("Retry-After", "").strip()
    return _bounded(float(text)) if text.isdigit() else None


def _bounded(seconds: float) -> float | None:
    return min(seconds, _LONGEST_WAIT) if seconds > 0 else None


def _clean(message: str) -> str:
    return _TOKEN.sub("[token]", message)


def _sentence(error: BaseException) -> str:
    for kinds, words in _SENTENCES:
        if isinstance(error, kinds):
            return words + _os_words(error)
    return f"the connection failed ({type(error).__name__})" + _os_words(error)


_SENTENCES: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str], ...] = (
    (
        (aiohttp.ClientConnectorCertificateError, ssl.SSLCertVerificationError),
        "the server's certificate is not trusted; check ssl_ca_cert or the kubeconfig's certificate-authority",
    ),
    ((aiohttp.ClientConnectorSSLError, aiohttp.ClientSSLError, ssl.SSLError), "no TLS connection could be made"),
    (aiohttp.ClientConnectorDNSError, "the host name could not be resolved"),
    (aiohttp.ConnectionTimeoutError, "no connection within the time limit"),
    (aiohttp.SocketTimeoutError, "nothing was heard within the time limit"),
    (asyncio.TimeoutError, "no answer within the time limit"),
    ((aiohttp.ClientProxyConnectionError, aiohttp.ClientHttpProxyError), "the proxy could not be used"),
    (aiohttp.ClientConnectorError, "no connection"),
    (aiohttp.ServerDisconnectedError, "the server closed the connection without an answer"),
    (aiohttp.ClientPayloadError, "the answer broke off"),
    (aiohttp.InvalidURL, "the address of the API server is not a URL"),
)


def _os_words(error: BaseException) -> str:
    """The operating system's or the TLS library's own words, which name no URL and no header."""
    inner = getattr(error, "certificate_error", None) or getattr(error, "os_error", None) or error
    if isinstance(inner, ssl.SSLCertVerificationError):
        return f" ({inner.verify_message})"
    if isinstance(inner, ssl.SSLError):
        reason = getattr(inner, "reason", None)  # set by the ssl module only for errors of its own
        return f" ({reason})" if reason else ""
    if not isinstance(inner, OSError):
        return ""
    words = os.strerror(inner.errno) if inner.errno and inner.errno > 0 else inner.strerror
    return f" ({words})" if words else ""
