"""Exec and attach: commands and output of running containers over a websocket, in both versions of the protocol."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from tests.contract.api import PATIENCE, Api, Json, eventually

V4, V5 = "v4.channel.k8s.io", "v5.channel.k8s.io"
LOOP = "trap 'exit 0' TERM; i=0; while true; do i=$((i+1)); echo line $i; echo err $i >&2; sleep 0.1; done"


@pytest.fixture
async def running(node_api: Api) -> Api:
    """A pod ``a`` that runs, and says something all the time."""
    base = {"name": "base", "image": "machine:1", "command": ["sh", "-c", LOOP]}
    spec = {"containers": [base], "restartPolicy": "Never", "terminationGracePeriodSeconds": 1}
    await node_api.created("pods", {"metadata": {"name": "a"}, "spec": spec})

    async def is_up() -> bool:
        found = (await node_api.get(node_api.path("pods", "a"))).body
        return bool(found["status"]["phase"] == "Running")

    await eventually(is_up)
    return node_api


class Stream:
    """An open websocket: what came on each channel."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.received: dict[int, bytes] = {}

    async def send(self, channel: int, data: bytes) -> None:
        await self.socket.send_bytes(bytes([channel]) + data)

    async def until(self, channel: int, text: bytes) -> None:
        """Read until a channel has said something."""
        async with asyncio.timeout(PATIENCE):
            while text not in self.received.get(channel, b""):
                await self._read()

    async def outcome(self) -> Json:
        """Read to the end; the ``Status`` of the error channel."""
        async with asyncio.timeout(PATIENCE):
            while not self.socket.closed:
                await self._read()
        found: Json = json.loads(self.received[3])
        return found

    async def _read(self) -> None:
        message = await self.socket.receive()
        if message.type is aiohttp.WSMsgType.BINARY:
            channel = message.data[0]
            self.received[channel] = self.received.get(channel, b"") + message.data[1:]


@asynccontextmanager
async def opened(
    api: Api, *command: str, protocol: str = V5, what: str = "exec", streams: str = "stdout stderr"
) -> AsyncIterator[Stream]:
    query = [("command", word) for word in command] + [(name, "true") for name in streams.split()]
    url = f"{api.access.url}{api.path('pods', 'a')}/{what}"
    async with api.session.ws_connect(url, protocols=[protocol], params=query, max_msg_size=0) as socket:
        assert socket.protocol == protocol
        yield Stream(socket)


@pytest.mark.parametrize("protocol", [V4, V5])
async def test_a_command_in_a_container(running: Api, protocol: str) -> None:
    async with opened(running, "sh", "-c", "echo out; echo err >&2; hostname", protocol=protocol) as stream:
        outcome = await stream.outcome()
    assert outcome == {"metadata": {}, "status": "Success"}
    assert (stream.received[1], stream.received[2]) == (b"out\na\n", b"err\n")


async def test_a_command_that_fails(running: Api) -> None:
    async with opened(running, "sh", "-c", "exit 7") as stream:
        outcome = await stream.outcome()
    why = "command terminated with non-zero exit code: error executing command [sh -c exit 7], exit code 7"
    assert (outcome["status"], outcome["reason"], outcome["message"]) == ("Failure", "NonZeroExitCode", why)
    assert outcome["details"]["causes"] == [{"reason": "ExitCode", "message": "7"}]


async def test_input_that_is_closed_in_the_fifth_version(running: Api) -> None:
    async with opened(running, "cat", streams="stdin stdout") as stream:
        await stream.send(0, b"some ")
        await stream.send(0, b"input")
        await stream.send(255, b"\x00")
        outcome = await stream.outcome()
    assert (outcome["status"], stream.received[1]) == ("Success", b"some input")


async def test_a_conversation_in_the_fourth_version(running: Api) -> None:
    async with opened(running, "sh", protocol=V4, streams="stdin stdout stderr") as stream:
        await stream.send(0, b"echo first\n")
        await stream.until(1, b"first\n")
        await stream.send(0, b"echo second >&2; exit 3\n")
        outcome = await stream.outcome()
    assert (stream.received[2], outcome["details"]["causes"][0]["message"]) == (b"second\n", "3")


