"""pods/log from the files of a node agent."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from executor.localcluster.resources import PODS
from executor.localcluster.types import Json
from tests.unit.localcluster.conftest import Running

_LOG = "/api/v1/namespaces/default/pods/a/log"
_LINES = [
    ("01", "stdout F one"),
    ("02", "stderr F two"),
    ("03", "stdout P thr"),
    ("03", "stdout F ee"),
    ("04", "stdout F four"),
]
_CRI = "".join(f"2026-01-01T00:00:{second}.000000000Z {rest}\n" for second, rest in _LINES)


def pod(*containers: str, initial: tuple[str, ...] = ()) -> Json:
    spec: Json = {"nodeName": "n", "containers": [{"name": name, "image": "i"} for name in containers]}
    if initial:
        spec["initContainers"] = [{"name": name, "image": "i"} for name in initial]
    return {"metadata": {"name": "a"}, "spec": spec}


def set_state(running: Running, state: Json, restarts: int = 0) -> None:
    stored = running.cluster.store.get(PODS, ("default", "a"))
    status = {"containerStatuses": [{"name": "base", "state": state, "restartCount": restarts}]}
    changed = stored.object
    changed["status"] |= status
    running.cluster.store.replace(PODS, stored, changed)


def write(running: Running, text: str, restart: int = 0) -> None:
    uid = running.cluster.store.get(PODS, ("default", "a")).uid
    path = running.cluster.state_dir / "pods" / uid / "base" / f"{restart}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(text)


async def _ran(running: Running) -> None:
    assert (await running.call("POST", "/api/v1/namespaces/default/pods", pod("base"))).status == 201
    write(running, _CRI)
    set_state(running, {"terminated": {"exitCode": 0}})


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ({}, "one\ntwo\nthree\nfour\n"),
        ({"tailLines": "1"}, "four\n"),
        ({"tailLines": "0"}, ""),
        ({"limitBytes": "5"}, "one\nt"),
        ({"sinceTime": "2026-01-01T00:00:03Z"}, "three\nfour\n"),
        ({"sinceSeconds": "1"}, ""),
        ({"follow": "true", "tailLines": "1"}, "four\n"),
        ({"container": "base", "tailLines": "1", "timestamps": "true"}, "2026-01-01T00:00:04.000000000Z four\n"),
    ],
)
async def test_parts_of_a_log(running: Running, query: dict[str, str], text: str) -> None:
    await _ran(running)
    answer = await running.call("GET", _LOG, **query)
    assert (answer.status, answer.content_type, await answer.text()) == (200, "text/plain", text)


async def test_timestamps_start_whole_lines_only(running: Running) -> None:
    await _ran(running)
    text = await (await running.call("GET", _LOG, timestamps="true")).text()
    assert text.splitlines()[2] == "2026-01-01T00:00:03.000000000Z three"


async def test_the_log_of_the_run_before(running: Running) -> None:
    await _ran(running)
    write(running, "2026-01-01T00:01:00.000000000Z stdout F again\n", restart=1)
    set_state(running, {"running": {}}, restarts=1)
    assert await (await running.call("GET", _LOG)).text() == "again\n"
    assert await (await running.call("GET", _LOG, previous="true", tailLines="1")).text() == "four\n"


async def test_following_ends_with_the_container(running: Running) -> None:
    await running.call("POST", "/api/v1/namespaces/default/pods", pod("base"))
    set_state(running, {"running": {}})
    write(running, "2026-01-01T00:00:00.000000000Z stdout F first\n")
    answer = await running.call("GET", _LOG, follow="true")
    async with asyncio.timeout(60):
        assert await answer.content.readline() == b"first\n"
        write(running, "2026-01-01T00:00:01.000000000Z stdout F last\n")
        set_state(running, {"terminated": {"exitCode": 0}})
        assert await answer.content.read() == b"last\n"


async def _refusal(running: Running, body: Json, **query: str) -> tuple[int, str]:
    await running.call("POST", "/api/v1/namespaces/default/pods", body)
    answer = await running.call("GET", _LOG, **query)
    return answer.status, (await answer.json())["message"]


async def test_a_container_that_has_not_started(running: Running) -> None:
    sentence = 'container "base" in pod "a" is waiting to start: '
    assert await _refusal(running, pod("base")) == (400, sentence + "ContainerCreating")
    set_state(running, {"waiting": {"reason": "ImagePullBackOff"}})
    assert await _refusal(running, pod("base")) == (400, sentence + "ImagePullBackOff")


_REFUSED: list[tuple[Any, dict[str, str], int, str]] = [
    (
        pod("a", "b"),
        {},
        400,
        "a container name must be specified for pod a, choose one of: [a b]",
    ),
    (
        pod("a", "b", initial=("i",)),
        {},
        400,
        "a container name must be specified for pod a, choose one of: [a b] or one of the init containers: [i]",
    ),
    (pod("a"), {"container": "x"}, 400, "container x is not valid for pod a"),
    (
        pod("base"),
        {"previous": "true"},
        400,
        'previous terminated container "base" in pod "a" not found',
    ),
    (
        pod("base"),
        {"tailLines": "-1"},
        422,
        'PodLogOptions "a" is invalid: tailLines: Invalid value: -1: must be greater than or equal to 0',
    ),
]


@pytest.mark.parametrize(("body", "query", "code", "message"), _REFUSED)
async def test_refusals(running: Running, body: Json, query: dict[str, str], code: int, message: str) -> None:
    assert await _refusal(running, body, **query) == (code, message)


async def test_a_pod_that_is_gone(running: Running) -> None:
    answer = await running.call("GET", _LOG)
    assert (answer.status, (await answer.json())["message"]) == (404, 'pods "a" not found')


async def test_a_pod_on_no_node_has_an_empty_log(running: Running) -> None:
    body = pod("base")
    del body["spec"]["nodeName"]
    await running.call("POST", "/api/v1/namespaces/default/pods", body)
    answer = await running.call("GET", _LOG)
    assert (answer.status, await answer.text()) == (204, "")
