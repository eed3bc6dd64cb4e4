"""When the agent looks again at what a pod's volumes hold, and when not."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from executor.localcluster.node.account_tokens import TokenKey, token_keys
from executor.localcluster.node.api import ApiClient, ApiError, Json
from executor.localcluster.node.sources import Reference, fetch
from executor.localcluster.node.volume_refresh import Held, VolumeRefresher
from executor.localcluster.node.waiting import cancel_all

SECRET: Reference = ("Secret", "s")
PATH = "/api/v1/namespaces/ns/secrets/s"
FOR_EVER = float("inf")


class FakeApi(ApiClient):
    """An API server that holds these objects, by path."""

    def __init__(self, **objects: Json) -> None:
        super().__init__("http://nowhere", "", None)
        self.objects = {PATH: objects["secret"]} if "secret" in objects else {}
        self.asked = 0

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> Json:
        self.asked += 1
        if path not in self.objects:
            raise ApiError(404, "NotFound", "not found")
        return self.objects[path]


@dataclass
class Pod:
    """A pod whose volumes are refreshed to hold what `next` says."""

    next: Held
    refreshed: int = field(default=0)

    async def refresh(self) -> Held:
        self.refreshed += 1
        return self.next


def secret(version: str, **more: object) -> Json:
    return {"metadata": {"resourceVersion": version}, **more}


async def rounds(refresher: VolumeRefresher) -> None:
    """A few looks; each takes some turns of the event loop and no time."""
    task = asyncio.create_task(refresher.run())
    for _ in range(30):
        await asyncio.sleep(0)
    await cancel_all(task)


async def test_a_changed_object_refreshes_once() -> None:
    api = FakeApi(secret=secret("2"))
    refresher, pod = VolumeRefresher(api, 0), Pod(Held({SECRET: "2"}, FOR_EVER))
    refresher.watch("u", "ns", Held({SECRET: "1"}, FOR_EVER), pod.refresh)
    await rounds(refresher)
    assert pod.refreshed == 1
    api.objects = {}
    pod.next = Held({SECRET: ""}, FOR_EVER)
    await rounds(refresher)
    assert pod.refreshed == 2, "a deleted object is a change too"


async def test_one_look_serves_all_pods() -> None:
    api = FakeApi(secret=secret("1"))
    refresher, pods = VolumeRefresher(api, 0), [Pod(Held({}, FOR_EVER)) for _ in range(50)]
    for number, pod in enumerate(pods):
        refresher.watch(str(number), "ns", Held({SECRET: "1"}, FOR_EVER), pod.refresh)
    await rounds(refresher)
    assert 0 < api.asked <= 30
    assert not any(pod.refreshed for pod in pods)


async def test_an_old_token_refreshes() -> None:
    refresher, pod = VolumeRefresher(FakeApi(), 0), Pod(Held({}, FOR_EVER))
    refresher.watch("u", "ns", Held({}, float("-inf")), pod.refresh)
    await rounds(refresher)
    assert pod.refreshed == 1


async def test_a_pod_that_has_ended_is_left_alone() -> None:
    refresher, pod = VolumeRefresher(FakeApi(), 0), Pod(Held({}, float("-inf")))
    refresher.watch("u", "ns", Held({}, float("-inf")), pod.refresh)
    refresher.forget("u")
    await rounds(refresher)
    assert pod.refreshed == 0


@pytest.mark.parametrize(("more", "watched"), [({}, {SECRET: "7"}), ({"immutable": True}, {})])
async def test_immutable_objects_are_not_watched(more: Json, watched: dict[Reference, str]) -> None:
    found = await fetch(FakeApi(secret=secret("7", **more)), "ns", [SECRET])
    assert found.versions == watched


def test_tokens_are_asked_for_by_audience_and_life() -> None:
    sources = [
        {"serviceAccountToken": {"path": "a"}},
        {"serviceAccountToken": {"path": "b"}},
        {"serviceAccountToken": {"path": "c", "audience": "vault", "expirationSeconds": 600}},
        {"configMap": {"name": "c"}},
    ]
    assert token_keys([{"projected": {"sources": sources}}, {"emptyDir": {}}]) == {
        TokenKey("", 3600),
        TokenKey("vault", 600),
    }
