"""Every request that leaves this process, whichever client sends it: when, what for, and when it was answered.

It sits where aiohttp and urllib3 take a request, below all executors, and costs some microseconds each. Processes that
a client starts have their own and are not heard.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import urllib3

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete", "GET": "get"}
_TASK = re.compile(rb'"task_id": ?"task_(\d+)"')


@dataclass(slots=True)
class Tap:
    """posted, created: monotonic seconds by task number; calls: how many, by verb and resource."""

    posted: dict[int, float] = field(default_factory=dict)
    created: dict[int, float] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)

    def sent(self, method: str, url: str, body: object) -> int | None:
        """Note a request; returns the number of the task whose pod it creates."""
        what = describe(method, url)
        self.calls[what] += 1
        number = task_number(body) if what == "create pods" else None
        if number is not None:
            self.posted.setdefault(number, time.monotonic())
        return number

    def answered(self, number: int | None, status: int) -> None:
        if number is not None and status == 201:
            self.created.setdefault(number, time.monotonic())


def describe(method: str, url: str) -> str:
    """Verb and resource, such as "create pods"."""
    parts = urlsplit(url)
    steps = [step for step in parts.path.split("/") if step]
    rest = steps[4:] if "namespaces" in steps[:3] else steps[2:]
    resource = rest[0] if rest else "others"
    verb = _VERBS.get(method.upper(), method)
    if verb == "get" and len(rest) == 1:
        verb = "watch" if parse_qs(parts.query).get("watch", ["0"])[0] in ("1", "true", "True") else "list"
    return f"{verb} {resource}"


def task_number(body: object) -> int | None:
    """Which task's pod this is, by its annotation or label."""
    if isinstance(body, str):
        body = body.encode()
    found = _TASK.search(body) if isinstance(body, bytes) else None
    return int(found[1]) if found else None


def install(tap: Tap) -> None:
    """For the rest of this process's life."""
    _tap_aiohttp(tap)
    _tap_urllib3(tap)


def _tap_aiohttp(tap: Tap) -> None:
    original = aiohttp.ClientSession._request

    async def request(self: aiohttp.ClientSession, method: str, url: Any, **options: Any) -> aiohttp.ClientResponse:
        query = options.get("params") or ()
        watch = (
            "?watch=1"
            if any(one[0] == "watch" for one in (query.items() if isinstance(query, dict) else query))
            else ""
        )
        number = tap.sent(method, f"{url}{watch}", options.get("data"))
        answer = await original(self, method, url, **options)
        tap.answered(number, answer.status)
        return answer

    aiohttp.ClientSession._request = request  # type: ignore[assignment,method-assign]


def _tap_urllib3(tap: Tap) -> None:
    original = urllib3.connectionpool.HTTPConnectionPool.urlopen

    def urlopen(self: Any, method: str, url: str, body: Any = None, *rest: Any, **options: Any) -> Any:
        number = tap.sent(method, url, body)
        answer = original(self, method, url, body, *rest, **options)
        tap.answered(number, answer.status)
        return answer

    urllib3.connectionpool.HTTPConnectionPool.urlopen = urlopen  # type: ignore[method-assign]
