"""What probes and lifecycle hooks do: run a command in the container, ask over HTTP, connect over TCP.

A pod shares this machine's loopback, so its address is 127.0.0.1. Texts are those that Go's network library gives,
because they end up in events (Kubernetes: pkg/probe, pkg/kubelet/lifecycle/handlers.go). Excluded: gRPC.
"""

from __future__ import annotations

import asyncio
import errno
import os
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from executor.localcluster.node.api import Json
from executor.localcluster.node.enter import Entered, NotRunning, exec_in
from executor.localcluster.node.fields import POD_IP

OUTPUT_BYTES = 10 * 1024
NO_GRPC = "grpc handlers are not supported by the local cluster"


@dataclass(frozen=True, slots=True)
class Outcome:
    """ok: None if it could not be found out; text: why not."""

    ok: bool | None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """A running container, for handlers to act on."""

    state_dir: Path
    pod_uid: str
    container: Json

    async def act(self, handler: Json, seconds: float | None) -> Outcome:
        """Carry out a handler (of a probe or hook) within the time; None: without limit."""
        if handler.get("exec"):
            return await self._run(handler["exec"].get("command") or [], seconds)
        if handler.get("sleep"):
            await asyncio.sleep(handler["sleep"]["seconds"])
            return Outcome(True)
        if handler.get("grpc"):
            return Outcome(None, NO_GRPC)
        try:
            if handler.get("httpGet"):
                return await _http_get(handler["httpGet"], self.container, seconds)
            return await _connect(handler["tcpSocket"], self.container, seconds)
        except PortError as error:
            return Outcome(None, str(error))

    async def _run(self, command: list[str], seconds: float | None) -> Outcome:
        try:
            entered = await exec_in(self.state_dir, self.pod_uid, self.container["name"], command)
        except (NotRunning, OSError) as error:
            return Outcome(None, f"failed to exec in container: {error}")
        try:
            async with asyncio.timeout(seconds):
                output = await _output(entered)
                code = await entered.wait()
        except TimeoutError:
            return Outcome(False, f'command timed out: "{" ".join(command)}" timed out after {seconds:.0f}s')
        finally:
            entered.kill()
        return Outcome(code == 0, output.decode(errors="replace"))


async def _output(entered: Entered) -> bytes:
    """The first part of what a command says; the rest is read too, so that it does not wait for a reader."""
    out, err = entered.process.stdout, entered.process.stderr
    assert out is not None
    assert err is not None
    said, failed = await asyncio.gather(_head(out), _head(err))
    return (said + failed)[:OUTPUT_BYTES]


async def _head(stream: asyncio.StreamReader) -> bytes:
    kept = b""
    while data := await stream.read(65536):
        kept = (kept + data)[:OUTPUT_BYTES]
    return kept


class PortError(ValueError):
    """A port that is neither a number nor a name of the container's ports."""


def port_number(port: object, container: Json) -> int:
    """The number that an IntOrString stands for. Raises PortError."""
    if isinstance(port, int):
        return port
    text = str(port)
    named = [one["containerPort"] for one in container.get("ports") or () if one.get("name") == text]
    if named:
        return int(named[0])
    if not text.isdecimal():
        raise PortError(f'strconv.Atoi: parsing "{text}": invalid syntax')
    return int(text)


def _dial_error(error: OSError, address: str) -> str:
    reasons = {errno.ECONNREFUSED: "connect: connection refused", errno.EHOSTUNREACH: "connect: no route to host"}
    why = reasons.get(error.errno or 0) or (os.strerror(error.errno).lower() if error.errno else str(error))
    return f"dial tcp {address}: {why}"


async def _connect(handler: Json, container: Json, seconds: float | None) -> Outcome:
    host, port = handler.get("host") or POD_IP, port_number(handler["port"], container)
    try:
        async with asyncio.timeout(seconds):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        return Outcome(False, f"dial tcp {host}:{port}: i/o timeout")
    except OSError as error:
        return Outcome(False, _dial_error(error, f"{host}:{port}"))
    writer.close()
    return Outcome(True)


async def _http_get(handler: Json, container: Json, seconds: float | None) -> Outcome:
    """One GET without redirects; any certificate will do. ok for 200 to 399."""
    host, port = handler.get("host") or POD_IP, port_number(handler["port"], container)
    path = "/" + (handler.get("path") or "/").removeprefix("/")
    url = f"{(handler.get('scheme') or 'HTTP').lower()}://{host}:{port}{path}"
    try:
        status = await _status_of(url, _headers(handler), seconds)
    except TimeoutError:
        waiting = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
        return Outcome(False, f'Get "{url}": {waiting}')
    except aiohttp.ClientConnectorError as error:
        return Outcome(False, f'Get "{url}": {_dial_error(error.os_error, f"{host}:{port}")}')
    except aiohttp.ClientError as error:
        return Outcome(False, f'Get "{url}": {str(error) or "EOF"}')
    good = 200 <= status < 400
    return Outcome(good, "" if good else f"HTTP probe failed with statuscode: {status}")


def _headers(handler: Json) -> list[tuple[str, str]]:
    asked = [(header["name"], header.get("value") or "") for header in handler.get("httpHeaders") or ()]
    return [("User-Agent", "kube-probe/1.36"), ("Accept", "*/*"), *asked]


async def _status_of(url: str, headers: list[tuple[str, str]], seconds: float | None) -> int:
    limits = aiohttp.ClientTimeout(total=seconds)
    async with (
        # a session of its own: the API client's sends a token
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False), timeout=limits) as session,
        session.get(url, headers=headers, allow_redirects=False) as answer,
    ):
        return answer.status
