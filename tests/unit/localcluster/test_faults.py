"""The switches that tests of clients use."""

from __future__ import annotations

import asyncio
import time

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer

from executor.localcluster.server import ApiServer
from tests.unit.localcluster.conftest import INNER_TOKEN, TOKEN, Running

_PODS = "/api/v1/namespaces/default/pods"
_MAPS = "/api/v1/namespaces/default/configmaps"


@pytest.mark.parametrize(
    ("method", "path", "sentence"),
    [
        ("GET", "/pods", 'pods is forbidden: User "local" cannot list resource "pods" in API group ""'),
        ("POST", "/pods", 'pods is forbidden: User "local" cannot create resource "pods" in API group ""'),
        ("GET", "/pods/a", 'pods "a" is forbidden: User "local" cannot get resource "pods" in API group ""'),
        ("GET", "/pods/a/log", 'pods "a" is forbidden: User "local" cannot get resource "pods/log" in API group ""'),
        (
            "DELETE",
            "/secrets/s",
            'secrets "s" is forbidden: User "local" cannot delete resource "secrets" in API group ""',
        ),
    ],
)
async def test_a_forbidden_namespace(running: Running, method: str, path: str, sentence: str) -> None:
    await running.switch("forbid", namespace="closed")
    answer = await running.call(method, f"/api/v1/namespaces/closed{path}", {} if method == "POST" else None)
    body = await answer.json()
    assert (answer.status, body["reason"]) == (403, "Forbidden")
    assert body["message"] == f'{sentence} in the namespace "closed"'
    assert (await running.call("GET", _PODS)).status == 200


async def test_a_namespace_is_opened_again(running: Running) -> None:
    await running.switch("forbid", namespace="default")
    assert (await running.call("GET", _PODS)).status == 403
    await running.switch("forbid", namespace="default", forbidden=False)
    assert (await running.call("GET", _PODS)).status == 200


async def test_the_next_requests_fail(running: Running) -> None:
    await running.switch("fail", verb="create", resource="configmaps", status=429, count=2)
    body = {"metadata": {"name": "a"}}
    answers = [await running.call("POST", _MAPS, body) for _ in range(3)]
    assert [answer.status for answer in answers] == [429, 429, 201]
    assert answers[0].headers["Retry-After"] == "1"
    assert (await answers[0].json())["reason"] == "TooManyRequests"


async def test_an_answer_is_lost_after_the_work_is_done(running: Running) -> None:
    await running.switch("fail", verb="create", resource="configmaps", lost=True)
    with pytest.raises(aiohttp.ClientError):
        await running.call("POST", _MAPS, {"metadata": {"name": "a"}})
    assert (await running.call("GET", f"{_MAPS}/a")).status == 200


async def test_frozen_watches_say_nothing_until_they_thaw(running: Running) -> None:
    answer = await running.call("GET", _MAPS, watch="1", fieldSelector="metadata.name=a")
    await running.switch("freeze-watches", seconds=3600)
    await running.call("POST", _MAPS, {"metadata": {"name": "a"}})
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await answer.content.readline()
    await running.switch("reset")
    async with asyncio.timeout(60):
        assert b'"ADDED"' in await answer.content.readline()


async def test_events_are_lost_and_the_watch_goes_on(running: Running) -> None:
    """The first two of them, of this namespace's watches only, open ones too."""
    there = await running.call(
        "GET", _MAPS, watch="1", resourceVersion="1", fieldSelector="metadata.name!=kube-root-ca.crt"
    )
    everywhere = await running.call("GET", "/api/v1/configmaps", watch="1", fieldSelector="metadata.name=a")
    await running.switch(
        "fault", effect="drop-event", verb="watch", resource="configmaps", namespace="default", count=2
    )
    for name in ("a", "b", "c"):
        await running.call("POST", _MAPS, {"metadata": {"name": name}})
    async with asyncio.timeout(60):
        assert b'"name":"c"' in await there.content.readline()
        assert b'"name":"a"' in await everywhere.content.readline()


async def test_latency_delays_answers(running: Running) -> None:
    await running.switch("latency", milliseconds=40)
    start = time.monotonic()
    await running.call("GET", _PODS)
    assert time.monotonic() - start >= 0.04


async def test_watches_are_dropped(running: Running) -> None:
    answer = await running.call("GET", _PODS, watch="1")
    dropped = await running.switch("drop-watches")
    assert await dropped.json() == {"dropped": 1}
    with pytest.raises(aiohttp.ClientError):
        await answer.content.read()


async def test_an_unreachable_server_cuts_connections_until_it_is_reset(running: Running) -> None:
    await running.switch("unreachable", seconds=3600)
    with pytest.raises(aiohttp.ClientError):
        await running.call("GET", _PODS)
    await running.switch("reset")
    assert (await running.call("GET", _PODS)).status == 200


