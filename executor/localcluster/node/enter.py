"""Runs a command in a running container: in its namespaces, root, working directory and environment.

The agent publishes each running container in ``<state>/pods/<uid>/<container>/``: ``pid`` (of its first process) and
``exec.json`` (environment and directory; it may hold secrets, so only this user reads it). Both go when it ends. The
rest of this module needs these files and util-linux (nsenter, setsid), not the agent.

Excluded: a /dev/pts in the container, so a terminal works but has no name there.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import signal
import struct
import termios
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from executor.localcluster.node.memory import children_of

PID, SETTINGS = "pid", "exec.json"


class NotRunning(Exception):
    """The container does not run (any more)."""


class _Settings(msgspec.Struct, frozen=True):
    env: Mapping[str, str]
    cwd: str


def publish(folder: Path, pid: int, env: Mapping[str, str], cwd: str) -> None:
    """Make a container enterable; folder is the container's own below its pod's."""
    descriptor = os.open(folder / SETTINGS, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(msgspec.json.encode(_Settings(env, cwd)))
    (folder / PID).write_text(f"{pid}\n")


def withdraw(folder: Path) -> None:
    """Undo `publish`; nothing happens if there is nothing to undo."""
    (folder / PID).unlink(missing_ok=True)
    (folder / SETTINGS).unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Entered:
    """A command that runs in a container. terminal: with `tty`, the descriptor to read and write, for the caller to
    close; without, `process` has the pipes."""

    process: asyncio.subprocess.Process = field(repr=False)
    terminal: int | None = None

    async def wait(self) -> int:
        """The exit code, 128 + n when killed by signal n."""
        code = await self.process.wait()
        return code if code >= 0 else 128 - code

    def kill(self) -> None:
        """End the command and what it started in its process group."""
        for group in (*children_of(self.process.pid), self.process.pid):
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)

    def resize(self, rows: int, columns: int) -> None:
        """Tell the terminal its size."""
        if self.terminal is not None:
            fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


async def exec_in(
    state_dir: Path, pod_uid: str, container: str, command: Sequence[str], *, stdin: bool = False, tty: bool = False
) -> Entered:
    """Start `command` in a container. A program that does not exist there gives exit code 127 and a line of nsenter.

    Raises NotRunning; OSError where nsenter cannot be started.
    """
    pid, settings = _find(state_dir / "pods" / pod_uid / container)
    user = _other_user_namespace(pid)
    inside = ["--mount", "--uts", "--root", f"--wdns={settings.cwd}", "--", *command]
    if tty:
        # two steps: the session of the terminal must begin in the container's PID namespace, without its files
        session = [_tool("setsid"), "--ctty", _tool("nsenter"), f"--target={pid}", *inside]
        return await _on_terminal([_tool("nsenter"), f"--target={pid}", *user, "--pid", "--", *session], settings.env)
    argv = [_tool("nsenter"), f"--target={pid}", *user, "--pid", *inside]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=pipe if stdin else asyncio.subprocess.DEVNULL,
        stdout=pipe,
        stderr=pipe,
        env=settings.env,
        start_new_session=True,
    )
    return Entered(process)


def _find(folder: Path) -> tuple[int, _Settings]:
    try:
        pid = int((folder / PID).read_text())
        settings = msgspec.json.decode((folder / SETTINGS).read_bytes(), type=_Settings)
        own = os.stat(f"/proc/{pid}/ns/pid").st_ino != os.stat("/proc/self/ns/pid").st_ino
    except (OSError, ValueError) as error:
        raise NotRunning(f"container {folder.name} is not running") from error
    if not own:  # the number belongs to another process by now
        raise NotRunning(f"container {folder.name} is not running")
    return pid, settings


def _other_user_namespace(pid: int) -> list[str]:
    """What nsenter needs to be told where containers have a user namespace."""
    same = os.stat(f"/proc/{pid}/ns/user").st_ino == os.stat("/proc/self/ns/user").st_ino
    return [] if same else ["--user", "--preserve-credentials"]


def _tool(name: str) -> str:
    """Where a program of util-linux is; looked up here, as the child has the container's PATH."""
    return shutil.which(name) or f"/usr/bin/{name}"


async def _on_terminal(argv: Sequence[str], env: Mapping[str, str]) -> Entered:
    ours, theirs = os.openpty()
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={"TERM": "xterm", **env},
            start_new_session=True,
        )
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(theirs)
    return Entered(process, ours)
