"""Server-side apply: whose a field is, what a dropped one becomes, conflicts, and every kind that charts install."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.contract.api import Answer, Api, Json, config_map, container, pod

_TYPE = "application/apply-patch+yaml"


async def apply(api: Api, body: Json, manager: str = "me", path: str = "", **query: str) -> Answer:
    path = path or api.path(f"{body['kind'].lower()}s", body["metadata"]["name"])
    return await api.call("PATCH", path, body, _TYPE, fieldManager=manager, **query)


async def applied(api: Api, body: Json, manager: str = "me", **query: str) -> Json:
    """Apply and insist that it worked."""
    answer = await apply(api, body, manager, **query)
    assert answer.code in (200, 201), answer.text
    return answer.body


def managers(obj: Json) -> dict[str, Json]:
    """The fields of each manager by its name."""
    return {entry["manager"]: entry["fieldsV1"] for entry in obj["metadata"].get("managedFields") or ()}


def data(**values: str) -> Json:
    """A config map ``c`` without labels."""
    body: Json = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}
    return body | ({"data": values} if values else {})


async def test_the_first_apply_creates_and_owns(api: Api) -> None:
    answer = await apply(api, config_map("c", {"app": "x"}, k="v"))
    assert (answer.code, answer.body["data"]) == (201, {"k": "v"})
    (entry,) = answer.body["metadata"]["managedFields"]
    assert (entry["manager"], entry["operation"], entry["apiVersion"]) == ("me", "Apply", "v1")
    assert entry["fieldsV1"] == {"f:data": {"f:k": {}}, "f:metadata": {"f:labels": {"f:app": {}}}}


async def test_yaml_is_applied(api: Api) -> None:
    body = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata:\n  k: |\n    v\n"
    answer = await api.call("PATCH", api.path("configmaps", "c"), body, _TYPE, fieldManager="me")
    assert (answer.code, answer.body["data"]) == (201, {"k": "v\n"})


async def test_the_same_again_is_no_write(api: Api) -> None:
    first = await applied(api, data(k="v"))
    assert await applied(api, data(k="v")) == first


async def test_what_is_left_out_goes(api: Api) -> None:
    await applied(api, data(a="1", b="2"))
    assert (await applied(api, data(a="1")))["data"] == {"a": "1"}
    left = await applied(api, data())
    assert ("data" in left, managers(left)) == (False, {})


async def test_what_somebody_else_has_too_stays(api: Api) -> None:
    await applied(api, data(a="1", b="2"))
    await applied(api, data(b="2"), "other")
    assert (await applied(api, data()))["data"] == {"b": "2"}


async def test_another_value_is_a_conflict_until_it_is_forced(api: Api) -> None:
    await applied(api, data(a="1", b="2"))
    answer = await apply(api, data(a="9", b="9"), "other")
    assert (answer.code, answer.body["reason"]) == (409, "Conflict")
    assert answer.message == 'Apply failed with 2 conflicts: conflicts with "me":\n- .data.a\n- .data.b'
    assert answer.causes == [("FieldManagerConflict", f".data.{name}", 'conflict with "me"') for name in "ab"]
    forced = await applied(api, data(a="9"), "other", force="true")
    assert managers(forced) == {"me": {"f:data": {"f:b": {}}}, "other": {"f:data": {"f:a": {}}}}


async def test_who_changes_a_field_has_it(api: Api) -> None:
    await applied(api, data(a="1"))
    path = api.path("configmaps", "c")
    changed = await api.patch(path, "merge", {"data": {"a": "7", "z": "1"}}, fieldManager="editor")
    assert managers(changed.body) == {"editor": {"f:data": {"f:a": {}, "f:z": {}}}}
    answer = await apply(api, data(a="1"))
    assert answer.message == 'Apply failed with 1 conflict: conflict with "editor" using v1: .data.a'
    put = await api.call("PUT", path, {**changed.body, "data": {"a": "7"}}, fieldManager="editor")
    assert managers(put.body) == {"editor": {"f:data": {"f:a": {}}}}


async def test_what_was_there_before_has_an_owner_too(api: Api) -> None:
    await api.created("configmaps", config_map("c", k="1"), fieldManager="before-first-apply")
    answer = await apply(api, data(k="2"))
    assert answer.causes == [("FieldManagerConflict", ".data.k", 'conflict with "before-first-apply" using v1')]
    assert (await applied(api, data(new="1")))["data"] == {"k": "1", "new": "1"}


async def test_items_of_keyed_lists_have_owners_of_their_own(api: Api) -> None:
    env = [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]
    body = pod("p", containers=[container(env=env, ports=[{"containerPort": 80}])], nodeSelector={"a": "b"})
    (entry,) = (await applied(api, body))["metadata"]["managedFields"]
    base = entry["fieldsV1"]["f:spec"]["f:containers"]['k:{"name":"base"}']
    assert base["f:env"]['k:{"name":"A"}'] == {".": {}, "f:name": {}, "f:value": {}}
    assert list(base["f:ports"]) == ['k:{"containerPort":80,"protocol":"TCP"}']
    assert entry["fieldsV1"]["f:spec"]["f:nodeSelector"] == {}
    answer = await apply(api, pod("p", containers=[container(image="registry.example/new:2")]), "other")
    assert [field for _, field, _ in answer.causes] == ['.spec.containers[name="base"].image']


async def test_an_item_goes_with_its_defaults(api: Api) -> None:
    path, body = of_kind(api, "Deployment")
    second = container("second", livenessProbe={"exec": {"command": ["true"]}}, env=[{"name": "A", "value": "1"}])
    pods = body["spec"]["template"]["spec"]
    more = {**pods, "containers": [*pods["containers"], second]}
    both = {**body, "spec": {**body["spec"], "template": {**body["spec"]["template"], "spec": more}}}
    made = await apply(api, both, path=f"{path}/x")
    assert [one["name"] for one in made.body["spec"]["template"]["spec"]["containers"]] == ["base", "second"]
    left = (await apply(api, body, path=f"{path}/x")).body["spec"]["template"]["spec"]["containers"]
    assert left == made.body["spec"]["template"]["spec"]["containers"][:1]


async def test_a_status_is_applied_on_its_own_path(api: Api) -> None:
    await applied(api, pod("p"))
    condition = {"type": "example.com/done", "status": "True"}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "status": {"conditions": [condition]}}
    changed = await applied(api, body, "judge", path=f"{api.path('pods', 'p')}/status")
    assert "example.com/done" in {one["type"] for one in changed["status"]["conditions"]}
    written = {entry["manager"]: entry.get("subresource", "") for entry in changed["metadata"]["managedFields"]}
    assert written == {"me": "", "judge": "status"}
    assert changed["spec"]["containers"][0]["name"] == "base"


async def test_a_rehearsal_writes_nothing(api: Api) -> None:
    assert (await apply(api, data(k="v"), dryRun="All")).code == 201
    assert (await api.get(api.path("configmaps", "c"))).code == 404


async def test_an_old_version_conflicts(api: Api) -> None:
    made = await applied(api, data(k="1"))
    await applied(api, data(k="2"))
    body = data(k="3")
    body["metadata"]["resourceVersion"] = made["metadata"]["resourceVersion"]
    answer = await apply(api, body)
    assert (answer.code, "the object has been modified" in answer.message) == (409, True)


_UNTYPED = "failed to create typed patch object (/c; /v1, Kind=ConfigMap): "


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        ({"dota": {}}, 500, f"{_UNTYPED}.dota: field not declared in schema"),
        ({"kind": "Secret"}, 400, "invalid object type: /v1, Kind=Secret"),
        ({"metadata": {"name": "c", "managedFields": [{"manager": "x"}]}}, 400, "metadata.managedFields must be nil"),
        (
            {"metadata": {}},
            400,
            "the name of the object (c based on URL) was undeterminable: name must be provided",
        ),
        (
            {"metadata": {"name": "d"}},
            400,
            "the name of the object (d) does not match the name on the URL (c)",
        ),
    ],
)
async def test_bad_configurations(api: Api, change: Json, code: int, message: str) -> None:
    answer = await apply(api, data(k="v") | change, path=api.path("configmaps", "c"))
    assert (answer.code, answer.message) == (code, message)
    assert (await api.get(api.path("configmaps", "c"))).code == 404


async def test_a_key_given_twice(api: Api) -> None:
    env = [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]
    answer = await apply(api, pod("p", containers=[container(env=env)]))
    place = '.spec.containers[name="base"].env: duplicate entries for key [name="A"]'
    assert (answer.code, answer.message.endswith(place)) == (500, True)


async def test_an_applier_has_a_name(api: Api) -> None:
    answer = await api.call("PATCH", api.path("configmaps", "c"), data(k="v"), _TYPE)
    assert answer.causes == [("FieldValueRequired", "fieldManager", "Required value: is required for apply patch")]


_TEMPLATE: Json = {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [container()]}}
_ENDING: Json = {"spec": {**_TEMPLATE["spec"], "restartPolicy": "Never"}}
_SELECTOR: Json = {"matchLabels": {"app": "x"}}
_RBAC = "rbac.authorization.k8s.io"
KINDS: dict[str, tuple[str, str, Json]] = {
    "Service": ("", "services", {"spec": {"selector": {"app": "x"}, "ports": [{"port": 80}]}}),
    "ServiceAccount": ("", "serviceaccounts", {"automountServiceAccountToken": False}),
    "PersistentVolumeClaim": (
        "",
        "persistentvolumeclaims",
        {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}},
    ),
    "Deployment": ("apps", "deployments", {"spec": {"selector": _SELECTOR, "template": _TEMPLATE}}),
    "StatefulSet": (
        "apps",
        "statefulsets",
        {"spec": {"selector": _SELECTOR, "template": _TEMPLATE, "serviceName": "x"}},
    ),
    "Job": ("batch", "jobs", {"spec": {"template": _ENDING}}),
    "CronJob": (
        "batch",
        "cronjobs",
        {"spec": {"schedule": "*/5 * * * *", "jobTemplate": {"spec": {"template": _ENDING}}}},
    ),
    "Role": (_RBAC, "roles", {"rules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]}),
    "RoleBinding": (
        _RBAC,
        "rolebindings",
        {
            "roleRef": {"apiGroup": _RBAC, "kind": "Role", "name": "x"},
            "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": "x"}],
        },
    ),
    "PodDisruptionBudget": ("policy", "poddisruptionbudgets", {"spec": {"minAvailable": 1, "selector": _SELECTOR}}),
    "NetworkPolicy": (
        "networking.k8s.io",
        "networkpolicies",
        {"spec": {"podSelector": _SELECTOR, "egress": [{"ports": [{"port": 443}]}]}},
    ),
}


def of_kind(api: Api, kind: str, **changes: Any) -> tuple[str, Json]:
    """Path and configuration of an object ``x`` of a kind."""
    group, plural, body = KINDS[kind]
    base = f"/apis/{group}/v1" if group else "/api/v1"
    head = {"apiVersion": f"{group}/v1" if group else "v1", "kind": kind, "metadata": {"name": "x"}}
    return f"{base}/namespaces/{api.namespace}/{plural}", {**head, **json.loads(json.dumps(body)), **changes}


@pytest.mark.parametrize("kind", KINDS)
async def test_every_kind_of_a_chart_is_applied_read_and_deleted(api: Api, kind: str) -> None:
    path, body = of_kind(api, kind)
    first = await apply(api, body, "helm", f"{path}/x")
    assert first.code == 201, first.text
    again = (await apply(api, body, "helm", f"{path}/x")).body
    assert (again.get("spec"), managers(again)["helm"]) == (first.body.get("spec"), managers(first.body)["helm"])
    listed = await api.get(path, labelSelector="")
    assert "x" in [item["metadata"]["name"] for item in listed.body["items"]]
    assert (await api.delete(f"{path}/x")).code == 200


@pytest.mark.parametrize("kind", KINDS)
async def test_no_kind_takes_a_field_that_there_is_not(api: Api, kind: str) -> None:
    path, body = of_kind(api, kind, metadata={"name": "x", "lables": {}})
    answer = await apply(api, body, "helm", f"{path}/x")
    assert (answer.code, answer.message.endswith(".metadata.lables: field not declared in schema")) == (500, True)
    strict = await api.call("POST", path, body, fieldValidation="Strict")
    assert (strict.code, 'unknown field "metadata.lables"' in strict.message) == (400, True)
