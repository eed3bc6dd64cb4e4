"""What clients ask first."""

from __future__ import annotations

import aiohttp
import pytest

from tests.contract.api import Api


async def test_a_wrong_token_is_unauthorized(api: Api) -> None:
    headers = {"Authorization": "Bearer wrong"}
    connector = aiohttp.TCPConnector(ssl=api.access.context)
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.get(f"{api.access.url}/api/v1/pods", headers=headers) as answer,
    ):
        body = await answer.json()
    assert (answer.status, body["kind"], body["reason"]) == (401, "Status", "Unauthorized")
    assert body["message"] == "Unauthorized"


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz"])
async def test_health(api: Api, path: str) -> None:
    answer = await api.get(path)
    assert (answer.code, answer.text) == (200, "ok")


async def test_version_has_major_and_minor(api: Api) -> None:
    answer = await api.get("/version")
    assert answer.body["major"] == "1"
    assert answer.body["gitVersion"].startswith("v1.")


async def test_core_resources_are_discovered(api: Api) -> None:
    assert "v1" in (await api.get("/api")).body["versions"]
    found = {resource["name"]: resource for resource in (await api.get("/api/v1")).body["resources"]}
    assert {"pods", "pods/log", "pods/status", "pods/binding", "secrets", "nodes", "events"} <= found.keys()
    assert found["pods"]["namespaced"] is True
    assert found["nodes"]["namespaced"] is False
    assert {"create", "watch", "patch", "deletecollection"} <= set(found["pods"]["verbs"])


async def test_groups_are_discovered(api: Api) -> None:
    groups = {group["name"] for group in (await api.get("/apis")).body["groups"]}
    assert {"rbac.authorization.k8s.io", "authorization.k8s.io"} <= groups
    answer = await api.get("/apis/rbac.authorization.k8s.io/v1")
    assert answer.body["groupVersion"] == "rbac.authorization.k8s.io/v1"


async def test_an_unknown_resource_is_not_found(api: Api) -> None:
    answer = await api.get(api.path("podz"))
    assert answer.code == 404


async def test_a_verb_that_is_not_offered(api: Api) -> None:
    answer = await api.call("POST", api.path("pods", "x"), {})
    assert (answer.code, answer.body["reason"]) == (405, "MethodNotAllowed")


async def test_own_access_is_reviewed(api: Api) -> None:
    attributes = {"namespace": api.namespace, "verb": "create", "resource": "pods"}
    body = {"spec": {"resourceAttributes": attributes}}
    answer = await api.call("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body)
    assert (answer.code, answer.body["status"]["allowed"]) == (201, True)


async def test_a_table_for_kubectl(api: Api) -> None:
    headers = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
    url = f"{api.access.url}{api.path('pods')}"
    async with api.session.get(url, headers=headers) as answer:
        body = await answer.json()
    assert body["kind"] == "Table"
    assert [column["name"] for column in body["columnDefinitions"]][:5] == [
        "Name",
        "Ready",
        "Status",
        "Restarts",
        "Age",
    ]
