"""Objects as kubectl sends them: the bytes were captured from kubectl 1.32."""

from __future__ import annotations

import pytest

from executor.localcluster.protobuf import decode
from executor.localcluster.status import ApiError

_NAMESPACE = (
    b'k8s\x00\n\x0f\n\x02v1\x12\tNamespace\x12\x1a\n\x12\n\x02zz\x12\x00\x1a\x00"\x00*\x002\x008\x00B\x00\x12\x00\x1a\x02\n\x00'
    b'\x1a\x00"\x00'
)


def field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2, len(content)]) + content


def envelope(kind: bytes, raw: bytes) -> bytes:
    return b"k8s\x00" + field(1, field(1, b"v1") + field(2, kind)) + field(2, raw)


def test_a_namespace_of_kubectl() -> None:
    assert decode(_NAMESPACE) == {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "zz"}}


def test_a_secret() -> None:
    raw = field(1, field(1, b"s") + field(11, field(1, b"app") + field(2, b"x")))
    raw += field(2, field(1, b"k") + field(2, b"\x00v")) + field(3, b"Opaque") + bytes([5 << 3, 1])
    assert decode(envelope(b"Secret", raw)) == {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s", "labels": {"app": "x"}},
        "data": {"k": "AHY="},
        "type": "Opaque",
        "immutable": True,
    }


def test_quantities_and_lists() -> None:
    hard = field(1, field(1, b"pods") + field(2, field(1, b"2")))
    raw = field(1, field(1, b"q")) + field(2, hard + field(2, b"NotTerminating"))
    found = decode(envelope(b"ResourceQuota", raw))
    assert found["spec"] == {"hard": {"pods": "2"}, "scopes": ["NotTerminating"]}


@pytest.mark.parametrize("body", [b"", b"{}", _NAMESPACE[:-20], b"k8s\x00\xff", envelope(b"Pod", b"")])
def test_what_cannot_be_read(body: bytes) -> None:
    with pytest.raises(ApiError) as caught:
        decode(body)
    assert caught.value.code == 400
