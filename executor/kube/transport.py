"""Sending prepared requests: authentication, time limits, one refresh after a 401, errors in our own words.

Invariants: a request is sent once, except after a 401 (twice); any number of concurrent 401s read the credentials anew
once; no body is ever logged; nothing but `executor.errors` leaves, besides cancellation.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
import traceback
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode, urlsplit

import aiohttp
import msgspec

from executor import __version__
from executor.errors import ApiError, BadRequest, Unreachable
from executor.kube import classify, credentials, session
from executor.kube.requests import Request
from executor.kube.settings import KubeSettings

log = logging.getLogger(__name__)

_CREDENTIALS_AT_MOST_EVERY = 5.0  # seconds: an exec plugin is a process, and a 401 may be there to stay
_BELOW_HTTP = (aiohttp.ClientError, OSError, asyncio.TimeoutError)


class Transport:
    """The connection to one API server, used within one running loop. Make it with `await Transport.open(settings)`."""

    def __init__(self, settings: KubeSettings, api_client: Any) -> None:
        self.settings = settings
        self._api_client = api_client
        self._retired: Any = None  # its open streams may still end in peace
        self._refreshing = asyncio.Lock()
        self._generation = 0
        self._refreshed_at = float("-inf")
        self._timeout = settings.timeout()
        self._warned: set[str] = set()

    @classmethod
    async def open(cls, settings: KubeSettings) -> Transport:
        """Read the credentials; nothing is sent yet. Raises Unreachable when there are none to read."""
        return cls(settings, await credentials.open_api_client(settings, __version__))

    @property
    def host(self) -> str:
        """host:port of the API server, without credentials or path."""
        parts = urlsplit(self._api_client.configuration.host)
        return f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"

    async def close(self) -> None:
        """Close every connection; open streams break."""
        for api_client in (self._retired, self._api_client):
            if api_client is not None:
                await session.close(api_client)

    async def send(self, request: Request) -> bytes:
        """The body of a 2xx answer. Raises ApiError."""
        return await self._read(await self._answer(request, self._timeout), request)

    async def headers(self, request: Request) -> Mapping[str, str]:
        """The headers of a 2xx answer; its body is not read. Raises ApiError."""
        response = await self._answer(request, self._timeout)
        response.close()
        return response.headers

    @asynccontextmanager
    async def stream(
        self, request: Request, timeout: aiohttp.ClientTimeout | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """The body of a 2xx answer in chunks as they come. Raises ApiError, also while the chunks are read."""
        response = await self._answer(request, timeout or self._timeout)
        chunks = self._chunks(response, request)
        try:
            yield chunks
        finally:
            await chunks.aclose()
            response.release() if response.content.at_eof() else response.close()

    def where(self, request: Request) -> str:
        """What is asked of whom, for messages: "create pods at host:port"."""
        return f"{request.verb} {request.resource} at {self.host}"

    async def _read(self, response: aiohttp.ClientResponse, request: Request) -> bytes:
        """All of the body, after which the connection is free for the next request."""
        try:
            return await response.read()
        except _BELOW_HTTP as error:
            raise classify.from_exception(error, self.where(request)) from error
        except Exception as error:
            raise self._unexpected(error, request) from error

    async def _chunks(self, response: aiohttp.ClientResponse, request: Request) -> AsyncGenerator[bytes]:
        try:
            async for chunk in response.content.iter_any():
                yield chunk
        except _BELOW_HTTP as error:
            raise classify.from_exception(error, self.where(request)) from error
        except Exception as error:
            raise self._unexpected(error, request) from error

    async def _answer(self, request: Request, timeout: aiohttp.ClientTimeout) -> aiohttp.ClientResponse:
        generation = self._generation
        response = await self._once(request, timeout)
        if response.status == 401:
            refusal = await self._refusal(response, request)
            if not await self._refresh(generation):
                raise refusal
            response = await self._once(request, timeout)
        if not 200 <= response.status < 300:
            raise await self._refusal(response, request)
        return response

    async def _once(self, request: Request, timeout: aiohttp.ClientTimeout) -> aiohttp.ClientResponse:
        started = time.perf_counter()
        try:
            response = await self._send(request, timeout)
        except _BELOW_HTTP as error:
            raise classify.from_exception(error, self.where(request)) from error
        except TypeError as error:  # for example a date that YAML made of an unquoted text
            raise BadRequest(f"{self.where(request)}: the object cannot be written as JSON ({error})") from error
        except ValueError as error:
            raise Unreachable(f"{self.where(request)}: the request could not be formed ({error})") from error
        except Exception as error:  # a hook that refreshes credentials, a client of the user's own: anything
            raise self._unexpected(error, request) from error
        if log.isEnabledFor(logging.DEBUG):
            ms = (time.perf_counter() - started) * 1000
            log.debug("%s %s %s %.0f ms", request.verb, request.path, response.status, ms)
        if "Warning" in response.headers:
            self._pass_on(response.headers.getall("Warning"))
        return response

    async def _send(self, request: Request, timeout: aiohttp.ClientTimeout) -> aiohttp.ClientResponse:
        """By the official client's session, past its `request`, which writes a large pod's JSON slowly."""
        api_client, rest = self._api_client, self._api_client.rest_client
        query = f"?{urlencode(request.query)}" if request.query else ""
        headers = {
            **api_client.default_headers,
            **await credentials.authorization(api_client),
            "Accept": request.accept,
            "Content-Type": request.content_type,
        }
        response: aiohttp.ClientResponse = await rest.pool_manager.request(
            request.method,
            f"{api_client.configuration.host}{request.path}{query}",
            headers=headers,
            data=None if request.body is None else _json(request.body),
            timeout=timeout,
            proxy=rest.proxy,
            proxy_headers=rest.proxy_headers,
            server_hostname=rest.server_hostname,
        )
        return response

    async def _refusal(self, response: aiohttp.ClientResponse, request: Request) -> ApiError:
        try:
            body = await self._read(response, request)
        except ApiError as error:
            return error
        return classify.from_response(response.status, body, response.headers, self.where(request))

    def _unexpected(self, error: Exception, request: Request) -> ApiError:
        """What no client should raise. Not its text, which may hold a body; where it comes from is logged once."""
        kind = type(error).__name__
        if kind not in self._warned:
            self._warned.add(kind)
            frames = "".join(traceback.format_tb(error.__traceback__))
            log.error("%s met a defect of the client (%s), told once:\n%s", self.where(request), kind, frames)
        return classify.from_exception(error, self.where(request))

    async def _refresh(self, generation: int) -> bool:
        """Read the credentials anew unless somebody did since `generation`; False when it is not worth another try."""
        async with self._refreshing:
            if self._generation != generation:
                return True
            now = asyncio.get_running_loop().time()
            if now - self._refreshed_at < _CREDENTIALS_AT_MOST_EVERY:
                return False
            self._refreshed_at = now
            await self._adopt(await credentials.open_api_client(self.settings, __version__))
            self._generation += 1
            log.info("Credentials for %s were read anew after a 401", self.host)
            return True

    async def _adopt(self, fresh: Any) -> None:
        """Take over a new token; connections only if something else changed."""
        if fresh is self._api_client:
            return  # a factory that always gives the same client refreshes it by itself
        if credentials.same_connection(self._api_client.configuration, fresh.configuration):
            self._api_client.configuration = fresh.configuration
            await fresh.close()
            return
        if self._retired is not None:
            await session.close(self._retired)
        self._retired, self._api_client = self._api_client, fresh

    def _pass_on(self, warnings: list[str]) -> None:
        """Say each text of the API server's Warning headers once."""
        for text in warnings:
            if text not in self._warned and len(self._warned) < 1000:
                self._warned.add(text)
                log.warning("The API server at %s warns: %s", self.host, text)


def _json(body: Mapping[str, Any]) -> bytes:
    """Raises TypeError for what JSON cannot say."""
    try:
        return msgspec.json.encode(body)
    except TypeError:  # a subclass of a text, for example, which the standard library takes
        return json.dumps(body).encode()
