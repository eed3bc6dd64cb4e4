"""Switches that make the server misbehave, for tests of clients; set by options and by the admin endpoint.

All state is plain and belongs to the event loop's thread. Excluded: what the answers look like on the wire.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import msgspec

from executor.localcluster import status
from executor.localcluster.request_info import RequestInfo
from executor.localcluster.status import ApiError

USER = "local"
_LOOK_SECONDS = 0.1
_REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    410: "Expired",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}


class Failure(msgspec.Struct, forbid_unknown_fields=True):
    """What happens to the next ``count`` requests of a verb and resource, in one namespace or in all.

    They are answered with ``status``, or, when ``lost``, carried out and their answer never arrives.
    """

    verb: str
    resource: str
    status: int = 500
    count: int = 1
    namespace: str = ""
    message: str = ""
    reason: str = ""
    lost: bool = False

    def matches(self, info: RequestInfo) -> bool:
        same_place = not self.namespace or self.namespace == info.namespace
        return self.count > 0 and same_place and (self.verb, self.resource) == (info.verb, info.attribute)

    def error(self) -> ApiError:
        reason = self.reason or _REASONS.get(self.status, "InternalError")
        return ApiError(self.status, reason, self.message or f"failed on purpose with {self.status}")


@dataclass(slots=True)
class Faults:
    """What is switched on now; ``latency`` in seconds. ``requests`` counts what was asked, as ``create pods``."""

    latency: float = 0.0
    forbidden: set[str] = field(default_factory=set)
    failures: list[Failure] = field(default_factory=list)
    watches: set[asyncio.Transport] = field(default_factory=set)
    requests: Counter[str] = field(default_factory=Counter)
    unreachable_until: float = 0.0
    hang: bool = False
    frozen_until: float = 0.0

    def check(self, info: RequestInfo) -> bool:
        """Count the request and raise the refusal that is due for it; returns whether its answer is to be lost."""
        self.requests[f"{info.verb} {info.attribute}"] += 1
        namespace = info.name if info.resource.plural == "namespaces" else info.namespace
        if namespace in self.forbidden:
            raise status.forbidden(info.resource, info.name, forbidden_sentence(info, namespace))
        for failure in self.failures:
            if failure.matches(info):
                failure.count -= 1
                if failure.lost:
                    return True
                raise failure.error()
        return False

    @contextmanager
    def cuttable(self, transport: asyncio.Transport | None) -> Iterator[None]:
        """Let the switches cut this connection while the context is open."""
        if transport is None:
            raise ConnectionResetError("the client left before its watch began")
        self.watches.add(transport)
        try:
            yield
        finally:
            self.watches.discard(transport)

    def drop_watches(self) -> int:
        """Cut every open watch as a broken network does; returns how many there were."""
        dropped = list(self.watches)
        for transport in dropped:
            transport.abort()
        return len(dropped)

    def unreachable(self, seconds: float, hang: bool) -> None:
        """For ``seconds`` cut every request, at once or (``hang``) at the end of that time; watches are cut too."""
        self.unreachable_until, self.hang = time.monotonic() + seconds, hang
        if not hang:
            self.drop_watches()

    async def thaw(self) -> None:
        """Wait while watches are frozen: their connections are open and say nothing."""
        while (left := self.frozen_until - time.monotonic()) > 0:  # noqa: ASYNC110, a reset may end it early
            await asyncio.sleep(min(left, _LOOK_SECONDS))

    async def reachable(self) -> bool:
        """Whether a request that came now is answered; waits where requests hang."""
        left = self.unreachable_until - time.monotonic()
        if left <= 0:
            return True
        if self.hang:
            await asyncio.sleep(left)
        return False


def forbidden_sentence(info: RequestInfo, namespace: str) -> str:
    where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    what = f'resource "{info.attribute}" in API group "{info.resource.group}"'
    return f'User "{USER}" cannot {info.verb} {what} {where}'
