"""The fake behaves as the port says, so that what control's tests see is what a server would do."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from executor import errors
from executor.kube.port import KubePort, PodChanged, PodGone
from executor.observe.pod_view import PodView
from tests.fakes.kube import EPOCH, FakeKube
from tests.fakes.selectors import matches

MANIFEST = {"metadata": {"name": "p", "labels": {"a": "1"}}, "spec": {"containers": [{"name": "base"}]}}


@pytest.fixture
def kube() -> FakeKube:
    return FakeKube()


async def follow(kube: FakeKube, version: str = "1") -> list[tuple[type, PodView]]:
    """Every event up to the first PodGone."""
    seen = []
    async with asyncio.timeout(2), aclosing(kube.watch_pods(None, "a=1", version)) as events:
        async for event in events:
            seen.append((type(event), event.pod))
            if isinstance(event, PodGone):
                break
    return seen


def test_it_is_a_port(kube):
    port: KubePort = kube
    assert port is kube


async def test_create_twice(kube):
    made = await kube.create_pod("ns", MANIFEST)
    with pytest.raises(errors.AlreadyExists):
        await kube.create_pod("ns", MANIFEST)
    found = await kube.read_pod("ns", "p")
    assert (found.metadata.uid, found.status.phase) == (made.uid, "Pending")
    assert found.metadata.creation_timestamp >= EPOCH
    assert "uid" not in MANIFEST["metadata"]


async def test_a_life(kube):
    await kube.create_pod("default", MANIFEST)
    kube.play("p").scheduled().running().finish(3, message="bad")
    pod = kube.pod("p")
    assert pod.status.phase == "Failed"
    assert pod.status.container_statuses[0].state.terminated.exit_code == 3
    assert pod.status.container_statuses[0].state.terminated.message == "bad"
    kube.play("p").vanish()
    kinds = [kind for kind, _ in await follow(kube)]
    assert kinds == [PodChanged] * 5 + [PodGone]  # running() says scheduled once more: events may repeat


async def test_deletion_of_a_running_pod_is_graceful_and_its_last_state_is_seen(kube):
    ref = await kube.create_pod("default", MANIFEST)
    kube.play("p").running()
    assert await kube.delete_pod(ref)
    assert kube.pod("p").metadata.deletion_timestamp is not None
    kind, last = (await follow(kube))[-1]
    assert kind is PodGone
    assert last.status.container_statuses[0].state.terminated.exit_code == 143
    assert await kube.delete_pod(ref) is False


async def test_deletion_of_a_pod_without_node_or_with_another_uid(kube):
    first = await kube.create_pod("default", MANIFEST)
    assert await kube.delete_pod(first)
    second = await kube.create_pod("default", MANIFEST)
    assert await kube.delete_pod(first) is False
    assert kube.pod("p").metadata.uid == second.uid


async def test_deletion_of_a_version_that_is_not_the_last(kube):
    made = await kube.create_pod("default", MANIFEST)
    before = kube.pod("p").metadata.resource_version
    kube.play("p").running()
    with pytest.raises(errors.WriteConflict):
        await kube.delete_pod(made, version=before)
    assert await kube.delete_pod(made, version=kube.pod("p").metadata.resource_version)


async def test_eviction_carries_the_condition(kube):
    await kube.create_pod("default", MANIFEST)
    kube.play("p").running().disrupt()
    assert "DisruptionTarget" in {condition.type for condition in kube.pod("p").status.conditions}
    _, last = (await follow(kube))[-1]
    assert last.metadata.deletion_timestamp is not None


async def test_quota_counts_what_is_not_finished(kube):
    kube.quota["default"] = 1
    await kube.create_pod("default", MANIFEST)
    other = {**MANIFEST, "metadata": {"name": "q"}}
    with pytest.raises(errors.QuotaExceeded):
        await kube.create_pod("default", other)
    kube.play("p").running().finish()
    await kube.create_pod("default", other)


async def test_namespaces_that_are_missing_or_forbidden(kube):
    kube.namespaces = {"default"}
    kube.forbidden = {"secret"}
    with pytest.raises(errors.NotFound) as caught:
        await kube.create_pod("nowhere", MANIFEST)
    assert caught.value.target == "namespaces"
    with pytest.raises(errors.Forbidden):
        await kube.list_pods("secret", "a=1")


async def test_an_answer_that_is_lost(kube):
    kube.lose_answer = lambda call: errors.Unreachable("reset") if call.verb == "create" else None
    with pytest.raises(errors.Unreachable):
        await kube.create_pod("default", MANIFEST)
    assert kube.pod("p").metadata.name == "p"


async def test_old_versions_are_gone(kube):
    await kube.create_pod("default", MANIFEST)
    kube.compact()
    with pytest.raises(errors.Gone):
        await follow(kube)


async def test_a_secret_goes_with_the_last_of_its_owners(kube):
    one = await kube.create_pod("default", MANIFEST)
    two = await kube.create_pod("default", {**MANIFEST, "metadata": {"name": "q"}})
    await kube.create_secret("default", "s", labels={"l": "1"}, data={"k": b"v"})
    await kube.own_secret("default", "s", [one, two])
    await kube.delete_pod(one)
    assert len(await kube.list_secrets(None, "l=1")) == 1
    await kube.delete_pod(two)
    assert await kube.list_secrets(None, "l=1") == []


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("", True), ("a=1", True), ("a==1", True), ("a=2", False), ("a!=2", True), ("b!=2", True), ("a", True),
        ("b", False), ("!b", True), ("!a", False), ("a in (1,2)", True), ("a notin (1, 2)", False),
        ("b notin (1)", True), ("a=1,c=3", False), ("a in (1,2),!b", True),
    ],
)  # fmt: skip
def test_selectors(selector, expected):
    assert matches(selector, {"a": "1"}) is expected