async def test_requests_are_counted(running: Running) -> None:
    await running.switch("reset")
    await running.call("POST", _MAPS, {"metadata": {"name": "a"}})
    await running.call("GET", f"{_MAPS}/a")
    await running.call("GET", f"{_MAPS}/a")
    counted = await (await running.call("GET", "/localcluster/requests")).json()
    assert counted == {"create configmaps": 1, "get configmaps": 2}


@pytest.mark.parametrize(("name", "body"), [("fail", {"verb": "get"}), ("latency", {"millis": 3}), ("forbid", {})])
async def test_a_bad_switch_is_explained(running: Running, name: str, body: dict[str, object]) -> None:
    answer = await running.switch(name, **body)
    assert answer.status == 400
    assert f"/localcluster/{name}: Object " in (await answer.json())["message"]


async def test_the_clusters_own_parts_are_spared_and_not_counted(running: Running) -> None:
    await running.switch("fail", verb="list", resource="pods", status=500)
    answer = await running.client.get(_PODS, headers={"Authorization": f"Bearer {INNER_TOKEN}"})
    assert answer.status == 200
    assert running.cluster.faults.requests == {}


async def test_switches_need_the_token(running: Running) -> None:
    answer = await running.client.post("/localcluster/forbid", json={"namespace": "default"})
    assert answer.status == 401
    assert running.cluster.faults.forbidden == set()


async def _statuses(running: Running, path: str, count: int = 1) -> list[int]:
    return [(await running.call("GET", path)).status for _ in range(count)]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (401, "Unauthorized"),
        (409, "Conflict"),
        (410, "Expired"),
        (429, "TooManyRequests"),
        (500, "InternalError"),
        (503, "ServiceUnavailable"),
    ],
)
async def test_a_fault_by_verb_resource_and_namespace(running: Running, code: int, reason: str) -> None:
    await running.switch("fault", verb="list", resource="pods", namespace="default", status=code, retry_after=7)
    answer = await running.call("GET", _PODS)
    body = await answer.json()
    assert (answer.status, body["reason"], body["code"], answer.headers["Retry-After"]) == (code, reason, code, "7")
    others = (_MAPS, f"{_PODS}/none", "/api/v1/namespaces/kube-system/pods", "/api/v1/pods")
    assert [(await _statuses(running, path))[0] for path in others] == [200, 404, 200, 200]


async def test_a_fault_by_chance_is_drawn_from_a_seed(running: Running) -> None:
    async def drawn() -> list[int]:
        await running.switch("reset")
        await running.switch("seed", seed=7)
        await running.switch("fault", resource="pods", probability=0.5, status=503)
        return await _statuses(running, _PODS, 40)

    first = await drawn()
    assert 8 < first.count(503) < 32
    assert await drawn() == first


async def test_a_request_is_dropped_before_its_work(running: Running) -> None:
    await running.switch("fault", effect="drop-request", verb="create", resource="configmaps", count=1)
    with pytest.raises(aiohttp.ClientError):
        await running.call("POST", _MAPS, {"metadata": {"name": "a"}})
    assert await _statuses(running, f"{_MAPS}/a") == [404]


async def test_one_kind_of_request_is_slow(running: Running) -> None:
    await running.switch("fault", effect="latency", verb="list", resource="pods", seconds=3600)
    assert await _statuses(running, _MAPS) == [200]
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await running.call("GET", _PODS)


async def test_watches_of_one_resource_are_cut_after_a_while(running: Running) -> None:
    await running.switch("fault", effect="cut-watch", resource="pods", seconds=0.02)
    maps = await running.call("GET", _MAPS, watch="1", fieldSelector="metadata.name=a")
    with pytest.raises(aiohttp.ClientError):
        await (await running.call("GET", _PODS, watch="1")).content.read()
    await running.call("POST", _MAPS, {"metadata": {"name": "a"}})
    assert b'"ADDED"' in await maps.content.readline()


async def test_watches_of_one_namespace_are_frozen_until_a_reset(running: Running) -> None:
    await running.switch("fault", effect="freeze-watch", namespace="default", seconds=3600)
    query = {"watch": "1", "fieldSelector": "metadata.name=a"}
    frozen = await running.call("GET", _MAPS, **query)
    other = await running.call("GET", "/api/v1/configmaps", **query)
    await running.call("POST", _MAPS, {"metadata": {"name": "a"}})
    assert b'"ADDED"' in await other.content.readline()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await frozen.content.readline()
    await running.switch("reset")
    assert b'"ADDED"' in await frozen.content.readline()


async def test_without_the_option_there_are_no_switches(running: Running) -> None:
    async with TestClient(TestServer(ApiServer(running.cluster).application())) as client:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        answer = await client.post("/localcluster/forbid", json={"namespace": "default"}, headers=headers)
        assert (answer.status, (await answer.json())["reason"]) == (404, "NotFound")
    assert running.cluster.faults.forbidden == set()
