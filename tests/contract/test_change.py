"""Updates, patches and status."""

from __future__ import annotations

import pytest

from tests.contract.api import Api, config_map, container, pod


async def test_an_update_with_an_old_version_conflicts(api: Api) -> None:
    made = await api.created("configmaps", config_map("a", k="1"))
    path = api.path("configmaps", "a")
    changed = {**made, "data": {"k": "2"}}
    assert (await api.call("PUT", path, changed)).code == 200
    answer = await api.call("PUT", path, {**made, "data": {"k": "3"}})
    assert (answer.code, answer.body["reason"]) == (409, "Conflict")
    assert answer.message == (
        'Operation cannot be fulfilled on configmaps "a": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    assert (await api.get(path)).body["data"] == {"k": "2"}


async def test_an_update_without_change_is_no_write(api: Api) -> None:
    made = await api.created("configmaps", config_map("a", k="1"))
    answer = await api.call("PUT", api.path("configmaps", "a"), made)
    assert answer.body["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


async def test_a_merge_patch_sets_and_deletes(api: Api) -> None:
    await api.created("configmaps", config_map("a", keep="1", gone="1"))
    answer = await api.patch(api.path("configmaps", "a"), "merge", {"data": {"gone": None, "new": "2"}})
    assert (answer.code, answer.body["data"]) == (200, {"keep": "1", "new": "2"})


async def test_a_merge_patch_with_an_old_version_conflicts(api: Api) -> None:
    made = await api.created("configmaps", config_map("a", k="1"))
    path = api.path("configmaps", "a")
    await api.patch(path, "merge", {"data": {"k": "2"}})
    stale = {"metadata": {"resourceVersion": made["metadata"]["resourceVersion"]}, "data": {"k": "3"}}
    assert (await api.patch(path, "merge", stale)).code == 409


@pytest.mark.parametrize("subresource", ["", "/status"])
async def test_a_patch_for_another_uid_is_invalid(api: Api, subresource: str) -> None:
    await api.created("pods", pod("a"))
    patch = {"metadata": {"uid": "6a3b9b0e-0000-4000-8000-000000000000"}, "status": {"phase": "Failed"}}
    answer = await api.patch(api.path("pods", "a") + subresource, "merge", patch)
    assert (answer.code, answer.causes[0][:2]) == (422, ("FieldValueInvalid", "metadata.uid"))
    assert (await api.get(api.path("pods", "a"))).body["status"]["phase"] == "Pending"


async def test_an_update_for_another_uid_conflicts(api: Api) -> None:
    made = await api.created("pods", pod("a"))
    made["metadata"]["uid"] = "6a3b9b0e-0000-4000-8000-000000000000"
    answer = await api.call("PUT", api.path("pods", "a"), made)
    assert (answer.code, answer.body["reason"]) == (409, "Conflict")
    assert "Precondition failed: UID in precondition: 6a3b9b0e" in answer.message


async def test_a_json_patch_applies_all_or_nothing(api: Api) -> None:
    await api.created("configmaps", config_map("a", k="1"))
    path = api.path("configmaps", "a")
    add, test = {"op": "add", "path": "/data/n", "value": "2"}, {"op": "test", "path": "/data/k", "value": "9"}
    assert (await api.patch(path, "json", [add, test])).code == 422
    assert (await api.get(path)).body["data"] == {"k": "1"}
    answer = await api.patch(path, "json", [add, {"op": "remove", "path": "/data/k"}])
    assert (answer.code, answer.body["data"]) == (200, {"n": "2"})


async def test_a_strategic_patch_merges_containers_by_name(api: Api) -> None:
    await api.created("pods", pod("a", containers=[container("one"), container("two")]))
    patch = {"spec": {"containers": [{"name": "two", "image": "registry.example/new:2"}]}}
    answer = await api.patch(api.path("pods", "a"), "strategic", patch)
    images = {c["name"]: c["image"] for c in answer.body["spec"]["containers"]}
    assert images == {"one": "registry.example/none:1", "two": "registry.example/new:2"}


async def test_status_conditions_merge_by_type(api: Api) -> None:
    await api.created("pods", pod("a"))
    path = api.path("pods", "a") + "/status"
    for kind in ("First", "Second"):
        answer = await api.patch(
            path, "strategic", {"status": {"conditions": [{"type": f"example.com/{kind}", "status": "True"}]}}
        )
        assert answer.code == 200, answer.text
    types = {condition["type"] for condition in answer.body["status"]["conditions"]}
    assert {"example.com/First", "example.com/Second"} <= types


async def test_the_main_path_leaves_status_alone(api: Api) -> None:
    await api.created("pods", pod("a"))
    answer = await api.patch(api.path("pods", "a"), "merge", {"status": {"phase": "Failed"}})
    assert (answer.code, answer.body["status"]["phase"]) == (200, "Pending")


async def test_the_status_path_leaves_the_spec_alone(api: Api) -> None:
    await api.created("pods", pod("a"))
    patch = {"spec": {"containers": [{"name": "base", "image": "other"}]}, "status": {"phase": "Failed"}}
    answer = await api.patch(api.path("pods", "a") + "/status", "strategic", patch)
    assert answer.body["status"]["phase"] == "Failed"
    assert answer.body["spec"]["containers"][0]["image"] == "registry.example/none:1"


async def test_most_of_a_pods_spec_is_fixed(api: Api) -> None:
    await api.created("pods", pod("a"))
    patch = {"spec": {"containers": [{"name": "base", "command": ["other"]}]}}
    answer = await api.patch(api.path("pods", "a"), "strategic", patch)
    assert (answer.code, answer.causes[0][:2]) == (422, ("FieldValueForbidden", "spec"))
    assert "pod updates may not change fields other than `spec.containers[*].image`" in answer.message


async def test_gates_are_removed_but_not_added(api: Api) -> None:
    await api.created("pods", pod("a", nodeSelector={"no": "such-node"}))
    path = api.path("pods", "a")
    more = {"spec": {"schedulingGates": [{"name": "example.com/contract"}, {"name": "example.com/more"}]}}
    assert (await api.patch(path, "merge", more)).code == 422
    answer = await api.patch(path, "merge", {"spec": {"schedulingGates": None}})
    assert (answer.code, answer.body["spec"].get("schedulingGates")) == (200, None)


async def test_a_pod_may_be_stopped_by_a_deadline(api: Api) -> None:
    await api.created("pods", pod("a"))
    answer = await api.patch(api.path("pods", "a"), "merge", {"spec": {"activeDeadlineSeconds": 60}})
    assert (answer.code, answer.body["spec"]["activeDeadlineSeconds"]) == (200, 60)


async def test_an_immutable_secret_keeps_its_data_but_takes_owners(api: Api) -> None:
    owner = await api.created("pods", pod("a"))
    await api.created("secrets", {"metadata": {"name": "s"}, "immutable": True, "stringData": {"k": "v"}})
    path = api.path("secrets", "s")
    refused = await api.patch(path, "merge", {"data": {"k": "eA=="}})
    assert (refused.code, refused.causes) == (
        422,
        [("FieldValueForbidden", "data", "Forbidden: field is immutable when `immutable` is set")],
    )
    reference = {"apiVersion": "v1", "kind": "Pod", "name": "a", "uid": owner["metadata"]["uid"]}
    answer = await api.patch(path, "merge", {"metadata": {"ownerReferences": [reference]}})
    assert (answer.code, answer.body["metadata"]["ownerReferences"]) == (200, [reference])


async def test_binding_assigns_a_node_once(api: Api) -> None:
    await api.created("pods", pod("a", schedulingGates=None, schedulerName="nobody"))
    binding = {"metadata": {"name": "a"}, "target": {"kind": "Node", "name": "no-such-node"}}
    path = api.path("pods", "a") + "/binding"
    assert (await api.call("POST", path, binding)).code == 201
    assert (await api.get(api.path("pods", "a"))).body["spec"]["nodeName"] == "no-such-node"
    assert (await api.call("POST", path, binding)).code == 409


async def test_a_patch_with_an_unknown_field_is_invalid(api: Api) -> None:
    await api.created("configmaps", config_map("a"))
    path = api.path("configmaps", "a")
    for kind in ("merge", "strategic"):
        answer = await api.patch(path, kind, {"dota": {}}, fieldValidation="Strict")
        assert (answer.code, answer.body["reason"]) == (422, "Invalid")
        assert answer.causes[0][:2] == ("FieldValueInvalid", "patch")
        assert answer.message.endswith('unknown field "dota"')


@pytest.mark.parametrize("content_type", ["text/plain", "application/unknown+json"])
async def test_an_unknown_patch_type(api: Api, content_type: str) -> None:
    await api.created("configmaps", config_map("a"))
    answer = await api.call("PATCH", api.path("configmaps", "a"), {}, content_type)
    assert answer.code == 415
