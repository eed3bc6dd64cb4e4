"""The executor's own client against the server: every method of the port, and what each refusal becomes."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
import yaml

from executor.errors import (
    AlreadyExists,
    BadRequest,
    Cause,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    QuotaExceeded,
    Unauthorized,
    Unreachable,
    WriteConflict,
)
from executor.kube.check import missing_permissions
from executor.kube.client import KubeApi
from executor.kube.port import Bookmark, PodChanged, PodGone, PodRef, WatchEvent
from executor.kube.settings import KubeSettings
from tests.contract.api import PATIENCE, Api, Json, container, eventually, pod

LABELS = {"app": "x"}
OWN = "app=x"


@pytest.fixture
async def kube(kubeconfig: Path) -> AsyncIterator[KubeApi]:
    """The client as the executor opens it, but with pages of two."""
    opened = await KubeApi.open(KubeSettings(in_cluster=False, config_file=str(kubeconfig), list_page_size=2))
    yield opened
    await opened.close()


def labelled(name: str, **spec: Any) -> Json:
    body = pod(name, **spec)
    body["metadata"]["labels"] = LABELS
    return body


async def running_pod(kube: KubeApi, api: Api, name: str) -> PodRef:
    """A pod that some node has, so that its deletion takes time."""
    return await kube.create_pod(api.namespace, labelled(name, schedulingGates=None, nodeName=api.namespace))


async def test_a_pod_is_created_read_and_deleted(kube: KubeApi, api: Api) -> None:
    made = await kube.create_pod(api.namespace, labelled("a"))
    found = await kube.read_pod(api.namespace, "a")
    assert (made.namespace, made.name, made.uid) == (api.namespace, "a", found.metadata.uid)
    assert (found.metadata.labels, found.status.phase) == (LABELS, "Pending")
    assert await kube.delete_pod(made) is True
    with pytest.raises(NotFound) as caught:
        await kube.read_pod(api.namespace, "a")
    assert (caught.value.target, caught.value.status) == ("pods", 404)
    assert await kube.delete_pod(made) is False


async def test_a_name_taken_already_exists(kube: KubeApi, api: Api) -> None:
    await kube.create_pod(api.namespace, pod("a"))
    with pytest.raises(AlreadyExists):
        await kube.create_pod(api.namespace, pod("a"))


async def test_unknown_fields_are_a_bad_request(kube: KubeApi, api: Api) -> None:
    with pytest.raises(BadRequest) as caught:
        await kube.create_pod(api.namespace, pod("a", containers=[container(imagePullPolcy="Never")]))
    assert 'strict decoding error: unknown field "spec.containers[0].imagePullPolcy"' in caught.value.message


async def test_an_invalid_pod_names_its_causes(kube: KubeApi, api: Api) -> None:
    with pytest.raises(Invalid) as caught:
        await kube.create_pod(api.namespace, pod("a", containers=[{"name": "base"}]))
    assert caught.value.causes == (Cause("spec.containers[0].image", "Required value", "FieldValueRequired"),)


async def test_a_full_quota_is_no_refusal(kube: KubeApi, api: Api) -> None:
    await api.created("resourcequotas", {"metadata": {"name": "q"}, "spec": {"hard": {"pods": "0"}}})
    await eventually(api.is_full)
    with pytest.raises(QuotaExceeded) as caught:
        await kube.create_pod(api.namespace, pod("a"))
    assert caught.value.message.endswith("exceeded quota: q, requested: pods=1, used: pods=0, limited: pods=0")


async def test_a_missing_namespace_is_named(kube: KubeApi) -> None:
    with pytest.raises(NotFound) as caught:
        await kube.create_pod("no-such-namespace", pod("a"))
    assert caught.value.target == "namespaces"


async def test_a_missing_service_account_is_forbidden(kube: KubeApi, api: Api) -> None:
    with pytest.raises(Forbidden, match='serviceaccount "nobody" not found'):
        await kube.create_pod(api.namespace, pod("a", serviceAccountName="nobody"))


async def test_another_pod_of_the_same_name_is_left_alone(kube: KubeApi, api: Api) -> None:
    made = await kube.create_pod(api.namespace, pod("a"))
    earlier = dataclasses.replace(made, uid="6a3b9b0e-0000-4000-8000-000000000000")
    assert await kube.delete_pod(earlier) is False
    with pytest.raises(NotFound):
        await kube.set_deadline(earlier, 5)
    left = (await api.get(api.path("pods", "a"))).body
    assert (left["metadata"]["uid"], "activeDeadlineSeconds" in left["spec"]) == (made.uid, False)


async def test_a_pod_that_has_changed_is_not_deleted_as_it_was(kube: KubeApi, api: Api) -> None:
    made = await kube.create_pod(api.namespace, pod("a"))
    before = await kube.read_pod(api.namespace, "a")
    await kube.set_deadline(made, 5)
    with pytest.raises(WriteConflict):
        await kube.delete_pod(made, version=before.metadata.resource_version)
    now = await kube.read_pod(api.namespace, "a")
    assert await kube.delete_pod(made, version=now.metadata.resource_version) is True
    assert (await api.get(api.path("pods", "a"))).code == 404


async def test_a_pod_is_given_its_grace_and_its_deadline(kube: KubeApi, api: Api) -> None:
    made = await running_pod(kube, api, "a")
    await kube.set_deadline(made, 5)
    assert await kube.delete_pod(made, grace_seconds=25) is True
    left = (await api.get(api.path("pods", "a"))).body
    assert (left["spec"]["activeDeadlineSeconds"], left["metadata"]["deletionGracePeriodSeconds"]) == (5, 25)
    assert await kube.delete_pod(made, grace_seconds=0) is True
    assert (await api.get(api.path("pods", "a"))).code == 404


async def test_a_list_is_read_to_its_last_page(kube: KubeApi, api: Api) -> None:
    await asyncio.gather(*(kube.create_pod(api.namespace, labelled(name)) for name in "abcde"))
    await kube.create_pod(api.namespace, pod("other"))
    listed = await kube.list_pods(api.namespace, OWN)
    assert [one.metadata.name for one in listed.pods] == list("abcde")
    assert int(listed.resource_version) >= max(int(one.metadata.resource_version) for one in listed.pods)
    everywhere = await kube.list_pods(None, OWN)
    assert {one.metadata.name for one in everywhere.pods if one.metadata.namespace == api.namespace} == set("abcde")


async def seen(events: Any, count: int) -> list[WatchEvent]:
    """The next events that are no bookmarks."""
    found: list[WatchEvent] = []
    async with asyncio.timeout(PATIENCE):
        while len(found) < count:
            event = await anext(events)
            if not isinstance(event, Bookmark):
                found.append(event)
    return found


async def test_a_watch_goes_on_where_the_list_ended(kube: KubeApi, api: Api) -> None:
    await kube.create_pod(api.namespace, labelled("before"))
    listed = await kube.list_pods(api.namespace, OWN)
    async with aclosing(kube.watch_pods(api.namespace, OWN, listed.resource_version)) as events:
        made = await running_pod(kube, api, "a")
        await kube.delete_pod(made, grace_seconds=25)
        await kube.delete_pod(made, grace_seconds=0)
        first, *_ = await seen(events, 1)
        assert isinstance(first, PodChanged)
        assert (first.pod.metadata.uid, first.pod.metadata.deletion_timestamp) == (made.uid, None)
        while not isinstance(last := (await seen(events, 1))[0], PodGone):
            assert last.pod.metadata.deletion_timestamp is not None
        assert last.pod.metadata.uid == made.uid


async def test_a_watch_that_is_over_ends(kubeconfig: Path, api: Api) -> None:
    settings = KubeSettings(in_cluster=False, config_file=str(kubeconfig), watch_seconds=1.0)
    brief = await KubeApi.open(settings)
    version = await api.version()
    async with asyncio.timeout(PATIENCE):
        events = [event async for event in brief.watch_pods(api.namespace, OWN, version)]
    assert [event for event in events if not isinstance(event, Bookmark)] == []
    await brief.close()


async def test_a_forgotten_version_is_gone(kube: KubeApi, api: Api, forget: Callable[[], Awaitable[None]]) -> None:
    """The first version of all: a real server remembers pods from its own start on, whatever its etcd forgets."""
    await forget()
    with pytest.raises(Gone):
        await anext(kube.watch_pods(api.namespace, OWN, "1"))


async def test_a_watch_from_the_future_is_cut_for_its_silence(kubeconfig: Path, api: Api) -> None:
    """No server says that a version never was: after a restore from a backup only the silence tells."""
    settings = KubeSettings(in_cluster=False, config_file=str(kubeconfig), watch_idle_seconds=0.5)
    impatient = await KubeApi.open(settings)
    events = impatient.watch_pods(api.namespace, OWN, "999999999999")
    waiting = asyncio.create_task(anext(events))
    await impatient.create_pod(api.namespace, labelled("a"))
    with pytest.raises(Unreachable, match="nothing was heard within the time limit"):
        await waiting
    await impatient.close()


async def test_a_pod_on_no_node_has_an_empty_log(kube: KubeApi, api: Api) -> None:
    await kube.create_pod(api.namespace, pod("a"))
    assert await kube.read_log(api.namespace, "a", container="base", tail_lines=10, limit_bytes=1000) == ""
    with pytest.raises(BadRequest, match="container nonsense is not valid for pod a"):
        await kube.read_log(api.namespace, "a", container="nonsense", tail_lines=10, limit_bytes=1000)


async def test_events_of_one_pod(kube: KubeApi, api: Api) -> None:
    made = await kube.create_pod(api.namespace, pod("a"))
    times = {"first": "2026-01-01T00:00:01Z", "second": "2026-01-01T00:00:02Z"}
    for name in ("second", "first"):
        subject = {"kind": "Pod", "namespace": api.namespace, "name": "a", "uid": made.uid}
        body = {"reason": name, "type": "Warning", "message": f"the {name}", "lastTimestamp": times[name]}
        await api.created("events", {"metadata": {"name": f"a.{name}"}, "involvedObject": subject, **body})
    found = await kube.list_pod_events(made)
    assert [(event.reason, event.message, event.type) for event in found] == [
        ("first", "the first", "Warning"),
        ("second", "the second", "Warning"),
    ]
    assert await kube.list_pod_events(dataclasses.replace(made, uid="other")) == []


async def test_an_immutable_secret_is_owned_by_its_pods(kube: KubeApi, api: Api) -> None:
    await kube.create_secret(api.namespace, "s", labels=LABELS, data={"k": b"v"})
    pods = [await kube.create_pod(api.namespace, pod(name)) for name in "ab"]
    await kube.own_secret(api.namespace, "s", pods)
    (found,) = await kube.list_secrets(api.namespace, OWN)
    assert (found.namespace, found.name, found.created is not None) == (api.namespace, "s", True)
    secret = (await api.get(api.path("secrets", "s"))).body
    assert (secret["data"], secret["immutable"]) == ({"k": "dg=="}, True)
    assert [owner["uid"] for owner in secret["metadata"]["ownerReferences"]] == [one.uid for one in pods]


async def test_a_secret_is_asked_for_by_a_patch_that_changes_nothing(kube: KubeApi, api: Api) -> None:
    await kube.create_secret(api.namespace, "s", labels=LABELS, data={"k": b"v"})
    before = (await api.get(api.path("secrets", "s"))).body["metadata"]["resourceVersion"]
    await kube.own_secret(api.namespace, "s", [])
    assert (await api.get(api.path("secrets", "s"))).body["metadata"]["resourceVersion"] == before
    with pytest.raises(NotFound):
        await kube.own_secret(api.namespace, "no-such", [])


async def test_a_secret_goes_with_the_last_of_its_pods(kube: KubeApi, api: Api) -> None:
    pods = [await kube.create_pod(api.namespace, pod(name)) for name in "ab"]
    await kube.create_secret(api.namespace, "s", labels=LABELS, data={"k": b"v"})
    await kube.own_secret(api.namespace, "s", pods)
    await kube.delete_pod(pods[0])
    await eventually(lambda: _owners(api, 1))
    await kube.delete_pod(pods[1])
    await eventually(lambda: _owners(api, 0))


async def _owners(api: Api, count: int) -> bool:
    """Whether the Secret has so many owners left, or with none is gone. A dead owner's reference may stay as it is."""
    answer = await api.get(api.path("secrets", "s"))
    if answer.code == 404:
        assert count == 0, "the Secret went before the last of its owners"
        return True
    living = {one["metadata"]["uid"] for one in (await api.get(api.path("pods"))).body["items"]}
    owners = {owner["uid"] for owner in answer.body["metadata"]["ownerReferences"]}
    return count > 0 and len(owners & living) == count


