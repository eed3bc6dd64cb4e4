"""Kubernetes' protobuf encoding of small objects, read only.

kubectl sends what it makes itself (``create namespace``, ``create secret``, ``auth can-i``) in this form, whatever a
server prefers; answers may always be JSON. Pods come from files and so as JSON: they are left out. Field numbers are
those of ``generated.proto`` in ``k8s.io/api``. Pure.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass

from executor.localcluster.status import bad_request
from executor.localcluster.types import Json

CONTENT_TYPE = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its JSON name and its kind; ``many`` for lists, ``keyed`` for maps from text.

    Kinds are ``string``, ``bytes``, ``int``, ``bool``, ``quantity``, ``int-or-string``, or the name of a message.
    """

    name: str
    kind: str = "string"
    many: bool = False
    keyed: bool = False


Message = dict[int, Field]


def _strings(*names: str) -> Message:
    return {number: Field(name) for number, name in enumerate(names, 1)}


_METADATA: Message = {
    1: Field("name"),
    2: Field("generateName"),
    3: Field("namespace"),
    5: Field("uid"),
    6: Field("resourceVersion"),
    11: Field("labels", keyed=True),
    12: Field("annotations", keyed=True),
    13: Field("ownerReferences", "OwnerReference", many=True),
    14: Field("finalizers", many=True),
}
_OBJECT = Field("metadata", "ObjectMeta")
_MESSAGES: dict[str, Message] = {
    "Unknown": {1: Field("typeMeta", "TypeMeta"), 2: Field("raw", "bytes"), 4: Field("contentType")},
    "TypeMeta": _strings("apiVersion", "kind"),
    "ObjectMeta": _METADATA,
    "OwnerReference": {
        1: Field("kind"),
        3: Field("name"),
        4: Field("uid"),
        5: Field("apiVersion"),
        6: Field("controller", "bool"),
        7: Field("blockOwnerDeletion", "bool"),
    },
    "Namespace": {1: _OBJECT},
    "Secret": {
        1: _OBJECT,
        2: Field("data", "bytes", keyed=True),
        3: Field("type"),
        4: Field("stringData", keyed=True),
        5: Field("immutable", "bool"),
    },
    "ConfigMap": {
        1: _OBJECT,
        2: Field("data", keyed=True),
        3: Field("binaryData", "bytes", keyed=True),
        4: Field("immutable", "bool"),
    },
    "ServiceAccount": {1: _OBJECT, 4: Field("automountServiceAccountToken", "bool")},
    "ResourceQuota": {1: _OBJECT, 2: Field("spec", "ResourceQuotaSpec")},
    "ResourceQuotaSpec": {1: Field("hard", "quantity", keyed=True), 2: Field("scopes", many=True)},
    "Role": {1: _OBJECT, 2: Field("rules", "PolicyRule", many=True)},
    "PolicyRule": {
        number: Field(name, many=True)
        for number, name in enumerate(("verbs", "apiGroups", "resources", "resourceNames", "nonResourceURLs"), 1)
    },
    "RoleBinding": {1: _OBJECT, 2: Field("subjects", "Subject", many=True), 3: Field("roleRef", "RoleRef")},
    "ClusterRole": {
        1: _OBJECT,
        2: Field("rules", "PolicyRule", many=True),
        3: Field("aggregationRule", "AggregationRule"),
    },
    "AggregationRule": {1: Field("clusterRoleSelectors", "LabelSelector", many=True)},
    "LabelSelector": {1: Field("matchLabels", keyed=True), 2: Field("matchExpressions", "Requirement", many=True)},
    "Requirement": {1: Field("key"), 2: Field("operator"), 3: Field("values", many=True)},
    "ClusterRoleBinding": {1: _OBJECT, 2: Field("subjects", "Subject", many=True), 3: Field("roleRef", "RoleRef")},
    "Subject": _strings("kind", "apiGroup", "name", "namespace"),
    "RoleRef": _strings("apiGroup", "kind", "name"),
    "PriorityClass": {
        1: _OBJECT,
        2: Field("value", "int"),
        3: Field("globalDefault", "bool"),
        4: Field("description"),
        5: Field("preemptionPolicy"),
    },
    "SelfSubjectAccessReview": {1: _OBJECT, 2: Field("spec", "SelfSubjectAccessReviewSpec")},
    "SelfSubjectAccessReviewSpec": {
        1: Field("resourceAttributes", "ResourceAttributes"),
        2: Field("nonResourceAttributes", "NonResourceAttributes"),
    },
    "SubjectAccessReview": {1: _OBJECT, 2: Field("spec", "SubjectAccessReviewSpec")},
    "LocalSubjectAccessReview": {1: _OBJECT, 2: Field("spec", "SubjectAccessReviewSpec")},
    "SubjectAccessReviewSpec": {
        1: Field("resourceAttributes", "ResourceAttributes"),
        2: Field("nonResourceAttributes", "NonResourceAttributes"),
        3: Field("user"),
        4: Field("groups", many=True),
        6: Field("uid"),
    },
    "SelfSubjectRulesReview": {1: _OBJECT, 2: Field("spec", "SelfSubjectRulesReviewSpec")},
    "SelfSubjectRulesReviewSpec": _strings("namespace"),
    "SelfSubjectReview": {1: _OBJECT},
    "TokenRequest": {1: _OBJECT, 2: Field("spec", "TokenRequestSpec")},
    "TokenRequestSpec": {
        1: Field("audiences", many=True),
        3: Field("boundObjectRef", "BoundObjectReference"),
        4: Field("expirationSeconds", "int"),
    },
    "BoundObjectReference": _strings("kind", "apiVersion", "name", "uid"),
    "PodDisruptionBudget": {1: _OBJECT, 2: Field("spec", "PodDisruptionBudgetSpec")},
    "PodDisruptionBudgetSpec": {
        1: Field("minAvailable", "int-or-string"),
        2: Field("selector", "LabelSelector"),
        3: Field("maxUnavailable", "int-or-string"),
        4: Field("unhealthyPodEvictionPolicy"),
    },
    "IntOrString": {1: Field("type", "int"), 2: Field("intVal", "int"), 3: Field("strVal")},
    "ResourceAttributes": _strings("namespace", "verb", "group", "version", "resource", "subresource", "name"),
    "NonResourceAttributes": _strings("path", "verb"),
    "Eviction": {1: _OBJECT, 2: Field("deleteOptions", "DeleteOptions")},
    "DeleteOptions": {
        1: Field("gracePeriodSeconds", "int"),
        2: Field("preconditions", "Preconditions"),
        4: Field("propagationPolicy"),
        5: Field("dryRun", many=True),
    },
    "Preconditions": _strings("uid", "resourceVersion"),
    "Quantity": _strings("string"),
}


