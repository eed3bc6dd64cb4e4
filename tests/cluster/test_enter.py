"""Commands run in a container that is running: its files, processes, environment; with and without a terminal."""

from __future__ import annotations

import asyncio
import os

import pytest

from executor.localcluster.node.enter import Entered, NotRunning, exec_in
from tests.cluster.conftest import PATIENCE, Cluster, shell, state


async def running_pod(cluster: Cluster, name: str) -> str:
    env = [{"name": "SECRET", "value": "s3cret"}]
    await cluster.create_pod(name, shell("echo mine > /mine; echo ready; exec sleep 61", env=env, workingDir="/usr"))
    pod = await cluster.wait(name, lambda pod: "running" in state(pod))
    await cluster.said(name, "ready")
    return str(pod["metadata"]["uid"])


async def run(cluster: Cluster, uid: str, *command: str, given: bytes | None = None) -> tuple[int, bytes, bytes]:
    entered = await exec_in(cluster.server.state, uid, "base", command, stdin=given is not None)
    out, err = await entered.process.communicate(given)
    return await entered.wait(), out, err


async def test_a_command_sees_what_the_container_sees(cluster: Cluster) -> None:
    uid = await running_pod(cluster, "seen")
    code, out, err = await run(
        cluster, uid, "sh", "-c", "cat /mine; pwd; hostname; echo $SECRET; cat /proc/1/cmdline | tr '\\0' ' '; exit 7"
    )
    assert (code, out, err) == (7, b"mine\n/usr\nseen\ns3cret\nsleep 61 ", b"")


async def test_streams_and_signals(cluster: Cluster) -> None:
    uid = await running_pod(cluster, "streams")
    assert await run(cluster, uid, "cat", given=b"to and fro") == (0, b"to and fro", b"")
    assert await run(cluster, uid, "sh", "-c", "echo e >&2; kill -9 $$") == (137, b"", b"e\n")
    code, _, err = await run(cluster, uid, "no-such-program")
    assert (code, b"no-such-program" in err) == (127, True)


async def test_what_is_killed_is_gone(cluster: Cluster) -> None:
    uid = await running_pod(cluster, "killed")
    entered = await exec_in(cluster.server.state, uid, "base", ["sleep", "62"])
    entered.kill()
    assert await entered.wait() == 137
    async with asyncio.timeout(PATIENCE):
        while b"sleep 62" in (shown := await processes(cluster, uid)):  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.1)
    assert b"sleep 61" in shown


async def processes(cluster: Cluster, uid: str) -> bytes:
    code, out, _ = await run(cluster, uid, "sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
    assert code == 0
    return out


async def read_until(entered: Entered, mark: bytes) -> bytes:
    assert entered.terminal is not None
    seen = b""
    async with asyncio.timeout(PATIENCE):
        while mark not in seen:
            seen += await asyncio.to_thread(os.read, entered.terminal, 4096)
    return seen


async def test_a_terminal(cluster: Cluster) -> None:
    uid = await running_pod(cluster, "tty")
    # Whoever runs the tests in the background may have them ignore SIGINT, which programs inherit.
    command = ["env", "--default-signal=INT", "sh"]
    entered = await exec_in(cluster.server.state, uid, "base", command, stdin=True, tty=True)
    assert entered.terminal is not None
    try:
        entered.resize(33, 101)
        os.write(entered.terminal, b"test -t 0 && stty size; echo $TERM; echo $((40 + 2))\n")
        seen = await read_until(entered, b"42\r\n")
        assert b"33 101\r\n" in seen
        assert b"xterm\r\n" in seen
        os.write(entered.terminal, b"sh -c 'echo s$((1))eeps; exec sleep 63'\n")
        await read_until(entered, b"s1eeps\r\n")
        os.write(entered.terminal, b"\x03")  # Ctrl-C ends the sleep, the shell goes on
        await read_until(entered, b"# ")
        os.write(entered.terminal, b"exit 5\n")
        assert await asyncio.wait_for(entered.wait(), PATIENCE) == 5
    finally:
        entered.kill()
        os.close(entered.terminal)


async def test_nothing_can_be_run_in_a_container_that_has_ended(cluster: Cluster) -> None:
    pod = await cluster.create_pod("over", shell("true"))
    await cluster.finished("over")
    with pytest.raises(NotRunning, match="container base is not running"):
        await exec_in(cluster.server.state, pod["metadata"]["uid"], "base", ["true"])
    folder = cluster.server.state / "pods" / pod["metadata"]["uid"] / "base"
    assert [path.name for path in folder.iterdir()] == ["0.log"]
