"""One running container: its process, its exit, its output.

The agent is the parent of the container's first process (the launcher clones it as a sibling), so a pidfd in the
event loop tells when it ends and no thread or polling is needed. Killing that process ends its whole PID namespace.
Must be started from the thread that lives as long as the process: the parent-death signal is tied to it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import msgspec

from executor.localcluster.node.cri_log import LineSplitter, RotatingLog
from executor.localcluster.node.spec import ContainerSpec

PROGRAM = Path(__file__).with_name("container_main.py")
START_SECONDS = 30.0  # for namespaces and mounts; a mount of a dead file server could take for ever
TOO_LATE = b'{"error": "setup", "message": "the container was not set up within 30 s"}\n'
DRAIN_SECONDS = 2.0  # output left in the pipes after the exit


class StartError(Exception):
    """The container could not be started. kind: setup (namespaces, mounts) or exec (the program)."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class _Report(msgspec.Struct):
    launcher: int = 0
    pid: int = 0
    error: str = ""
    message: str = ""


class OutputPump:
    """Copies one pipe into a log file as CRI lines, whenever the event loop says there is something."""

    def __init__(self, fd: int, stream: str, log: RotatingLog) -> None:
        self._fd, self._log, self._lines = fd, log, LineSplitter(stream)
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        os.set_blocking(fd, False)
        asyncio.get_running_loop().add_reader(fd, self._readable)

    def _readable(self) -> None:
        with suppress(BlockingIOError):
            data = os.read(self._fd, 65536)
            if not data:
                return self.close()
            self._log.write(self._lines.feed(data, time.time_ns()))

    def close(self) -> None:
        if self.ended.done():
            return
        asyncio.get_running_loop().remove_reader(self._fd)
        os.close(self._fd)
        self._log.write(self._lines.close(time.time_ns()))
        self.ended.set_result(None)


class ContainerProcess:
    """A started container. `exited` resolves to its wait status (see `os.waitpid`)."""

    def __init__(self, pid: int, pumps: list[OutputPump], log: RotatingLog) -> None:
        self.pid = pid
        self._pumps, self._log = pumps, log
        self._pidfd = os.pidfd_open(pid)
        self._status: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().add_reader(self._pidfd, self._on_exit)

    def _on_exit(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        _, status = os.waitpid(self.pid, 0)
        os.close(self._pidfd)
        self._pidfd = -1
        if not self._status.done():
            self._status.set_result(os.waitstatus_to_exitcode(status))

    async def wait(self) -> int:
        """The exit code, 128 + n when killed by signal n. Returns when the output is in the log too."""
        code = await asyncio.shield(self._status)
        await asyncio.wait([pump.ended for pump in self._pumps], timeout=DRAIN_SECONDS)
        for pump in self._pumps:
            pump.close()
        self._log.close()
        return code if code >= 0 else 128 - code

    def signal(self, number: signal.Signals) -> None:
        """Signal the container's first process; nothing happens if it has ended."""
        if self._pidfd >= 0:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)


class Launcher:
    """Starts containers by way of `container_main`, one process for all containers of a node."""

    def __init__(self) -> None:
        self._server: subprocess.Popen[bytes] | None = None
        self._requests: socket.socket | None = None

    async def start(self, spec: ContainerSpec, log_path: Path) -> ContainerProcess:
        """Start a container; returns when its program runs. Raises StartError."""
        log = RotatingLog(log_path)
        out, err, reports = os.pipe2(os.O_CLOEXEC), os.pipe2(os.O_CLOEXEC), os.pipe2(os.O_CLOEXEC)
        try:
            self._send(spec, reports[1], out[1], err[1])
        except BaseException:
            log.close()
            for pipe in (out, err, reports):
                os.close(pipe[0])
            raise
        finally:
            for pipe in (out, err, reports):
                os.close(pipe[1])
        pumps = [OutputPump(out[0], "stdout", log), OutputPump(err[0], "stderr", log)]
        text = await _read_all(reports[0], START_SECONDS)
        return await _started(text, pumps, log)

    def _send(self, spec: ContainerSpec, reports: int, stdout: int, stderr: int) -> None:
        # the spec holds secrets: it travels in anonymous memory, never in a file or on a command line
        memory = os.memfd_create("container", os.MFD_CLOEXEC)
        try:
            with open(memory, "wb", closefd=False) as file:
                file.write(msgspec.json.encode(spec))
            os.lseek(memory, 0, os.SEEK_SET)
            descriptors = [memory, reports, stdout, stderr]
            try:
                socket.send_fds(self._connection(), [b"1"], descriptors)
            except (BrokenPipeError, ConnectionResetError):
                self.close()
                socket.send_fds(self._connection(), [b"1"], descriptors)
        finally:
            os.close(memory)

    def _connection(self) -> socket.socket:
        if self._requests is None:
            self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                self._server = subprocess.Popen(
                    [sys.executable, "-I", "-S", str(PROGRAM), str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    env={},
                    pass_fds=(theirs.fileno(),),
                    start_new_session=True,  # Ctrl-C in a terminal is for the agent
                )
        return self._requests

    def close(self) -> None:
        """End the launcher; containers go on."""
        if self._requests is not None:
            self._requests.close()
            self._requests = None
        if self._server is not None:
            self._server.wait()
            self._server = None


async def _started(text: bytes, pumps: list[OutputPump], log: RotatingLog) -> ContainerProcess:
    lines = [msgspec.json.decode(line, type=_Report) for line in text.splitlines()]
    failure = next((line for line in lines if line.error), None)
    launcher, pid = (max((getattr(line, name) for line in lines), default=0) for name in ("launcher", "pid"))
    _reap(launcher)
    if not pid:
        for pump in pumps:
            pump.close()
        log.close()
        raise StartError("setup", failure.message if failure else "the launcher ended without starting a container")
    process = ContainerProcess(pid, pumps, log)
    if failure:
        process.signal(signal.SIGKILL)
        await process.wait()
        raise StartError(failure.error, failure.message)
    return process


def _reap(pid: int) -> None:
    """Collect a launcher that has said its last word and is about to exit."""
    if pid:
        os.waitpid(pid, 0)


async def _read_all(fd: int, seconds: float) -> bytes:
    """Everything written to a pipe until its last writer closes it, or until the time is over."""
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    chunks: list[bytes] = []

    def readable() -> None:
        chunks.append(os.read(fd, 65536))
        if not chunks[-1]:
            loop.remove_reader(fd)
            done.set()

    loop.add_reader(fd, readable)
    try:
        async with asyncio.timeout(seconds):
            await done.wait()
    except TimeoutError:
        chunks.append(TOO_LATE)
    finally:
        loop.remove_reader(fd)
        os.close(fd)
    return b"".join(chunks)
