"""Switches that make the server misbehave, for tests of clients; set by options and by the admin endpoint.

All state is plain and belongs to the event loop's thread. Excluded: what the answers look like on the wire.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from executor.localcluster.authorization import refusal
from executor.localcluster.request_info import RequestInfo
from executor.localcluster.status import ApiError

Effect = Literal["status", "latency", "drop-request", "drop-answer", "drop-event", "cut-watch", "freeze-watch"]
_OF_WATCHES = frozenset({"drop-event", "cut-watch", "freeze-watch"})
_NOT_EVENTS = (b'{"type":"BOOKMARK"', b'{"type":"ERROR"')
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


class Fault(msgspec.Struct, forbid_unknown_fields=True):
    """What happens to requests of a verb and resource (``*`` for any), in one namespace or in all.

    ``probability`` 0..1 for each of them, or for each event of a watch (``drop-event``); at most ``count`` of them,
    without end when ``None``. ``seconds`` is the delay, or the time until a watch is cut, or that it is frozen;
    ``retry_after`` goes into that header, in seconds.
    """

    effect: Effect = "status"
    verb: str = "*"
    resource: str = "*"
    namespace: str = ""
    probability: float = 1.0
    count: int | None = None
    status: int = 500
    message: str = ""
    reason: str = ""
    retry_after: int | None = None
    seconds: float = 0.0

    def matches(self, info: RequestInfo) -> bool:
        pairs = ((self.verb, info.verb), (self.resource, info.attribute))
        asked = all(wanted in ("*", found) for wanted, found in pairs)
        same_place = not self.namespace or self.namespace == info.namespace
        about_watches = self.effect in _OF_WATCHES
        return asked and same_place and self.count != 0 and (not about_watches or info.verb == "watch")

    def spend(self) -> None:
        """It has happened once more."""
        if self.count is not None:
            self.count -= 1

    def error(self) -> ApiError:
        reason = self.reason or _REASONS.get(self.status, "InternalError")
        message = self.message or f"failed on purpose with {self.status}"
        return ApiError(self.status, reason, message, retry_after=self.retry_after)


@dataclass(slots=True)
class Mishap:
    """What befalls one request: seconds of delay, a refusal, a lost connection; for watches, when they fall silent."""

    delay: float = 0.0
    error: ApiError | None = None
    drop_request: bool = False
    drop_answer: bool = False
    cut_after: float | None = None
    frozen: float = 0.0

    def suffer(self, fault: Fault) -> None:
        if fault.effect == "status":
            self.error = self.error or fault.error()
        elif fault.effect == "latency":
            self.delay += fault.seconds
        elif fault.effect == "cut-watch":
            self.cut_after = fault.seconds
        elif fault.effect == "freeze-watch":
            self.frozen = max(self.frozen, fault.seconds)
        else:
            self.drop_request = self.drop_request or fault.effect == "drop-request"
            self.drop_answer = True


@dataclass(slots=True)
class Faults:
    """What is switched on now; ``latency`` in seconds. ``requests`` counts what was asked, as ``create pods``."""

    latency: float = 0.0
    forbidden: set[str] = field(default_factory=set)
    rules: list[Fault] = field(default_factory=list)
    watches: dict[asyncio.Transport, RequestInfo] = field(default_factory=dict)
    requests: Counter[str] = field(default_factory=Counter)
    unreachable_until: float = 0.0
    hang: bool = False
    frozen_until: float = 0.0
    dice: random.Random = field(default_factory=random.Random)

    def strike(self, info: RequestInfo) -> Mishap:
        """Count the request and say what happens to it; raises the 403 of a closed namespace."""
        self.requests[f"{info.verb} {info.attribute}"] += 1
        namespace = info.name if info.resource.plural == "namespaces" else info.namespace
        if namespace in self.forbidden:
            raise refusal(info, namespace)
        mishap = Mishap()
        for fault in self.rules:
            if fault.effect != "drop-event" and fault.matches(info) and self._happens(fault):
                fault.spend()
                mishap.suffer(fault)
                if mishap.error or mishap.drop_answer:
                    break
        return mishap

    def _happens(self, fault: Fault) -> bool:
        return fault.probability >= 1 or self.dice.random() < fault.probability

    def arriving(self, info: RequestInfo, piece: bytes) -> bytes:
        """What is left of some lines of a watch's answer when events get lost; bookmarks and errors do not."""
        rules = [fault for fault in self.rules if fault.effect == "drop-event" and fault.matches(info)]
        if not rules:
            return piece
        return b"".join(line for line in piece.splitlines(keepends=True) if not self._is_lost(line, rules))

    def _is_lost(self, line: bytes, rules: list[Fault]) -> bool:
        if line.startswith(_NOT_EVENTS):
            return False
        fault = next((one for one in rules if one.count != 0 and self._happens(one)), None)
        if fault is not None:
            fault.spend()
        return fault is not None

    def reset(self) -> None:
        """No fault any more, counters at zero."""
        self.latency = self.unreachable_until = self.frozen_until = 0.0
        self.forbidden.clear()
        self.rules.clear()
        self.requests.clear()

    @contextmanager
    def watching(self, transport: asyncio.Transport | None, info: RequestInfo, mishap: Mishap) -> Iterator[None]:
        """Let the switches cut this watch's connection while the context is open."""
        if transport is None:
            raise ConnectionResetError("the client left before its watch began")
        self.watches[transport] = info
        timer = None
        if mishap.cut_after is not None:
            timer = asyncio.get_running_loop().call_later(mishap.cut_after, transport.abort)
        try:
            yield
        finally:
            self.watches.pop(transport, None)
            if timer is not None:
                timer.cancel()

    def drop_watches(self, which: Fault | None = None) -> int:
        """Cut open watches as a broken network does, all or those that ``which`` means; returns how many."""
        dropped = [
            transport
            for transport, info in self.watches.items()
            if which is None or (which.matches(info) and self.dice.random() < which.probability)
        ]
        for transport in dropped:
            transport.abort()
        return len(dropped)

    def unreachable(self, seconds: float, hang: bool) -> None:
        """For ``seconds`` cut every request, at once or (``hang``) at the end of that time; watches are cut too."""
        self.unreachable_until, self.hang = time.monotonic() + seconds, hang
        if not hang:
            self.drop_watches()

    async def thaw(self, until: float = 0.0) -> None:
        """Wait while watches are frozen, all or (``until``, a monotonic time) this one: they are open and say nothing.

        A reset ends it early.
        """
        while (left := max(self.frozen_until, until if self.rules else 0.0) - time.monotonic()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(min(left, _LOOK_SECONDS))

    async def reachable(self) -> bool:
        """Whether a request that came now is answered; waits where requests hang."""
        left = self.unreachable_until - time.monotonic()
        if left <= 0:
            return True
        if self.hang:
            await asyncio.sleep(left)
        return False
