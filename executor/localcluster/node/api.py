"""A small asynchronous client of the Kubernetes API: JSON in, plain dicts out.

Plain dicts because the agent reads and writes parts of objects, hundreds of times a second on one core.
Excluded: retries of single requests (callers know what is worth repeating) and caching (see `mirror`).
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Self

import aiohttp
import msgspec

Json = dict[str, Any]
STRATEGIC = "application/strategic-merge-patch+json"
# what a request fails with when the server cannot be reached or does not finish its answer
UNREACHABLE = (aiohttp.ClientError, asyncio.TimeoutError, ConnectionError)


class ApiError(Exception):
    """An answer that is not a success. status: HTTP code; reason: the Status object's; str(): its message."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


def _error(status: int, body: bytes) -> ApiError:
    try:
        answer = msgspec.json.decode(body)
    except msgspec.DecodeError:
        answer = {}
    if not isinstance(answer, dict):
        answer = {}
    return ApiError(status, str(answer.get("reason", "")), str(answer.get("message", f"HTTP {status}")))


class ApiClient:
    """One connection pool to one API server. Use as an async context manager."""

    def __init__(self, url: str, token: str, ca_file: str | None) -> None:
        self.url = url.rstrip("/")
        self._token = token
        self._ca_file = ca_file
        self._session: aiohttp.ClientSession | None = None
        self._cut = False
        self._streams: set[aiohttp.StreamReader] = set()

    async def __aenter__(self) -> Self:
        tls = ssl.create_default_context(cafile=self._ca_file) if self.url.startswith("https") else True
        self._session = aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {self._token}", "Accept": "application/json"},
            connector=aiohttp.TCPConnector(ssl=tls, limit=24),
            timeout=aiohttp.ClientTimeout(total=30, sock_connect=30),
            read_bufsize=1 << 20,
        )
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._session is not None:
            await self._session.close()

    def cut_off(self, cut: bool) -> None:
        """Break every watch and refuse requests, as if the network were down, or be well again."""
        self._cut = cut
        for stream in self._streams if cut else ():
            stream.set_exception(self._no_network())

    @staticmethod
    def _no_network() -> ConnectionError:
        return ConnectionError("this node is cut off from the API server")

    @property
    def session(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("ApiClient is used outside of its 'async with' block")
        if self._cut:
            raise self._no_network()
        return self._session

    async def request(
        self,
        method: str,
        path: str,
        body: object = None,
        params: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> Json:
        """One request. Raises ApiError for a refusal, one of UNREACHABLE where there was no answer."""
        data = None if body is None else msgspec.json.encode(body)
        headers = {"Content-Type": content_type} if data is not None else None
        async with self.session.request(method, self.url + path, data=data, params=params, headers=headers) as answer:
            content = await answer.read()
            if answer.status >= 300:
                raise _error(answer.status, content)
            decoded: Json = msgspec.json.decode(content)
            return decoded

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> Json:
        return await self.request("GET", path, params=params)

    async def post(self, path: str, body: object) -> Json:
        return await self.request("POST", path, body)

    async def patch(self, path: str, body: object) -> Json:
        return await self.request("PATCH", path, body, content_type=STRATEGIC)

    async def delete(self, path: str, body: object) -> Json:
        return await self.request("DELETE", path, body)

    @asynccontextmanager
    async def watch(self, path: str, params: Mapping[str, str]) -> AsyncIterator[AsyncIterator[Json]]:
        """The events of one watch request, as {"type": ..., "object": ...}; ends when the server ends it."""
        query = {**params, "watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": "300"}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=30, sock_read=330)
        async with self.session.get(self.url + path, params=query, timeout=timeout) as answer:
            if answer.status >= 300:
                raise _error(answer.status, await answer.read())
            self._streams.add(answer.content)
            try:
                yield _lines(answer.content)
            finally:
                self._streams.discard(answer.content)


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[Json]:
    rest = b""
    async for chunk in content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line.strip():
                yield msgspec.json.decode(line)
