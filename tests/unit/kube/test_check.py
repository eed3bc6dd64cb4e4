"""The permission check asks for exactly what is sent."""

from __future__ import annotations

import pytest
from aiohttp import web

from executor.errors import Throttled
from executor.kube import requests
from executor.kube.check import VERBS, Missing, missing_permissions
from executor.kube.port import PodRef
from tests.unit.kube.conftest import status_body

POD = PodRef("ns", "p", "u")
EVERY_REQUEST = [
    requests.create_pod("ns", {}),
    requests.read_pod("ns", "p"),
    requests.delete_pod(POD, {}, None),
    requests.set_deadline(POD, 1),
    requests.list_pods("ns", "a", 1, ""),
    requests.watch_pods("ns", "a", "1", 1),
    requests.read_log("ns", "p", "base", 1),
    requests.read_log("ns", "p", "base", 1, follow=True),
    requests.list_pod_events(POD),
    requests.create_secret("ns", "s", {}, {}),
    requests.own_secret("ns", "s", []),
    requests.delete_secret("ns", "s"),
    requests.list_secrets("ns", "a", 1, ""),
]
METHODS = {"create": "POST", "get": "GET", "list": "GET", "watch": "GET", "delete": "DELETE", "patch": "PATCH"}


def test_verbs_are_those_of_the_requests():
    sent = {(request.resource, request.verb) for request in EVERY_REQUEST}
    assert sent == {(resource, verb) for resource, verbs in VERBS.items() for verb in verbs}


@pytest.mark.parametrize("request_", EVERY_REQUEST, ids=lambda request: f"{request.verb} {request.resource}")
def test_the_verb_is_the_method_and_the_path_is_the_resource(request_):
    assert request_.method == METHODS[request_.verb]
    assert set(request_.resource.split("/")) <= set(request_.path.split("/"))


def test_bodies_are_not_shown():
    assert "eyJ" not in repr(requests.create_secret("ns", "s", {}, {"k": b'{"token":"eyJx"}'}))


async def test_what_is_denied_is_named(server, api):
    async def answer(request: web.Request) -> web.Response:
        asked = (await request.json())["spec"]["resourceAttributes"]
        denied = asked["resource"] == "secrets" or asked.get("subresource") == "log"
        return web.json_response({"status": {"allowed": not denied}}, status=201)

    server.answer = answer
    missing = await missing_permissions(api, ["ns"])
    assert missing == [
        Missing("get", "pods/log", "ns"),
        *(Missing(verb, "secrets", "ns") for verb in ("create", "patch", "list", "delete")),
    ]
    assert str(missing[0]) == "get pods/log in namespace ns"
    assert "ClusterRole" in str(Missing("list", "pods", None))


async def test_a_server_without_access_reviews(server, api):
    server.says(404, status_body(404, "NotFound", "the server could not find the requested resource"))
    assert await missing_permissions(api, ["ns", None]) == []


async def test_not_being_allowed_to_ask_is_no_finding(server, api):
    server.says(403, status_body(403, "Forbidden", "cannot create selfsubjectaccessreviews"))
    assert await missing_permissions(api, ["ns"]) == []


async def test_a_server_in_trouble_is_an_error(server, api):
    server.says(503, status_body(503, "ServiceUnavailable", "starting"))
    with pytest.raises(Throttled):
        await missing_permissions(api, ["ns"])