async def test_much_output_arrives_whole(running: Api) -> None:
    async with opened(running, "sh", "-c", "head -c 5000000 /dev/zero") as stream:
        await stream.outcome()
    assert stream.received[1] == bytes(5_000_000)


async def test_a_terminal_and_its_size(running: Api) -> None:
    async with opened(running, "sh", streams="stdin stdout tty") as stream:
        await stream.send(4, json.dumps({"Width": 123, "Height": 45}).encode())
        await stream.send(0, b"stty size; exit 2\n")
        outcome = await stream.outcome()
    assert b"45 123" in stream.received[1]
    assert outcome["details"]["causes"][0]["message"] == "2"


async def test_a_command_ends_when_its_client_leaves(running: Api) -> None:
    async with opened(running, "sh", "-c", "echo $$ > /tmp/pid; echo up; exec sleep 1000", streams="stdout") as stream:
        await stream.until(1, b"up")

    async def gone() -> bool:
        script = "kill -0 $(cat /tmp/pid) 2> /dev/null && echo alive || echo gone"
        async with opened(running, "sh", "-c", script) as stream:
            await stream.outcome()
        return stream.received[1] == b"gone\n"

    await eventually(gone)


async def test_attach_shows_what_comes_from_now_on(running: Api) -> None:
    async def has_begun() -> bool:
        return "line 1\n" in (await running.get(f"{running.path('pods', 'a')}/log")).text

    await eventually(has_begun)
    async with opened(running, what="attach") as stream:
        await stream.until(1, b"line")
        await stream.until(2, b"err")
        await running.delete(running.path("pods", "a"))
        outcome = await stream.outcome()
    assert outcome["status"] == "Success"
    assert b"line 1\n" not in stream.received[1]


@pytest.mark.parametrize(
    ("name", "query", "code", "sentence"),
    [
        ("a", {"stdout": "1"}, 400, "you must specify at least 1 command for the container"),
        ("a", {"command": "ls"}, 400, "you must specify at least 1 of stdin, stdout, stderr"),
        ("a", {"command": "ls", "stdout": "1", "container": "x"}, 400, "container x is not valid for pod a"),
        ("b", {"command": "ls", "stdout": "1"}, 404, 'pods "b" not found'),
        ("a", {"command": "ls", "stdout": "1"}, 400, "Upgrade request required"),
    ],
)
async def test_refusals(running: Api, name: str, query: dict[str, str], code: int, sentence: str) -> None:
    answer = await running.call("POST", f"{running.path('pods', name)}/exec", **query)
    assert (answer.code, answer.message) == (code, sentence)


async def test_another_protocol_is_refused(running: Api) -> None:
    url = f"{running.access.url}{running.path('pods', 'a')}/exec"
    query: Any = {"command": "ls", "stdout": "1"}
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await running.session.ws_connect(url, protocols=["channel.k8s.io"], params=query)
    assert caught.value.status == 403


async def test_a_pod_on_no_node_has_nothing_to_enter(node_api: Api) -> None:
    spec = {"containers": [{"name": "base", "image": "x"}], "schedulingGates": [{"name": "example.com/g"}]}
    await node_api.created("pods", {"metadata": {"name": "a"}, "spec": spec})
    answer = await node_api.get(f"{node_api.path('pods', 'a')}/exec", command="ls", stdout="1")
    assert (answer.code, answer.message) == (400, "pod a does not have a host assigned")


async def test_a_container_that_has_ended_cannot_be_entered(node_api: Api) -> None:
    base = {"name": "base", "image": "machine:1", "command": ["true"]}
    spec = {"containers": [base], "restartPolicy": "Never"}
    await node_api.created("pods", {"metadata": {"name": "a"}, "spec": spec})

    async def is_over() -> bool:
        return bool((await node_api.get(node_api.path("pods", "a"))).body["status"]["phase"] == "Succeeded")

    await eventually(is_over)
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        async with opened(node_api, "ls"):
            pass
    assert caught.value.status == 500
