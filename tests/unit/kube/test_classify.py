"""Every answer of an API server lands in the right place of the error tree. No network here."""

from __future__ import annotations

import json
import socket
import ssl

import aiohttp
import pytest

from executor import errors
from executor.kube import classify
from tests.unit.kube.conftest import status_body

WHERE = "create pods at 10.0.0.1:6443"
QUOTA = 'pods "p" is forbidden: exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2'


@pytest.mark.parametrize(
    ("code", "reason", "message", "details", "kind"),
    [
        (400, "BadRequest", 'strict decoding error: unknown field "spec.x"', {}, errors.BadRequest),
        (401, "Unauthorized", "Unauthorized", {}, errors.Unauthorized),
        (403, "Forbidden", 'pods is forbidden: User "u" cannot create resource "pods"', {}, errors.Forbidden),
        (403, "Forbidden", QUOTA, {}, errors.QuotaExceeded),
        (403, "Forbidden", "unable to create new content in namespace n because it is being terminated", {},
         errors.Forbidden),
        (404, "NotFound", 'namespaces "n" not found', {"kind": "namespaces"}, errors.NotFound),
        (405, "MethodNotAllowed", "the server does not allow this method", {}, errors.Refused),
        (409, "AlreadyExists", 'pods "p" already exists', {}, errors.AlreadyExists),
        (409, "Conflict", "the object has been modified; please apply your changes", {}, errors.WriteConflict),
        (409, "Conflict", "Precondition failed: UID in precondition: a, UID in object meta: b", {}, errors.NotFound),
        (409, "Conflict", "the UID in the precondition (a) does not match the UID in record (b). The object might have "
         "been deleted and then recreated", {}, errors.NotFound),
        (410, "Expired", "too old resource version: 1 (5)", {}, errors.Gone),
        (413, "RequestEntityTooLarge", "limit is 3145728", {}, errors.Refused),
        (422, "Invalid", 'Pod "p" is invalid', {}, errors.Invalid),
        (422, "Invalid", 'Pod "p" is invalid: metadata.uid: Invalid value: "a": field is immutable',
         {"causes": [{"reason": "FieldValueInvalid", "field": "metadata.uid"}]}, errors.NotFound),
        (429, "TooManyRequests", "please try again later", {}, errors.Throttled),
        (500, "InternalError", 'failed calling webhook "w"', {}, errors.Throttled),
        (503, "ServiceUnavailable", "apiserver is shutting down", {}, errors.Throttled),
        (504, "Timeout", "request did not complete within 60s", {}, errors.Throttled),
        (504, "Timeout", "Timeout: Too large resource version: 9, current: 3",
         {"causes": [{"reason": "ResourceVersionTooLarge"}]}, errors.Gone),
    ],
)  # fmt: skip
def test_a_status_object_becomes_its_kind(code, reason, message, details, kind):
    body = json.dumps(status_body(code, reason, message, **details)).encode()
    error = classify.from_response(code, body, {}, WHERE)
    assert type(error) is kind
    assert (error.status, error.reason, error.message) == (code, reason, message)
    assert error.target == details.get("kind", "")


@pytest.mark.parametrize(
    ("status", "kind"),
    [(302, errors.Refused), (400, errors.BadRequest), (401, errors.Unauthorized), (403, errors.Forbidden),
     (404, errors.NotFound), (418, errors.Refused), (502, errors.Throttled), (504, errors.Throttled)],
)  # fmt: skip
def test_an_answer_that_is_no_status_is_not_quoted(status, kind):
    error = classify.from_response(status, b"<html>secret stuff</html>", {}, WHERE)
    assert type(error) is kind
    assert WHERE in error.message
    assert "proxy" in error.message
    assert "secret" not in str(error)


def test_causes_are_kept():
    causes = [{"field": "spec.containers[0].image", "message": "Required value", "reason": "FieldValueRequired"}]
    body = json.dumps(status_body(422, "Invalid", "Pod is invalid", causes=causes)).encode()
    error = classify.from_response(422, body, {}, WHERE)
    assert error.causes == (errors.Cause("spec.containers[0].image", "Required value", "FieldValueRequired"),)


@pytest.mark.parametrize(
    ("headers", "details", "seconds"),
    [
        ({"Retry-After": "7"}, {}, 7.0),
        ({}, {"retryAfterSeconds": 3}, 3.0),
        ({"Retry-After": "7"}, {"retryAfterSeconds": 3}, 7.0),
        ({"Retry-After": "86400"}, {}, 300.0),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, {}, None),
        ({}, {}, None),
    ],
)
def test_retry_after(headers, details, seconds):
    body = json.dumps(status_body(429, "TooManyRequests", "slow down", **details)).encode()
    assert classify.from_response(429, body, headers, WHERE).retry_after == seconds


def test_what_the_server_repeats_of_a_token_is_taken_out():
    token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln-bmF0dXJl_"
    cause = {"field": "spec.containers[0].args[1]", "message": f"Invalid value: {token}", "reason": "x"}
    body = json.dumps(status_body(422, "Invalid", f'Pod "p": Invalid value: "{token}": no', causes=[cause])).encode()
    error = classify.from_response(422, body, {}, WHERE)
    assert "eyJ" not in str(error) + repr(error) + repr(error.causes)
    assert '"[token]": no' in error.message


KEY = aiohttp.client_reqrep.ConnectionKey("10.0.0.1", 6443, True, True, None, None, None)


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (aiohttp.ClientConnectorError(KEY, ConnectionRefusedError(111, "Connection refused")), "Connection refused"),
        (aiohttp.ClientConnectorDNSError(KEY, socket.gaierror(-2, "Name or service not known")), "host name"),
        (aiohttp.ServerDisconnectedError(), "closed the connection"),
        (aiohttp.ConnectionTimeoutError(), "no connection within"),
        (aiohttp.SocketTimeoutError(), "nothing was heard"),
        (TimeoutError(), "no answer within"),
        (aiohttp.ClientPayloadError("x"), "broke off"),
        (ConnectionResetError(104, "Connection reset by peer"), "Connection reset by peer"),
        (ssl.SSLError(1, "[SSL] whatever"), "TLS"),
        (aiohttp.InvalidURL("http://user:password@[x"), "not a URL"),
    ],
)
def test_no_answer_is_unreachable_in_words_for_people(failure, words):
    error = classify.from_exception(failure, WHERE)
    assert type(error) is errors.Unreachable
    assert error.message.startswith(f"{WHERE}: ")
    assert words in error.message
    assert "password" not in error.message
    assert error.status == 0
