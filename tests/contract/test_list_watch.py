"""Lists and watches: selectors, pages, versions, bookmarks, streaming lists, 410."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.contract.api import Api, config_map, event, pod

_OWN = {"labelSelector": "app"}


async def _three(api: Api) -> None:
    for name, labels in (("a", {"app": "x"}), ("b", {"app": "y", "tier": "1"}), ("c", {"app": "z"})):
        await api.created("configmaps", config_map(name, labels))


async def _names(api: Api, **query: str) -> list[str]:
    answer = await api.get(api.path("configmaps"), **query)
    assert answer.code == 200, answer.text
    return [item["metadata"]["name"] for item in answer.body["items"]]


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("app=x", "a"),
        ("app==x", "a"),
        ("app!=x,app", "bc"),
        ("app in (x, y)", "ab"),
        ("app notin (x,y),app", "c"),
        ("tier", "b"),
        ("!tier,app", "ac"),
        ("app in (x,y),tier=1", "b"),
        ("app=none", ""),
    ],
)
async def test_label_selectors(api: Api, selector: str, names: str) -> None:
    await _three(api)
    assert await _names(api, labelSelector=selector) == list(names)


async def test_field_selectors(api: Api) -> None:
    await _three(api)
    assert await _names(api, fieldSelector="metadata.name=b") == ["b"]
    assert "b" not in await _names(api, fieldSelector="metadata.name!=b")
    await api.created("pods", pod("p"))
    found = await api.get(api.path("pods"), fieldSelector="status.phase=Pending,spec.nodeName=")
    assert [item["metadata"]["name"] for item in found.body["items"]] == ["p"]


async def test_events_are_selected_by_their_subject(api: Api) -> None:
    await api.created("events", event("p.1", api.namespace))
    found = await api.get(api.path("events"), fieldSelector="involvedObject.name=p,involvedObject.uid=u-1")
    assert [item["reason"] for item in found.body["items"]] == ["Because"]
    assert (await api.get(api.path("events"), fieldSelector="involvedObject.name=q")).body["items"] == []


@pytest.mark.parametrize("query", [{"labelSelector": "a in b"}, {"fieldSelector": "spec.nonsense=1"}])
async def test_a_bad_selector_is_a_bad_request(api: Api, query: dict[str, str]) -> None:
    assert (await api.get(api.path("pods"), **query)).code == 400


async def test_pages_are_of_one_version(api: Api) -> None:
    await _three(api)
    first = await api.get(api.path("configmaps"), limit="2", **_OWN)
    assert [item["metadata"]["name"] for item in first.body["items"]] == ["a", "b"]
    await api.created("configmaps", config_map("d", {"app": "late"}))
    rest = await api.get(api.path("configmaps"), limit="2", **_OWN, **{"continue": first.body["metadata"]["continue"]})
    assert [item["metadata"]["name"] for item in rest.body["items"]] == ["c"]
    assert rest.body["metadata"]["resourceVersion"] == first.body["metadata"]["resourceVersion"]
    assert "continue" not in rest.body["metadata"]


async def test_a_list_names_its_kind_and_version(api: Api) -> None:
    answer = await api.get(api.path("pods"))
    assert (answer.body["kind"], answer.body["apiVersion"]) == ("PodList", "v1")
    assert int(answer.body["metadata"]["resourceVersion"]) > 0


async def test_the_items_of_a_list_do_not(api: Api) -> None:
    await api.created("pods", pod("a"))
    (item,) = (await api.get(api.path("pods"))).body["items"]
    assert "kind" not in item
    assert "apiVersion" not in item
    one = (await api.get(api.path("pods", "a"))).body
    assert one == {"kind": "Pod", "apiVersion": "v1", **item}


async def test_a_version_of_the_future_times_out(api: Api) -> None:
    query = {"resourceVersion": "999999999999", "resourceVersionMatch": "NotOlderThan"}
    answer = await api.get(api.path("configmaps"), **query)
    assert (answer.code, answer.body["reason"]) == (504, "Timeout")
    assert "Too large resource version: 999999999999" in answer.message


async def test_a_watch_from_a_version_sends_what_came_after(api: Api) -> None:
    await api.created("configmaps", config_map("before", {"app": "x"}))
    version = await api.version("configmaps")
    await api.created("configmaps", config_map("a", {"app": "x"}))
    async with api.watch("configmaps", resourceVersion=version, **_OWN) as watch:
        assert await watch.names(1) == [("ADDED", "a")]
        await api.patch(api.path("configmaps", "a"), "merge", {"data": {"k": "v"}})
        kind, changed = await watch.next()
        assert (kind, changed["data"]) == ("MODIFIED", {"k": "v"})
        await api.delete(api.path("configmaps", "a"))
        kind, last = await watch.next()
        assert (kind, last["data"]) == ("DELETED", {"k": "v"})
        assert int(last["metadata"]["resourceVersion"]) > int(changed["metadata"]["resourceVersion"])


@pytest.mark.parametrize("query", [{}, {"resourceVersion": "0"}])
async def test_a_watch_without_a_version_starts_with_what_is_there(api: Api, query: dict[str, str]) -> None:
    await _three(api)
    async with api.watch("configmaps", **_OWN, **query) as watch:
        assert sorted(await watch.names(3)) == [("ADDED", "a"), ("ADDED", "b"), ("ADDED", "c")]


async def test_leaving_the_selection_is_a_deletion(api: Api) -> None:
    await api.created("configmaps", config_map("a", {"app": "x"}))
    version = await api.version("configmaps")
    async with api.watch("configmaps", resourceVersion=version, labelSelector="app=x") as watch:
        patched = await api.patch(api.path("configmaps", "a"), "merge", {"metadata": {"labels": {"app": "y"}}})
        kind, last = await watch.next()
        assert (kind, last["metadata"]["labels"]) == ("DELETED", {"app": "x"})
        assert last["metadata"]["resourceVersion"] == patched.body["metadata"]["resourceVersion"]
        await api.patch(api.path("configmaps", "a"), "merge", {"metadata": {"labels": {"app": "x"}}})
        assert await watch.names(1) == [("ADDED", "a")]


async def test_a_streaming_list_ends_with_a_marked_bookmark(api: Api) -> None:
    await _three(api)
    query = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}
    async with api.watch("configmaps", **_OWN, **query) as watch:
        assert sorted(await watch.names(3)) == [("ADDED", "a"), ("ADDED", "b"), ("ADDED", "c")]
        kind, mark = await watch.next()
        assert (kind, mark["kind"]) == ("BOOKMARK", "ConfigMap")
        assert mark["metadata"]["annotations"]["k8s.io/initial-events-end"] == "true"
        assert int(mark["metadata"]["resourceVersion"]) > 0


async def test_a_streaming_list_needs_its_other_options(api: Api) -> None:
    answer = await api.get(api.path("pods"), watch="true", sendInitialEvents="true")
    assert (answer.code, answer.body["reason"]) == (422, "Invalid")
    assert "sendInitialEvents" in answer.message


async def test_a_watch_ends_in_time(api: Api) -> None:
    version = await api.version()
    async with api.watch("pods", resourceVersion=version, timeoutSeconds="1") as watch:
        events = await watch.rest()
    assert [kind for kind, _ in events if kind != "BOOKMARK"] == []


async def test_a_forgotten_version_is_expired(api: Api, forget: Callable[[], Awaitable[None]]) -> None:
    old = await api.version("events")
    await api.created("events", event("e", api.namespace))
    await forget()
    async with api.watch("events", resourceVersion=old) as watch:
        kind, status = await watch.next()
    assert (kind, status["kind"], status["code"], status["reason"]) == ("ERROR", "Status", 410, "Expired")
    assert "too old" in status["message"]


async def test_a_forgotten_page_is_expired(api: Api, forget: Callable[[], Awaitable[None]]) -> None:
    for name in ("a", "b"):
        await api.created("events", event(name, api.namespace))
    token = (await api.get(api.path("events"), limit="1")).body["metadata"]["continue"]
    await forget()
    answer = await api.get(api.path("events"), **{"continue": token})
    assert (answer.code, answer.body["reason"]) == (410, "Expired")
    assert "The provided continue parameter is too old to display a consistent list result" in answer.message


async def test_a_forgotten_version_is_not_listed(api: Api, forget: Callable[[], Awaitable[None]]) -> None:
    await api.created("events", event("a", api.namespace))
    old = await api.version("events")
    await forget()
    answer = await api.get(api.path("events"), resourceVersion=old, resourceVersionMatch="Exact")
    assert (answer.code, answer.body["reason"]) == (410, "Expired")
    assert answer.message == "The resourceVersion for the provided list is too old."


_METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"


async def _ask(api: Api, method: str, path: str, **options: Any) -> dict[str, Any]:
    headers = {"Accept": _METADATA_ONLY}
    async with api.session.request(method, f"{api.access.url}{path}", headers=headers, **options) as answer:
        body: dict[str, Any] = await answer.json()
    assert answer.status < 300, body
    return body


async def test_metadata_alone_is_answered_to_reads_and_writes(api: Api) -> None:
    made = await _ask(api, "POST", api.path("pods"), json=pod("a"))
    read = await _ask(api, "GET", api.path("pods", "a"))
    for body in (made, read):
        assert (body["kind"], body["apiVersion"]) == ("PartialObjectMetadata", "meta.k8s.io/v1")
        assert (body["metadata"]["name"], body.keys()) == ("a", {"kind", "apiVersion", "metadata"})
    version = made["metadata"]["resourceVersion"]
    assert (await _ask(api, "DELETE", api.path("pods", "a")))["kind"] == "PartialObjectMetadata"
    params = {"watch": "true", "resourceVersion": version, "timeoutSeconds": "60"}
    url = f"{api.access.url}{api.path('pods')}"
    async with api.session.get(url, params=params, headers={"Accept": _METADATA_ONLY}) as answer:
        event = json.loads(await answer.content.readline())
    assert (event["object"]["kind"], "spec" in event["object"]) == ("PartialObjectMetadata", False)


async def test_a_status_is_answered_whole_where_metadata_is_asked_for(api: Api) -> None:
    await api.created("configmaps", config_map("a"))
    body = await _ask(api, "DELETE", api.path("configmaps", "a"))
    assert (body["kind"], body["status"]) == ("Status", "Success")
