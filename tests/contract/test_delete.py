"""Deletion: grace, preconditions, collections, owners, namespaces."""

from __future__ import annotations

import asyncio
from datetime import datetime

import pytest

from tests.contract.api import Api, Json, config_map, eventually, pod


async def _gone(api: Api, plural: str, name: str) -> bool:
    return (await api.get(api.path(plural, name))).code == 404


async def test_a_pod_without_a_node_is_gone_at_once(api: Api) -> None:
    await api.created("pods", pod("a"))
    answer = await api.delete(api.path("pods", "a"))
    assert (answer.code, answer.body["kind"]) == (200, "Pod")
    assert await _gone(api, "pods", "a")


async def test_other_kinds_answer_with_a_status(api: Api) -> None:
    made = await api.created("configmaps", config_map("a"))
    answer = await api.delete(api.path("configmaps", "a"))
    assert (answer.code, answer.body["kind"], answer.body["status"]) == (200, "Status", "Success")
    assert answer.body["details"] == {"name": "a", "kind": "configmaps", "uid": made["metadata"]["uid"]}


async def test_a_pod_on_a_node_is_given_its_grace(api: Api) -> None:
    await api.created("pods", pod("a", schedulingGates=None, nodeName=api.namespace))
    answer = await api.delete(api.path("pods", "a"), {"gracePeriodSeconds": 25})
    metadata = answer.body["metadata"]
    assert (answer.code, metadata["deletionGracePeriodSeconds"]) == (200, 25)
    first = metadata["deletionTimestamp"]
    shorter = await api.delete(api.path("pods", "a"), gracePeriodSeconds="5")
    assert shorter.body["metadata"]["deletionGracePeriodSeconds"] == 5
    assert shorter.body["metadata"]["deletionTimestamp"] < first
    longer = await api.delete(api.path("pods", "a"), {"gracePeriodSeconds": 60})
    assert longer.body["metadata"]["deletionGracePeriodSeconds"] == 5
    await api.delete(api.path("pods", "a"), {"gracePeriodSeconds": 0})
    assert await _gone(api, "pods", "a")


async def test_a_finished_pod_needs_no_grace(api: Api) -> None:
    await api.created("pods", pod("a", schedulingGates=None, nodeName=api.namespace))
    await api.patch(api.path("pods", "a") + "/status", "merge", {"status": {"phase": "Succeeded"}})
    await api.delete(api.path("pods", "a"))
    assert await _gone(api, "pods", "a")


@pytest.mark.parametrize(
    ("precondition", "sentence"),
    [
        ({"uid": "other"}, "the UID in the precondition (other) does not match the UID in record"),
        ({"resourceVersion": "1"}, "the ResourceVersion in the precondition (1) does not match the ResourceVersion"),
    ],
)
async def test_a_wrong_precondition_conflicts(api: Api, precondition: Json, sentence: str) -> None:
    await api.created("pods", pod("a"))
    answer = await api.delete(api.path("pods", "a"), {"preconditions": precondition})
    assert (answer.code, answer.body["reason"]) == (409, "Conflict")
    assert answer.message.startswith(f'Operation cannot be fulfilled on Pod "a": {sentence}')
    assert answer.body["details"] == {"name": "a", "kind": "Pod"}
    assert not await _gone(api, "pods", "a")


async def _marks(api: Api, *deletions: Json) -> list[tuple[str, int | None]]:
    """(event, grace) of what a watch sees while pod a is deleted in these ways, one after the other."""
    version = await api.version()
    async with api.watch("pods", resourceVersion=version) as watch:
        for options in deletions:
            await api.delete(api.path("pods", "a"), options)
        seen = [await watch.next()]
        while seen[-1][0] != "DELETED":
            seen.append(await watch.next())
    assert all("deletionTimestamp" in obj["metadata"] for _, obj in seen)
    return [(kind, obj["metadata"].get("deletionGracePeriodSeconds")) for kind, obj in seen]


async def test_the_last_that_is_seen_of_a_pod_says_that_it_was_deleted(api: Api) -> None:
    await api.created("pods", pod("a"))
    assert await _marks(api, {}) == [("MODIFIED", 0), ("DELETED", 0)]
    await api.created("pods", pod("a", schedulingGates=None, nodeName=api.namespace))
    expected = [("MODIFIED", 25), ("MODIFIED", 0), ("DELETED", 0)]
    assert await _marks(api, {"gracePeriodSeconds": 25}, {"gracePeriodSeconds": 0}) == expected


async def test_a_pod_that_has_ended_is_marked_after_its_end(api: Api) -> None:
    await api.created("pods", pod("a", schedulingGates=None, nodeName=api.namespace))
    await api.patch(api.path("pods", "a") + "/status", "merge", {"status": {"phase": "Failed"}})
    assert await _marks(api, {"gracePeriodSeconds": 25}) == [("MODIFIED", 0), ("DELETED", 0)]