async def test_secrets_are_listed_by_pages_and_deleted(kube: KubeApi, api: Api) -> None:
    for name in "abc":
        await kube.create_secret(api.namespace, name, labels=LABELS, data={"k": b"v"})
    with pytest.raises(AlreadyExists):
        await kube.create_secret(api.namespace, "a", labels=LABELS, data={"k": b"v"})
    assert [ref.name for ref in await kube.list_secrets(api.namespace, OWN)] == ["a", "b", "c"]
    await kube.delete_secret(api.namespace, "a")
    await kube.delete_secret(api.namespace, "a")
    assert [ref.name for ref in await kube.list_secrets(api.namespace, OWN)] == ["b", "c"]


async def test_a_list_of_secrets_brings_no_data(api: Api, kube: KubeApi) -> None:
    await kube.create_secret(api.namespace, "s", labels=LABELS, data={"k": b"a-long-secret-value"})
    accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
    url = f"{api.access.url}{api.path('secrets')}"
    async with api.session.get(url, headers={"Accept": accept}) as answer:
        body = await answer.json()
    assert (body["kind"], body["apiVersion"]) == ("PartialObjectMetadataList", "meta.k8s.io/v1")
    (item,) = body["items"]
    assert item["metadata"]["name"] == "s"
    assert item.keys() <= {"metadata", "kind", "apiVersion"}


async def test_nothing_is_missing_for_an_administrator(kube: KubeApi, api: Api) -> None:
    assert await missing_permissions(kube, [api.namespace, None]) == []


@pytest.fixture
def wrong_kubeconfig(kubeconfig: Path, tmp_path: Path) -> Path:
    config = yaml.safe_load(kubeconfig.read_text())
    config["users"][0]["user"] = {"token": "wrong"}
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return path


async def test_a_wrong_token_is_unauthorized(wrong_kubeconfig: Path, api: Api) -> None:
    stranger = await KubeApi.open(KubeSettings(in_cluster=False, config_file=str(wrong_kubeconfig)))
    with pytest.raises(Unauthorized):
        await stranger.list_pods(api.namespace, OWN)
    await stranger.close()
