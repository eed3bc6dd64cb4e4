"""How requests and answers are written: options, YAML, forms that are asked for, columns."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.contract.api import Api, Json, config_map, pod

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"propagationPolicy": "x"},
            'propagationPolicy: Unsupported value: "x": supported values: "Foreground", "Background", "Orphan", "nil"',
        ),
        (
            {"propagationPolicy": "Orphan", "orphanDependents": True},
            'propagationPolicy: Invalid value: "Orphan": orphanDependents and deletionPropagation cannot be both set',
        ),
        ({"dryRun": ["x"]}, 'dryRun: Unsupported value: ["x"]: supported values: "All"'),
    ],
)
async def test_options_of_a_deletion_are_checked(api: Api, options: Json, sentence: str) -> None:
    await api.created("configmaps", config_map("a"))
    answer = await api.delete(api.path("configmaps", "a"), options)
    assert (answer.code, answer.message) == (422, f'DeleteOptions.meta.k8s.io "" is invalid: {sentence}')
    assert (await api.get(api.path("configmaps", "a"))).code == 200


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"gracePeriodSeconds": "x"},
            "json: cannot unmarshal string into Go struct field DeleteOptions.gracePeriodSeconds of type int64",
        ),
        (
            {"preconditions": 3},
            "json: cannot unmarshal number into Go struct field DeleteOptions.preconditions of type v1.Preconditions",
        ),
        ({"kind": "Foo", "apiVersion": "v1"}, 'no kind "Foo" is registered for version "v1"'),
    ],
)
async def test_options_that_cannot_be_read(api: Api, options: Json, sentence: str) -> None:
    await api.created("configmaps", config_map("a"))
    answer = await api.delete(api.path("configmaps", "a"), options)
    assert (answer.code, answer.body["reason"], sentence in answer.message) == (400, "BadRequest", True)


@pytest.mark.parametrize(
    ("query", "code"), [({"propagationPolicy": "x"}, 422), ({"dryRun": "x"}, 422), ({"gracePeriodSeconds": "x"}, 400)]
)
async def test_options_in_the_query_are_checked_too(api: Api, query: dict[str, str], code: int) -> None:
    await api.created("configmaps", config_map("a"))
    assert (await api.delete(api.path("configmaps", "a"), **query)).code == code


async def test_a_deletion_is_rehearsed(api: Api) -> None:
    await api.created("configmaps", config_map("a"))
    body = {"kind": "DeleteOptions", "apiVersion": "v1", "dryRun": ["All"]}
    assert (await api.delete(api.path("configmaps", "a"), body)).code == 200
    assert (await api.get(api.path("configmaps", "a"))).code == 200


@pytest.mark.parametrize(
    ("method", "kind", "query", "sentence"),
    [
        ("POST", "Create", {"dryRun": "x"}, 'dryRun: Unsupported value: ["x"]: supported values: "All"'),
        ("PUT", "Update", {"dryRun": "x"}, 'dryRun: Unsupported value: ["x"]: supported values: "All"'),
        ("PATCH", "Patch", {"dryRun": "x"}, 'dryRun: Unsupported value: ["x"]: supported values: "All"'),
        ("POST", "Create", {"fieldManager": "x" * 129}, "fieldManager: Too long: may not be more than 128 bytes"),
        ("PATCH", "Patch", {"force": "true"}, "force: Forbidden: may not be specified for non-apply patch"),
    ],
)
async def test_options_of_a_write_are_checked(
    api: Api, method: str, kind: str, query: dict[str, str], sentence: str
) -> None:
    await api.created("configmaps", config_map("a"))
    path = api.path("configmaps") if method == "POST" else api.path("configmaps", "a")
    content = "application/merge-patch+json" if method == "PATCH" else ""
    answer = await api.call(method, path, config_map("a"), content, **query)
    assert (answer.code, answer.message) == (422, f'{kind}Options.meta.k8s.io "" is invalid: {sentence}')


async def from_yaml(api: Api, text: str, **query: str) -> Any:
    return await api.call("POST", api.path("configmaps"), text.encode(), "application/yaml", **query)


async def test_a_body_may_be_yaml(api: Api) -> None:
    answer = await from_yaml(api, "metadata:\n  name: a\n  # a comment\ndata:\n  when: 2026-01-01T00:00:00Z\n")
    assert (answer.code, answer.body["data"]) == (201, {"when": "2026-01-01T00:00:00Z"})


TWICE = "metadata:\n  name: a\ndata:\n  a: b\n  a: c\n"


async def test_a_key_given_twice_in_yaml(api: Api) -> None:
    strict = await from_yaml(api, TWICE, fieldValidation="Strict")
    what = 'strict decoding error: yaml: unmarshal errors:\n  line 5: key "a" already set in map'
    assert (strict.code, strict.message) == (
        400,
        f'ConfigMap in version "v1" cannot be handled as a ConfigMap: {what}',
    )
    warned = await from_yaml(api, TWICE, fieldValidation="Warn")
    assert (warned.code, warned.body["data"]) == (201, {"a": "c"})
    assert warned.headers["Warning"] == '299 - "line 5: key \\"a\\" already set in map"'


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("metadata:\n  name: y\n", "json: cannot unmarshal bool into Go struct field ObjectMeta.metadata.name"),
        ("metadata:\n  name: a\ndata:\n  a: 1\n", "json: cannot unmarshal number into Go struct field ConfigMap.data"),
        ("- a\n", "the object provided is unrecognized (must be of type ConfigMap): couldn't get version/kind; json"),
        ("metadata: [\n", "the object provided is unrecognized (must be of type ConfigMap): yaml: "),
    ],
)
async def test_bad_yaml(api: Api, text: str, sentence: str) -> None:
    answer = await from_yaml(api, text)
    assert (answer.code, sentence in answer.message) == (400, True), answer.message


async def test_what_could_not_be_read_is_shown(api: Api) -> None:
    answer = await api.call("POST", api.path("configmaps"), b"[1]")
    assert answer.message.startswith("the object provided is unrecognized (must be of type ConfigMap): ")
    assert answer.message.endswith(" (5b315d)")


async def test_another_form_is_not_understood(api: Api) -> None:
    answer = await api.call("POST", api.path("configmaps"), b"a: b", "text/plain")
    assert (answer.code, answer.body["reason"]) == (415, "UnsupportedMediaType")
    assert "application/json, application/yaml" in answer.message


async def ask(api: Api, path: str, accept: str) -> tuple[int, str, str]:
    async with api.session.get(f"{api.access.url}{path}", headers={"Accept": accept}) as answer:
        return answer.status, answer.content_type, await answer.text()


async def test_an_answer_may_be_yaml(api: Api) -> None:
    await api.created("configmaps", config_map("a", x="1"))
    code, kind, text = await ask(api, api.path("configmaps", "a"), "application/yaml")
    assert (code, kind, yaml.safe_load(text)["data"]) == (200, "application/yaml", {"x": "1"})
    code, kind, text = await ask(api, api.path("configmaps", "b"), "application/yaml")
    assert (code, kind, yaml.safe_load(text)["reason"]) == (404, "application/yaml", "NotFound")


async def test_who_takes_neither_gets_nothing(api: Api) -> None:
    code, kind, text = await ask(api, api.path("configmaps"), "text/html")
    assert (code, kind, "406: Not Acceptable" in text) == (406, "application/json", True)


async def table(api: Api, path: str) -> tuple[list[str], list[list[Any]]]:
    """(titles, those of ``-o wide`` with a dash; cells) of a table."""
    async with api.session.get(f"{api.access.url}{path}", headers={"Accept": TABLE}) as answer:
        body = await answer.json()
    titles = ["-" * one["priority"] + one["name"] for one in body["columnDefinitions"]]
    return titles, [row["cells"] for row in body["rows"] or ()]


RBAC = "/apis/rbac.authorization.k8s.io/v1"
BUDGETS = "/apis/policy/v1/namespaces/{}/poddisruptionbudgets"


def core(plural: str) -> str:
    return f"/api/v1/namespaces/{{}}/{plural}"


@pytest.mark.parametrize(
    ("path", "body", "titles", "cells"),
    [
        (core("secrets"), {"data": {"a": "eA=="}}, "Name Type Data Age", ["x", "Opaque", 1]),
        (core("configmaps"), {"data": {"a": "b"}}, "Name Data Age", ["x", 1]),
        (core("serviceaccounts"), {}, "Name Age", ["x"]),
        (core("limitranges"), {"spec": {"limits": []}}, "Name Created_At", ["x"]),
        (core("resourcequotas"), {"spec": {"hard": {}}}, "Name Request Limit Age", ["x", "", ""]),
        (
            core("persistentvolumeclaims"),
            {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}},
            "Name Status Volume Capacity Access_Modes StorageClass VolumeAttributesClass Age -VolumeMode",
            ["x", "Pending", "", "", "", "", "<unset>"],
        ),
        (
            f"{RBAC}/namespaces/{{}}/rolebindings",
            {
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
                "subjects": [{"kind": "ServiceAccount", "name": "sa", "namespace": "ns"}],
            },
            "Name Role Age -Users -Groups -ServiceAccounts",
            ["x", "ClusterRole/view"],
        ),
        (
            BUDGETS,
            {"spec": {"minAvailable": 1}},
            "Name Min_Available Max_Unavailable Allowed_Disruptions Age",
            ["x", "1", "N/A", 0],
        ),
        (
            "/apis/coordination.k8s.io/v1/namespaces/{}/leases",
            {"spec": {"holderIdentity": "me"}},
            "Name Holder Age",
            ["x", "me"],
        ),
        (
            core("events"),
            {"involvedObject": {"kind": "Pod", "name": "a"}, "reason": "R", "message": "m", "type": "Normal"},
            "Last_Seen Type Reason Object -Subobject -Source Message -First_Seen -Count -Name",
            ["<unknown>", "Normal", "R", "pod/a", "", "", "m", "<unknown>", 1, "x"],
        ),
    ],
)
async def test_columns(api: Api, path: str, body: Json, titles: str, cells: list[Any]) -> None:
    path = path.format(api.namespace)
    if "involvedObject" in body:
        body = {**body, "involvedObject": {**body["involvedObject"], "namespace": api.namespace}}
    made = await api.call("POST", path, {"metadata": {"name": "x"}, **body})
    assert made.code == 201, made.text
    found, rows = await table(api, f"{path}/x")
    assert [title.replace(" ", "_") for title in found] == titles.split()
    assert rows[0][: len(cells)] == cells


async def test_columns_of_pods(api: Api) -> None:
    await api.created("pods", pod("a", initContainers=[{"name": "side", "image": "x", "restartPolicy": "Always"}]))
    titles, rows = await table(api, api.path("pods"))
    assert titles == [
        *("Name", "Ready", "Status", "Restarts", "Age"),
        *("-IP", "-Node", "-Nominated Node", "-Readiness Gates"),
    ]
    assert rows[0][:4] == ["a", "0/2", "SchedulingGated", "0"]
    assert rows[0][5:] == ["<none>"] * 4


async def test_empty_maps_are_left_out(api: Api) -> None:
    body = config_map("a")
    body["metadata"]["labels"] = {}
    made = await api.created("configmaps", body | {"data": {}})
    assert ("data" in made, "labels" in made["metadata"]) == (False, False)