async def test_less_than_no_grace_is_a_second(api: Api) -> None:
    made = await api.created(
        "pods", pod("a", schedulingGates=None, nodeName=api.namespace, terminationGracePeriodSeconds=-1)
    )
    assert made["spec"]["terminationGracePeriodSeconds"] == 1
    marked = await api.delete(api.path("pods", "a"), {"gracePeriodSeconds": -5})
    assert marked.body["metadata"]["deletionGracePeriodSeconds"] == 1
    await api.delete(api.path("pods", "a"), {"gracePeriodSeconds": 0})


async def test_a_shorter_grace_counts_from_the_first_request(api: Api) -> None:
    await api.created("pods", pod("a", schedulingGates=None, nodeName=api.namespace))
    first = (await api.delete(api.path("pods", "a"), {"gracePeriodSeconds": 60})).body["metadata"]
    await asyncio.sleep(1.1)
    second = (await api.delete(api.path("pods", "a"), {"gracePeriodSeconds": 50})).body["metadata"]
    ends = [datetime.fromisoformat(metadata["deletionTimestamp"]) for metadata in (first, second)]
    assert (ends[0] - ends[1]).total_seconds() == 10
    await api.delete(api.path("pods", "a"), {"gracePeriodSeconds": 0})


async def test_a_collection_is_deleted_by_selector(api: Api) -> None:
    for name, value in (("a", "x"), ("b", "y")):
        await api.created("configmaps", config_map(name, {"app": value}))
    answer = await api.delete(api.path("configmaps"), labelSelector="app=x")
    assert answer.code == 200
    assert await _gone(api, "configmaps", "a")
    assert not await _gone(api, "configmaps", "b")


async def test_a_finalizer_holds_an_object(api: Api) -> None:
    body = config_map("a")
    body["metadata"]["finalizers"] = ["example.com/hold"]
    await api.created("configmaps", body)
    await api.delete(api.path("configmaps", "a"))
    held = await api.get(api.path("configmaps", "a"))
    assert held.body["metadata"]["deletionTimestamp"]
    await api.patch(api.path("configmaps", "a"), "merge", {"metadata": {"finalizers": None}})
    assert await _gone(api, "configmaps", "a")


def _owned(name: str, *uids: str) -> Json:
    body = config_map(name)
    references = [{"apiVersion": "v1", "kind": "ConfigMap", "name": uid, "uid": uid} for uid in uids]
    body["metadata"]["ownerReferences"] = references
    return body


async def test_the_last_owner_takes_its_dependents_along(api: Api) -> None:
    owners = [(await api.created("configmaps", config_map(name)))["metadata"] for name in ("one", "two")]
    body = _owned("kept", *(owner["uid"] for owner in owners))
    for reference, owner in zip(body["metadata"]["ownerReferences"], owners, strict=True):
        reference["name"] = owner["name"]
    await api.created("configmaps", body)
    await api.delete(api.path("configmaps", "one"))
    await eventually(lambda: _gone(api, "configmaps", "one"))
    assert not await _gone(api, "configmaps", "kept")
    await api.delete(api.path("configmaps", "two"))
    await eventually(lambda: _gone(api, "configmaps", "kept"))


async def test_an_owner_that_never_was(api: Api) -> None:
    await api.created("configmaps", _owned("a", "6a3b9b0e-0000-4000-8000-000000000000"))
    await eventually(lambda: _gone(api, "configmaps", "a"))


async def test_a_namespace_goes_with_its_content(api: Api) -> None:
    name = f"{api.namespace}-2"
    await api.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    await api.call("POST", f"/api/v1/namespaces/{name}/configmaps", config_map("a"))
    answer = await api.delete(f"/api/v1/namespaces/{name}")
    assert answer.body["status"]["phase"] == "Terminating"

    async def gone() -> bool:
        return (await api.get(f"/api/v1/namespaces/{name}")).code == 404

    await eventually(gone)
    assert (await api.get(f"/api/v1/namespaces/{name}/configmaps/a")).code == 404


async def test_an_evicted_pod_is_marked_and_deleted(api: Api) -> None:
    await api.created("pods", pod("a", schedulingGates=None, nodeName=api.namespace))
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "a", "namespace": api.namespace}}
    answer = await api.call("POST", api.path("pods", "a") + "/eviction", body)
    assert answer.code == 201
    left = (await api.get(api.path("pods", "a"))).body
    marks = [c for c in left["status"]["conditions"] if c["type"] == "DisruptionTarget"]
    assert [(c["status"], c["reason"]) for c in marks] == [("True", "EvictionByEvictionAPI")]
    assert left["metadata"]["deletionTimestamp"]
    await api.delete(api.path("pods", "a"), {"gracePeriodSeconds": 0})
