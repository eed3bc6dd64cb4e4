"""``pods/exec`` and ``pods/attach``: commands in running containers, and the output of running containers, live.

Invariant: a command ends when its client leaves, so nothing stays behind. Sources: kubelet ``remotecommand``,
``pkg/registry/core/pod/strategy.go`` (which container). Excluded: standard input of attach (containers here have none),
port-forward, and clients that speak SPDY only.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from dataclasses import dataclass
from io import FileIO

from aiohttp import web

from executor.localcluster.channels import Channel, Channels, Size, exit_outcome, success
from executor.localcluster.cluster import Cluster
from executor.localcluster.log_files import LogPlace, line_batches
from executor.localcluster.node.enter import Entered, NotRunning, exec_in
from executor.localcluster.pod_log import choose_container, current_file, place_of
from executor.localcluster.request_info import RequestInfo
from executor.localcluster.resources import PODS
from executor.localcluster.status import ApiError, bad_request

_CHUNK = 32 * 1024
_END_OF_INPUT = b"\x04"  # what a terminal takes for the end of its input
_FULL_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """Which streams are wanted."""

    stdin: bool
    stdout: bool
    stderr: bool
    tty: bool


def _options(info: RequestInfo) -> StreamOptions:
    """Raises the kubelet's 400 for a request without any stream."""
    options = StreamOptions(info.flag("stdin"), info.flag("stdout"), info.flag("stderr"), info.flag("tty"))
    if not (options.stdin or options.stdout or options.stderr):
        raise bad_request("you must specify at least 1 of stdin, stdout, stderr")
    return options


def _place(cluster: Cluster, info: RequestInfo) -> LogPlace:
    """The container meant. Raises 404 (no such pod), 400 (on no node, which container)."""
    pod = cluster.store.get(PODS, (info.namespace, info.name)).object
    container = choose_container(pod, info.query.get("container", ""))
    if not pod["spec"].get("nodeName"):
        raise bad_request(f"pod {info.name} does not have a host assigned")
    return place_of(cluster, pod, container)


def _not_running(container: str) -> ApiError:
    message = f'Internal error occurred: unable to upgrade connection: container not found ("{container}")'
    return ApiError(500, "InternalError", message, {"causes": [{"message": message}]})


async def execute(cluster: Cluster, request: web.Request, info: RequestInfo) -> web.StreamResponse:
    """Run a command in a container, with its streams over the websocket."""
    place, options = _place(cluster, info), _options(info)
    command = request.query.getall("command", [])
    if not command:
        raise bad_request("you must specify at least 1 command for the container")
    try:
        entered = await exec_in(
            cluster.state_dir, place.uid, place.container, command, stdin=options.stdin, tty=options.tty
        )
    except NotRunning:
        raise _not_running(place.container) from None
    terminal = os.fdopen(entered.terminal, "rb", buffering=0) if entered.terminal is not None else None
    try:
        channels = await Channels.open(request)
        copied = _pipes(entered, channels, options) if terminal is None else _terminal(entered, channels, terminal)
        await channels.finish(exit_outcome(command, await copied))
        return channels.socket
    finally:
        entered.kill()
        await entered.wait()
        if terminal is not None:
            terminal.close()


async def _pipes(entered: Entered, channels: Channels, options: StreamOptions) -> int:
    """Copy the streams of a command without a terminal until it has ended; its exit code."""
    process = entered.process
    copies = [
        _copy(process.stdout, channels, Channel.STDOUT if options.stdout else None),
        _copy(process.stderr, channels, Channel.STDERR if options.stderr else None),
    ]
    feeding = asyncio.create_task(_feed_pipe(entered, channels), name="exec input")
    try:
        await asyncio.gather(*copies)
        return await entered.wait()
    finally:
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)


async def _copy(stream: asyncio.StreamReader | None, channels: Channels, channel: Channel | None) -> None:
    """Copy one stream to its end; without a channel it is read and forgotten."""
    while stream is not None and (data := await stream.read(_CHUNK)):
        if channel is not None:
            await channels.write(channel, data)


async def _feed_pipe(entered: Entered, channels: Channels) -> None:
    """Pass input on until the client ends it; a client that leaves ends the command."""
    stdin = entered.process.stdin
    async for piece in channels.received():
        if stdin is None or isinstance(piece, Size):
            continue
        with suppress(ConnectionError):
            if piece is None:
                stdin.close()
            else:
                stdin.write(piece)
                await stdin.drain()
    entered.kill()


async def _terminal(entered: Entered, channels: Channels, terminal: FileIO) -> int:
    """The same with a terminal, whose one stream is standard output."""
    loop, reader = asyncio.get_running_loop(), asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), terminal)
    feeding = asyncio.create_task(_feed_terminal(entered, channels, terminal), name="exec terminal")
    try:
        with suppress(OSError):  # how the end of a terminal shows
            await _copy(reader, channels, Channel.STDOUT)
        return await entered.wait()
    finally:
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)
        transport.close()


async def _feed_terminal(entered: Entered, channels: Channels, terminal: FileIO) -> None:
    async for piece in channels.received():
        if isinstance(piece, Size):
            entered.resize(piece.rows, piece.columns)
        else:
            await _type(terminal.fileno(), _END_OF_INPUT if piece is None else piece)
    entered.kill()


async def _type(terminal: int, data: bytes) -> None:
    """Write to a terminal, which takes a few kilobytes at once and the rest when they are read."""
    while data:
        try:
            data = data[os.write(terminal, data) :]
        except BlockingIOError:
            await asyncio.sleep(_FULL_SECONDS)


async def attach(cluster: Cluster, request: web.Request, info: RequestInfo) -> web.StreamResponse:
    """The output of a running container from now on, until it ends."""
    place, options = _place(cluster, info), _options(info)
    if "running" not in place.state():
        raise _not_running(place.container)
    channels = await Channels.open(request)
    showing = asyncio.create_task(_show(place, channels, options), name="attach output")
    leaving = asyncio.create_task(_until_left(channels), name="attach input")
    try:
        await asyncio.wait([showing, leaving], return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (showing, leaving):
            task.cancel()
        await asyncio.gather(showing, leaving, return_exceptions=True)
    await channels.finish(success())
    return channels.socket


async def _until_left(channels: Channels) -> None:
    async for _ in channels.received():
        """Containers have no standard input to pass it to."""


async def _show(place: LogPlace, channels: Channels, options: StreamOptions) -> None:
    wanted = {b"stdout": (Channel.STDOUT, options.stdout), b"stderr": (Channel.STDERR, options.stderr)}
    async for lines in line_batches(place, current_file(place), tail=0, follow=True):
        for line in lines:
            _, stream, tag, content = line.split(b" ", 3)
            channel, shown = wanted[stream]
            if shown:
                await channels.write(channel, content.rstrip(b"\n") if tag.startswith(b"P") else content)
