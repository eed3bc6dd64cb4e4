"""The HTTP session of the official client, with what it does not set by itself: keepalive times and proxy variables,
and an end that leaves nothing open.

The official client reads proxy variables (and ~/.netrc, whose entries would replace our credentials) for every single
request; here the variables are read once and .netrc never.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import urllib.request
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakSet

import aiohttp
from aiohttp import AddrInfoType

from executor.kube.settings import KubeSettings

_TLS_RECORD = 2**14
_READ_BUFFER = 2**21  # as the official client: a large object comes in one piece
_END_SECONDS = 1.0
_LOOK_SECONDS = 0.005


class Connector(aiohttp.TCPConnector):
    """One that knows its sockets."""

    def __init__(self, sockets: Sockets, *, small_buffers: bool, **options: Any) -> None:
        super().__init__(socket_factory=sockets, **options)
        self.sockets, self._small_buffers = sockets, small_buffers

    async def connect(self, req: Any, traces: Any, timeout: Any) -> Any:
        connection = await super().connect(req, traces, timeout)
        if self._small_buffers:
            with_small_buffer(connection.transport)
        return connection


def with_small_buffer(transport: Any) -> None:
    """Let a TLS connection read a record at a time: asyncio gives each one 256 KiB (`asyncio/sslproto.py`, `max_size`).

    Other transports, and an asyncio that does it otherwise, are left alone.
    """
    protocol: Any = getattr(transport, "_ssl_protocol", None)
    if getattr(protocol, "max_size", 0) > _TLS_RECORD and hasattr(protocol, "_ssl_buffer_view"):
        protocol.max_size = _TLS_RECORD
        protocol._ssl_buffer = bytearray(_TLS_RECORD)
        protocol._ssl_buffer_view = memoryview(protocol._ssl_buffer)


def use_own_session(api_client: Any, settings: KubeSettings) -> aiohttp.ClientSession:
    """Replace the session of a kubernetes.aio ApiClient by ours and return the old one, to be closed."""
    rest = api_client.rest_client
    configuration = api_client.configuration
    old: aiohttp.ClientSession = rest.pool_manager
    rest.pool_manager = aiohttp.ClientSession(
        connector=connector(configuration, settings), trust_env=False, read_bufsize=_READ_BUFFER
    )
    rest.proxy = configuration.proxy or proxy_for(configuration.host)
    return old


def connector(configuration: Any, settings: KubeSettings) -> Connector:
    """Pool, TLS and keepalive for this configuration."""
    return Connector(
        Sockets(settings),
        small_buffers=settings.small_buffers,
        limit=settings.connection_pool_size,
        ssl=tls_context(configuration),
    )


async def close(api_client: Any) -> None:
    """Close a kubernetes.aio ApiClient and every connection of a session of ours; open streams break.

    A connection that was closed in the middle of a stream waits for the peer's TLS farewell, which aiohttp
    (`BaseConnector._release`) does not wait for: if the loop ends first, nobody closes the socket.
    """
    ours = getattr(getattr(api_client.rest_client, "pool_manager", None), "connector", None)
    await api_client.close()
    if isinstance(ours, Connector):
        await ours.sockets.end()


def tls_context(configuration: Any) -> ssl.SSLContext:
    """TLS as the configuration says. Raises OSError (ssl.SSLError) for files that cannot be read."""
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert or None)
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, keyfile=configuration.key_file)
    if not configuration.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if getattr(configuration, "disable_strict_ssl_verification", False):
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def proxy_for(host: str) -> str | None:
    """The proxy that HTTPS_PROXY, HTTP_PROXY and NO_PROXY name for this URL, None for none."""
    parts = urlsplit(host)
    if not parts.hostname or urllib.request.proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    return urllib.request.getproxies().get(parts.scheme)


class Sockets:
    """Makes sockets that notice a dead peer (tcp(7)), unless that is switched off, and knows which are open.

    Options that a platform lacks are left out.
    """

    def __init__(self, settings: KubeSettings) -> None:
        self._keepalive = settings.enable_tcp_keepalive
        self._made: WeakSet[socket.socket] = WeakSet()
        wanted = {
            "TCP_KEEPIDLE": settings.tcp_keep_idle,
            "TCP_KEEPINTVL": settings.tcp_keep_intvl,
            "TCP_KEEPCNT": settings.tcp_keep_cnt,
        }
        self._options = [(getattr(socket, name), value) for name, value in wanted.items() if hasattr(socket, name)]

    def __call__(self, address: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, _ = address
        made = socket.socket(family, kind, protocol)
        self._made.add(made)
        if self._keepalive:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in self._options:
                made.setsockopt(socket.IPPROTO_TCP, option, value)
        return made

    async def end(self) -> None:
        """Cut what is open, and wait until the loop has let go of it."""
        for one in self._open():
            with suppress(OSError):  # not connected yet, or not any more
                one.shutdown(socket.SHUT_RDWR)
        with suppress(TimeoutError):
            async with asyncio.timeout(_END_SECONDS):
                while self._open():  # noqa: ASYNC110 - asyncio tells nobody that a transport is closed
                    await asyncio.sleep(_LOOK_SECONDS)

    def _open(self) -> list[socket.socket]:
        return [one for one in self._made if one.fileno() >= 0]
