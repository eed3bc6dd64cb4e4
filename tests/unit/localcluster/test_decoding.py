"""Bodies to typed objects."""

from __future__ import annotations

import json

import pytest

from executor.localcluster.decoding import decode_object
from executor.localcluster.resources import PODS, SECRETS
from executor.localcluster.status import ApiError
from executor.localcluster.types import Json

_PREFIX = 'Pod in version "v1" cannot be handled as a Pod: '


def body(**spec: object) -> bytes:
    return json.dumps({"metadata": {"name": "a"}, "spec": spec}).encode()


def refusal(content: bytes, validation: str = "Strict") -> str:
    with pytest.raises(ApiError) as caught:
        decode_object(content, PODS, validation)
    assert (caught.value.code, caught.value.details) == (400, None)
    return caught.value.message


def test_nulls_and_unknown_fields_are_left_out() -> None:
    decoded = decode_object(body(containers=None, nodeName="x", other=1), PODS, "Warn")
    assert decoded.object["spec"] == {"nodeName": "x"}
    assert list(decoded.warnings) == ['unknown field "spec.other"']


def test_what_was_given_is_not_changed() -> None:
    decoded = decode_object(body(tolerations=[{"key": "a"}], nodeSelector={"a": "b"}), PODS, "Strict")
    assert decoded.object == {
        "metadata": {"name": "a"},
        "spec": {"tolerations": [{"key": "a"}], "nodeSelector": {"a": "b"}},
    }


def test_unknown_and_duplicate_fields_are_all_named() -> None:
    content = (
        b'{"metadata":{"name":"a","labels":{"x":"1","x":"2"}},'
        b'"spec":{"containers":[{"name":"b","nam":"c"},{"name":"d","name":"e","env":[{"vaule":"1"}]}]}}'
    )
    message = refusal(content)
    assert message.startswith(_PREFIX + "strict decoding error: ")
    assert set(message.removeprefix(_PREFIX + "strict decoding error: ").split(", ")) == {
        'duplicate field "metadata.labels.x"',
        'unknown field "spec.containers[0].nam"',
        'duplicate field "spec.containers[1].name"',
        'unknown field "spec.containers[1].env[0].vaule"',
    }


_FIELD = "json: cannot unmarshal {} into Go struct field {} of type {}"


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ({"containers": {}}, _FIELD.format("object", "PodSpec.spec.containers", "[]v1.Container")),
        ({"containers": ["x"]}, _FIELD.format("string", "PodSpec.spec.containers", "v1.Container")),
        (
            {"containers": [{"args": ["a", 1]}]},
            _FIELD.format("number", "Container.spec.containers.args", "string"),
        ),
        (
            {"containers": [{"ports": [{"containerPort": 1.5}]}]},
            _FIELD.format("number 1.5", "ContainerPort.spec.containers.ports.containerPort", "int32"),
        ),
        ({"nodeSelector": {"a": 1}}, _FIELD.format("number", "PodSpec.spec.nodeSelector", "string")),
        ({"hostNetwork": 1}, _FIELD.format("number", "PodSpec.spec.hostNetwork", "bool")),
        (
            {"containers": [{"livenessProbe": {"httpGet": {"port": True}}}]},
            "json: cannot unmarshal bool into Go value of type int32",
        ),
    ],
)
def test_wrong_types(spec: Json, sentence: str) -> None:
    assert refusal(body(**spec), "Ignore") == _PREFIX + sentence


def test_a_bad_quantity_is_named_without_its_field() -> None:
    message = refusal(body(containers=[{"resources": {"limits": {"memory": True}}}]))
    assert message == (
        _PREFIX + "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
    )


def test_ports_of_probes_are_numbers_or_names() -> None:
    probes = [{"livenessProbe": {"httpGet": {"port": port}}} for port in (80, "http")]
    decoded = decode_object(body(containers=probes), PODS, "Strict")
    assert [c["livenessProbe"]["httpGet"]["port"] for c in decoded.object["spec"]["containers"]] == [80, "http"]


@pytest.mark.parametrize(("data", "position"), [("a", 0), ("YWJj!A==", 4), ("====", 0)])
def test_bad_base64(data: str, position: int) -> None:
    content = json.dumps({"metadata": {"name": "s"}, "data": {"k": data}}).encode()
    with pytest.raises(ApiError, match=f"illegal base64 data at input byte {position}$"):
        decode_object(content, SECRETS, "Warn")


def test_a_bad_time() -> None:
    content = json.dumps({"metadata": {"name": "s", "creationTimestamp": "yesterday"}}).encode()
    assert 'parsing time "yesterday"' in refusal(content)


def test_an_unknown_level_of_validation() -> None:
    with pytest.raises(ApiError) as caught:
        decode_object(body(), PODS, "Stern")
    assert caught.value.code == 422


@pytest.mark.parametrize("content", [b"[]", b"", b"{'a'}", b'"text"'])
def test_what_is_no_object(content: bytes) -> None:
    assert "json parse error" in refusal(content)
