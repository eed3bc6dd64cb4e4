"""Several streams over one websocket: the protocols ``v4.channel.k8s.io`` and ``v5.channel.k8s.io``.

Each binary frame starts with the number of its channel; v5 adds a frame that closes one. The outcome is a ``Status``
on the error channel. Source: apimachinery ``pkg/util/remotecommand/constants.go``, kubelet
``pkg/kubelet/cri/streaming/remotecommand/websocket.go``. Excluded: SPDY, and the base64 variants.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum

import msgspec
from aiohttp import WSMsgType, web

from executor.localcluster.status import ApiError, bad_request
from executor.localcluster.types import Json

PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
_KEEPALIVE_SECONDS = 30.0
_SUCCESS: Json = {"metadata": {}, "status": "Success"}


class Channel(IntEnum):
    """The numbers of the streams."""

    STDIN = 0
    STDOUT = 1
    STDERR = 2
    ERROR = 3
    RESIZE = 4
    CLOSE = 255


@dataclass(frozen=True, slots=True)
class Size:
    """A terminal's size in characters."""

    rows: int
    columns: int


class _Resize(msgspec.Struct, rename="pascal"):
    width: int = 0
    height: int = 0


class Channels:
    """One open connection. A client that has left makes writes do nothing and ends :meth:`received`."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket

    @classmethod
    async def open(cls, request: web.Request) -> Channels:
        """Upgrade the request; raises a 400 for who does not ask for it, a 403 for who speaks neither protocol."""
        offered = {name.strip() for name in request.headers.get("Sec-WebSocket-Protocol", "").split(",")}
        socket = web.WebSocketResponse(protocols=PROTOCOLS, heartbeat=_KEEPALIVE_SECONDS, max_msg_size=0)
        if not socket.can_prepare(request):
            raise bad_request("Upgrade request required")
        if not offered & set(PROTOCOLS):
            sentence = f"unable to upgrade: client supports {sorted(offered)}, server accepts {list(PROTOCOLS)}"
            raise ApiError(403, "Forbidden", sentence)
        await socket.prepare(request)
        channels = cls(socket)
        await channels.write(Channel.STDOUT, b"")  # tells clients that the stream stands
        return channels

    @property
    def socket(self) -> web.WebSocketResponse:
        return self._socket

    async def write(self, channel: Channel, data: bytes) -> None:
        with suppress(ConnectionError):
            await self._socket.send_bytes(bytes([channel]) + data)

    async def finish(self, outcome: Json) -> None:
        """Send the outcome, a ``Status``, and close."""
        await self.write(Channel.ERROR, msgspec.json.encode(outcome))
        with suppress(ConnectionError):
            await self._socket.close()

    async def received(self) -> AsyncIterator[bytes | Size | None]:
        """What the client sends: standard input, terminal sizes, and once ``None`` when it closes standard input."""
        async for message in self._socket:
            data = message.data.encode() if message.type is WSMsgType.TEXT else message.data
            if message.type not in (WSMsgType.BINARY, WSMsgType.TEXT) or not data:
                continue
            if data[0] == Channel.STDIN:
                yield data[1:]
            elif data[0] == Channel.RESIZE:
                size = msgspec.json.decode(data[1:], type=_Resize)
                yield Size(size.height, size.width)
            elif data[0] == Channel.CLOSE and data[1:2] == bytes([Channel.STDIN]):
                yield None


def exit_outcome(command: list[str], code: int) -> Json:
    """How a command ended (kubelet ``remotecommand/exec.go``)."""
    if code == 0:
        return _SUCCESS
    why = f"error executing command [{' '.join(command)}], exit code {code}"
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: {why}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


def success() -> Json:
    return _SUCCESS
