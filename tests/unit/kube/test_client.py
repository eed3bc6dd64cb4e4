"""What KubeApi sends and makes of the answers, on a loopback HTTP server. Watching is in test_client_watch."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from datetime import UTC, datetime

import pytest
from aiohttp import web

from executor import errors
from executor.kube.port import PodRef, SecretRef
from tests.unit.kube.conftest import pod_body, status_body

POD = PodRef("ns", "p", "uid-p")
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln"


async def test_create_is_strict_and_gives_the_ref(server, api):
    server.says(201, pod_body("p"))
    manifest = {"metadata": {"name": "p"}, "spec": {"a": None, "b": 0.5}}
    assert await api.create_pod("ns", manifest) == POD
    (seen,) = server.seen
    assert (seen.method, seen.path) == ("POST", "/api/v1/namespaces/ns/pods")
    assert seen.query["fieldValidation"] == "Strict"
    assert seen.body == manifest
    assert seen.headers["User-Agent"].startswith("airflow-pod-executor/")
    assert seen.headers["Authorization"] == "Bearer first-token"


async def test_strict_decoding_error(server, api):
    message = 'Pod in version "v1" cannot be handled as a Pod: strict decoding error: unknown field "spec.contaners"'
    server.says(400, status_body(400, "BadRequest", message))
    with pytest.raises(errors.BadRequest, match=r"spec\.contaners"):
        await api.create_pod("ns", {})


async def test_a_value_that_is_no_json_is_refused_before_it_is_sent(server, api):
    with pytest.raises(errors.BadRequest, match="complex"):
        await api.create_pod("ns", {"metadata": {"annotations": {"point": 1j}}})
    assert server.seen == []


async def test_texts_of_a_library_are_texts(server, api):
    class Marked(str):
        """As libraries make them, to tell their own texts."""

    server.says(201, pod_body("p"))
    await api.create_pod("ns", {"metadata": {"name": Marked("p")}})
    assert server.seen[0].body == {"metadata": {"name": "p"}}


async def test_invalid_has_causes(server, api):
    cause = {"field": "spec.containers[0].name", "message": "Required value", "reason": "FieldValueRequired"}
    server.says(422, status_body(422, "Invalid", "Pod is invalid", kind="Pod", causes=[cause]))
    with pytest.raises(errors.Invalid) as caught:
        await api.create_pod("ns", {})
    assert caught.value.causes[0].field == "spec.containers[0].name"


async def test_a_name_cannot_leave_its_path(server, api):
    server.says(200, pod_body("p"))
    await api.read_pod("n/../s", "p?x")
    assert server.seen[0].path == "/api/v1/namespaces/n/../s/pods/p?x"  # one decoded segment each
    assert server.seen[0].query == {}


async def test_delete_has_the_uid_and_the_users_options(server, open_api):
    api = await open_api(delete_option_kwargs={"grace_period_seconds": 10, "propagation_policy": "Background"})
    server.says(200, pod_body("p"))
    assert await api.delete_pod(POD) is True
    assert await api.delete_pod(POD, grace_seconds=0, version="7") is True
    first, second = (seen.body for seen in server.seen)
    assert first["preconditions"] == {"uid": "uid-p"}
    assert (first["gracePeriodSeconds"], first["propagationPolicy"]) == (10, "Background")
    assert second["gracePeriodSeconds"] == 0
    assert second["preconditions"] == {"uid": "uid-p", "resourceVersion": "7"}


@pytest.mark.parametrize(
    "answer",
    [
        status_body(404, "NotFound", 'pods "p" not found'),
        status_body(409, "Conflict", "Precondition failed: UID in precondition: uid-p, UID in object meta: other"),
        status_body(409, "Conflict", "the UID in the precondition (uid-p) does not match the UID in record (other)."),
    ],
)
async def test_delete_of_what_is_gone_is_false(server, api, answer):
    server.says(answer["code"], answer)
    assert await api.delete_pod(POD) is False


async def test_set_deadline_patches_this_pod_only(server, api):
    server.says(200, pod_body("p"))
    await api.set_deadline(POD, 1)
    (seen,) = server.seen
    assert (seen.method, seen.headers["Content-Type"]) == ("PATCH", "application/merge-patch+json")
    assert seen.body == {"metadata": {"uid": "uid-p"}, "spec": {"activeDeadlineSeconds": 1}}


async def test_list_reads_every_page(server, open_api):
    api = await open_api(list_page_size=2)

    async def pages(request: web.Request) -> web.Response:
        start = int(request.query.get("continue", "0"))
        more = {"continue": str(start + 2)} if start < 4 else {}
        items = [pod_body(f"p{number}") for number in range(start, min(start + 2, 5))]
        return web.json_response({"metadata": {"resourceVersion": "77", **more}, "items": items})

    server.answer = pages
    listed = await api.list_pods(None, "a=1,b!=2")
    assert [pod.metadata.name for pod in listed.pods] == ["p0", "p1", "p2", "p3", "p4"]
    assert listed.resource_version == "77"
    assert [seen.query.get("limit") for seen in server.seen] == ["2", "2", "2"]
    assert {seen.query["labelSelector"] for seen in server.seen} == {"a=1,b!=2"}
    assert {seen.path for seen in server.seen} == {"/api/v1/pods"}


async def test_a_list_whose_continue_token_expired_is_read_in_one_piece(server, open_api):
    api = await open_api(list_page_size=2)

    async def expired(request: web.Request) -> web.Response:
        if "continue" in request.query:
            return web.json_response(status_body(410, "Expired", "continue parameter is too old"), status=410)
        more = {"continue": "x"} if "limit" in request.query else {}
        return web.json_response({"metadata": {"resourceVersion": "5", **more}, "items": [pod_body("p")]})

    server.answer = expired
    assert len((await api.list_pods("ns", "a")).pods) == 1
    assert [sorted(seen.query.keys() & {"limit", "continue"}) for seen in server.seen] == [
        ["limit"], ["continue", "limit"], []
    ]  # fmt: skip


async def test_one_odd_pod_does_not_hide_the_others(server, api, caplog):
    odd, broken = pod_body("odd"), pod_body("broken")
    odd["metadata"]["labels"] = None
    broken["status"]["containerStatuses"] = [{"name": []}]
    server.says(200, {"metadata": {"resourceVersion": "5"}, "items": [odd, broken, pod_body("fine")]})
    with caplog.at_level(logging.WARNING):
        listed = await api.list_pods("ns", "a")
    assert [pod.metadata.name for pod in listed.pods] == ["odd", "fine"]
    assert "containerStatuses" in caplog.text


async def test_an_answer_that_is_no_kubernetes_is_said(server, api):
    async def login_page(request: web.Request) -> web.Response:
        return web.Response(text="<html>please log in</html>", content_type="text/html")

    server.answer = login_page
    with pytest.raises(errors.Unreachable, match=r"get pods at 127\.0\.0\.1:\d+: the answer is not"):
        await api.read_pod("ns", "p")


async def test_secret_out_and_listed_without_data(server, api):
    server.says(201, {"metadata": {"name": "s"}})
    await api.create_secret("ns", "s", labels={"l": "1"}, data={"k": TOKEN.encode()})
    body = server.seen[0].body
    assert (body["immutable"], body["kind"]) == (True, "Secret")
    assert base64.b64decode(body["data"]["k"]).decode() == TOKEN
    items = [
        {"metadata": {"name": "s", "namespace": "ns", "creationTimestamp": "2026-01-02T03:04:05Z"}},
        {"metadata": {"name": "o", "namespace": "ns", "ownerReferences": [{"kind": "Pod", "name": "p"}]}},
    ]
    server.says(200, {"metadata": {}, "items": items})
    assert await api.list_secrets("ns", "l=1") == [
        SecretRef("ns", "s", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        SecretRef("ns", "o", None),
    ]
    assert "PartialObjectMetadataList" in server.seen[-1].headers["Accept"]


async def test_own_secret_and_delete_secret(server, api):
    server.says(200, {})
    await api.own_secret("ns", "s", [POD])
    assert server.seen[0].body == {
        "metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "uid-p"}]}
    }
    server.says(404, status_body(404, "NotFound", "gone"))
    await api.delete_secret("ns", "s")
    with pytest.raises(errors.NotFound):
        await api.own_secret("ns", "s", [POD])


async def test_events_oldest_first(server, api):
    items = [
        {"reason": "New", "message": "m", "type": "Warning", "series": {"count": 4,
         "lastObservedTime": "2026-01-01T00:00:09.5Z"}, "count": None, "lastTimestamp": None},
        {"reason": "Old", "message": "m", "type": "Normal", "count": 2, "lastTimestamp": "2026-01-01T00:00:01Z"},
    ]  # fmt: skip
    server.says(200, {"metadata": {}, "items": items})
    events = await api.list_pod_events(POD)
    assert [(event.reason, event.count) for event in events] == [("Old", 2), ("New", 4)]
    assert server.seen[0].query["fieldSelector"] == "involvedObject.uid=uid-p"
    server.says(403, status_body(403, "Forbidden", "events is forbidden"))
    with pytest.raises(errors.Forbidden, match="events is forbidden"):
        await api.list_pod_events(POD)


async def test_connection_refused_names_host_and_port(server, open_api):
    api = await open_api(client_factory="tests.unit.kube.factories.nobody_listens")
    with pytest.raises(errors.Unreachable, match=r"list pods at 127\.0\.0\.1:1: no connection \(.*refused"):
        await api.list_pods("ns", "a")


@pytest.mark.parametrize("limits", [{"request_timeout": 0.1}, {"kube_client_request_args": {"_request_timeout": 0.1}}])
async def test_a_server_that_hangs_is_a_timeout(server, open_api, limits):
    api = await open_api(**limits)

    async def hang(request: web.Request) -> web.Response:
        await asyncio.sleep(30)
        raise AssertionError

    server.answer = hang
    with pytest.raises(errors.Unreachable, match="time limit"):
        await api.create_pod("ns", {})


async def test_an_answer_that_breaks_off_is_unreachable(server, api):
    async def half(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b'{"metadata":')
        assert request.transport is not None
        request.transport.abort()
        return response

    server.answer = half
    with pytest.raises(errors.Unreachable):
        await api.list_pods("ns", "a")


async def test_nothing_of_a_body_is_logged(server, api, caplog):
    server.says(422, status_body(422, "Invalid", f'Secret "s" is invalid: data: Invalid value: "{TOKEN}"'))
    with caplog.at_level(logging.DEBUG), pytest.raises(errors.Invalid) as caught:
        await api.create_secret("ns", "s", labels={}, data={"k": TOKEN.encode()})
    assert "create /api/v1/namespaces/ns/secrets 422" in caplog.text
    shown = caplog.text + str(caught.value) + repr(caught.value)
    assert "eyJ" not in shown
    assert base64.b64encode(TOKEN.encode()).decode() not in shown
    assert "first-token" not in shown


async def test_a_warning_header_is_said_once(server, api, caplog):
    server.says(201, pod_body("p"), {"Warning": '299 - "spec.containers[0].env[1]: hides previous definition"'})
    with caplog.at_level(logging.WARNING):
        await api.create_pod("ns", {})
        await api.create_pod("ns", {})
    assert caplog.text.count("hides previous definition") == 1


async def test_connections_are_used_again(server, api):
    ports = set()

    async def answer(request: web.Request) -> web.Response:
        assert request.transport is not None
        ports.add(request.transport.get_extra_info("peername")[1])
        return web.Response(body=json.dumps(pod_body("p")), content_type="application/json")

    server.answer = answer
    for _ in range(5):
        await api.read_pod("ns", "p")
    assert len(ports) == 1