def decode(body: bytes) -> Json:
    """A body with its kind and apiVersion. Raises a 400 for what is no protobuf or of a kind that is left out."""
    if not body.startswith(_MAGIC):
        raise bad_request("provided data does not appear to be a protobuf message, expected prefix 6b 38 73 00")
    try:
        envelope = _message("Unknown", body[len(_MAGIC) :])
        identity = envelope.get("typeMeta") or {}
        kind = identity.get("kind", "")
        if kind not in _MESSAGES:
            raise bad_request(f"{kind or 'this object'} is understood as JSON only: use kubectl apply -f FILE")
        return {**identity, **_message(kind, base64.b64decode(envelope.get("raw", "")))}
    except (IndexError, UnicodeDecodeError, ValueError):
        raise bad_request("provided data is not a protobuf message that can be read") from None


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7


def _parts(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(field number, number or bytes) of each part of a message."""
    position = 0
    while position < len(data):
        key, position = _varint(data, position)
        wire = key & 7
        if wire == _VARINT:
            value, position = _varint(data, position)
            yield key >> 3, value
            continue
        size, position = _varint(data, position) if wire == _BYTES else ({_FIXED64: 8, _FIXED32: 4}[wire], position)
        if position + size > len(data):
            raise ValueError("cut short")
        yield key >> 3, data[position : position + size]
        position += size


def _message(name: str, data: bytes) -> Json:
    fields = _MESSAGES[name]
    result: Json = {}
    for number, part in _parts(data):
        if number in fields:
            _add(result, fields[number], part)
    return result


def _add(result: Json, field: Field, part: int | bytes) -> None:
    """Put one part into a message; empty text is what Go writes for a field that is not set."""
    if field.keyed:
        key, value = _entry(field, _as_bytes(part))
        result.setdefault(field.name, {})[key] = value
    elif field.many:
        result.setdefault(field.name, []).append(_value(field.kind, part))
    elif (value := _value(field.kind, part)) != "":
        result[field.name] = value


def _entry(field: Field, data: bytes) -> tuple[str, object]:
    """A map's entry: field 1 is the key, field 2 the value; either is left out when empty."""
    parts = dict(_parts(data))
    return _as_bytes(parts.get(1, b"")).decode(), _value(field.kind, parts.get(2, b""))


def _as_bytes(part: int | bytes) -> bytes:
    if isinstance(part, int):
        raise ValueError("a number where text is expected")
    return part


def _value(kind: str, part: int | bytes) -> object:
    if isinstance(part, int):
        return bool(part) if kind == "bool" else _signed(part)
    if kind == "string":
        return part.decode()
    if kind == "bytes":
        return base64.b64encode(part).decode()
    if kind == "quantity":
        return _message("Quantity", part).get("string", "0")
    if kind == "int-or-string":
        either = _message("IntOrString", part)
        return either.get("strVal", "") if either.get("type") else either.get("intVal", 0)
    return _message(kind, part)


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value
