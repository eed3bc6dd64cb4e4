"""Semantic rules of pods and data objects, beyond what the contract suite asks of every server."""

from __future__ import annotations

from typing import Any

import pytest

from executor.localcluster.pod_defaults import default_pod
from executor.localcluster.status import FieldError
from executor.localcluster.types import Json
from executor.localcluster.validation.data import validate_config_map, validate_secret, validate_secret_update
from executor.localcluster.validation.metadata import ANNOTATIONS_LIMIT, validate_metadata
from executor.localcluster.validation.pod import validate_pod, validate_pod_update


def container(name: str = "base", **fields: Any) -> Json:
    return {"name": name, "image": "i:1", **fields}


def pod(**spec: Any) -> Json:
    spec.setdefault("containers", [container()])
    made = {"kind": "Pod", "metadata": {"name": "a", "namespace": "n"}, "spec": spec}
    default_pod(made)
    return made


def sentences(errors: list[FieldError]) -> list[str]:
    return [error.sentence() for error in errors]


def env(**variable: Any) -> Json:
    return {"containers": [container(env=[variable])]}


def mount(**fields: Any) -> Json:
    return {"containers": [container(volumeMounts=[fields])], "volumes": [{"name": "v", "emptyDir": {}}]}


_ENV = "spec.containers[0].env[0]"
_MOUNT = "spec.containers[0].volumeMounts[0]"
_NO_SOURCE = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
_INVALID: list[tuple[Json, list[str]]] = [
    ({}, []),
    (env(value="x"), [f"{_ENV}.name: Required value"]),
    (
        env(name="A=B", value="x"),
        [
            f'{_ENV}.name: Invalid value: "A=B": a valid environment variable name must consist only of printable '
            "ASCII characters other than '='"
        ],
    ),
    (env(name="A", valueFrom={}), [f'{_ENV}.valueFrom: Invalid value: "": {_NO_SOURCE}']),
    (
        env(name="A", value="x", valueFrom={"secretKeyRef": {"name": "s", "key": "k"}}),
        [f'{_ENV}.valueFrom: Invalid value: "": may not be specified when `value` is not empty'],
    ),
    (
        env(name="A", valueFrom={"secretKeyRef": {"key": "k"}, "fieldRef": {"fieldPath": "metadata.name"}}),
        [f'{_ENV}.valueFrom: Invalid value: "": may not have more than one field specified at a time'],
    ),
    (env(name="A", valueFrom={"secretKeyRef": {"name": "s"}}), [f"{_ENV}.valueFrom.secretKeyRef.key: Required value"]),
    (env(name="A", valueFrom={"fieldRef": {"fieldPath": "metadata.labels['x']"}}), []),
    (
        env(name="A", valueFrom={"fieldRef": {"fieldPath": "spec.image"}}),
        [
            f'{_ENV}.valueFrom.fieldRef.fieldPath: Invalid value: "spec.image": '
            "error converting fieldPath: field label not supported: spec.image"
        ],
    ),
    (
        {"containers": [container(envFrom=[{"prefix": "x"}])]},
        [
            'spec.containers[0].envFrom[0]: Invalid value: "": must specify one of: `configMapRef` or `secretRef`',
        ],
    ),
    (mount(name="v"), [f"{_MOUNT}.mountPath: Required value"]),
    (mount(mountPath="/x"), [f"{_MOUNT}.name: Required value"]),
    (
        mount(name="v", mountPath="/x", subPath="../y"),
        [f"{_MOUNT}.subPath: Invalid value: \"../y\": must not contain '..'"],
    ),
    (
        mount(name="v", mountPath="/x", subPath="/y"),
        [f'{_MOUNT}.subPath: Invalid value: "/y": must be a relative path'],
    ),
    (
        {
            "volumes": [{"name": "v", "emptyDir": {}}],
            "containers": [
                container(volumeMounts=[{"name": "v", "mountPath": "/x"}, {"name": "v", "mountPath": "/x"}])
            ],
        },
        ['spec.containers[0].volumeMounts[1].mountPath: Invalid value: "/x": must be unique'],
    ),
    (
        {"initContainers": [container("same")], "containers": [container("same")]},
        ['spec.containers[0].name: Duplicate value: "same"'],
    ),
    ({"initContainers": [container("i", image="")]}, ["spec.initContainers[0].image: Required value"]),
    (
        {"initContainers": [container("i", readinessProbe={"exec": {"command": ["x"]}})]},
        [
            "spec.initContainers[0].readinessProbe: Forbidden: "
            "may not be set for init containers without restartPolicy=Always"
        ],
    ),
    (
        {"containers": [container(image=" i")]},
        ['spec.containers[0].image: Invalid value: " i": must not have leading or trailing whitespace'],
    ),
    (
        {"containers": [container(livenessProbe={"exec": {"command": ["x"]}, "tcpSocket": {"port": 1}})]},
        ["spec.containers[0].livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type"],
    ),
    (
        {"containers": [container(lifecycle={"preStop": {}})]},
        ["spec.containers[0].lifecycle.preStop: Required value: must specify a handler type"],
    ),
    (
        {"containers": [container(resources={"limits": {"gpu": "1"}})]},
        [
            f'spec.containers[0].resources.{kind}[gpu]: Invalid value: "gpu": '
            "must be a standard resource type or fully qualified"
            for kind in ("limits", "requests")
        ],
    ),
    (
        {"containers": [container(resources={"requests": {"memory": "-1"}})]},
        ['spec.containers[0].resources.requests[memory]: Invalid value: "-1": must be greater than or equal to 0'],
    ),
    (
        {"volumes": [{"name": "v", "secret": {}}]},
        ["spec.volumes[0].secret.secretName: Required value"],
    ),
    ({"volumes": [{"name": "v", "configMap": {}}]}, ["spec.volumes[0].configMap.name: Required value"]),
    (
        {"volumes": [{"name": "v", "secret": {"secretName": "s", "items": [{"key": "k"}]}}]},
        ["spec.volumes[0].secret.items[0].path: Required value"],
    ),
    (
        {"volumes": [{"name": "v", "projected": {"sources": [{"secret": {"name": "s"}, "configMap": {"name": "c"}}]}}]},
        ["spec.volumes[0].projected.sources[0].configMap: Forbidden: may not specify more than 1 volume type"],
    ),
    ({"volumes": [{"name": "v", "hostPath": {}}]}, ["spec.volumes[0].hostPath.path: Required value"]),
    (
        {"tolerations": [{"operator": "Equal"}]},
        [
            'spec.tolerations[0].operator: Invalid value: "Equal": operator must be Exists when `key` is empty, '
            'which means "match all values and all keys"'
        ],
    ),
    (
        {"tolerations": [{"key": "a", "operator": "Similar"}]},
        ['spec.tolerations[0].operator: Unsupported value: "Similar": supported values: "Equal", "Exists"'],
    ),
    (
        {"tolerations": [{"key": "a", "effect": "NoSchedule", "tolerationSeconds": 3}]},
        [
            'spec.tolerations[0].effect: Invalid value: "NoSchedule": '
            "effect must be 'NoExecute' when `tolerationSeconds` is set"
        ],
    ),
    (
        {"schedulingGates": [{"name": "a"}, {"name": "a"}]},
        ['spec.schedulingGates[1]: Duplicate value: "a"'],
    ),
    (
        {"schedulingGates": [{"name": "a"}], "nodeName": "x"},
        ["spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared"],
    ),
    (
        {"activeDeadlineSeconds": -1},
        ["spec.activeDeadlineSeconds: Invalid value: -1: must be between 1 and 2147483647, inclusive"],
    ),
    (
        {"containers": [container(ports=[{"name": "http"}])]},
        ["spec.containers[0].ports[0].containerPort: Required value"],
    ),
]


@pytest.mark.parametrize(("spec", "expected"), _INVALID)
def test_pods(spec: Json, expected: list[str]) -> None:
    assert sentences(validate_pod(pod(**spec))) == expected


@pytest.mark.parametrize("name", ["a.b", "Upper", "a" * 64, ""])
def test_names_of_containers_are_labels(name: str) -> None:
    errors = validate_pod(pod(containers=[container(name)]))
    assert {error.field for error in errors} == {"spec.containers[0].name"}


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ("-a", "name part must consist of"),
        ("a/b/c", "a qualified name must consist of"),
        ("/a", "prefix part must be non-empty"),
        ("Upper/a", "prefix part a lowercase RFC 1123 subdomain"),
        ("a/", "name part must be non-empty"),
        ("a" * 64, "name part must be no more than 63 bytes"),
    ],
)
def test_label_keys(key: str, problem: str) -> None:
    errors = validate_metadata({"kind": "Pod", "metadata": {"name": "a", "labels": {key: "x"}}})
    assert [error.field for error in errors] == ["metadata.labels"]
    assert problem in errors[0].message


def test_annotations_have_a_total_size() -> None:
    metadata = {"name": "a", "annotations": {"k": "x" * ANNOTATIONS_LIMIT}}
    assert sentences(validate_metadata({"kind": "Pod", "metadata": metadata})) == [
        "metadata.annotations: Too long: may not be more than 262144 bytes"
    ]


def test_owner_references_are_complete() -> None:
    metadata = {"name": "a", "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "x"}]}
    assert sentences(validate_metadata({"kind": "Pod", "metadata": metadata})) == [
        'metadata.ownerReferences.uid: Invalid value: "": must not be empty'
    ]


def _update(**changed: Any) -> list[str]:
    base: Json = {"activeDeadlineSeconds": 60, "schedulingGates": [{"name": "g"}], "tolerations": [{"key": "t"}]}
    return sentences(validate_pod_update(pod(**{**base, **changed}), pod(**base)))


@pytest.mark.parametrize(
    "changed",
    [
        {"containers": [container(image="new:2")]},
        {"activeDeadlineSeconds": 30},
        {"schedulingGates": []},
        {"nodeSelector": {"still": "gated"}},
        {"tolerations": [{"key": "t"}, {"key": "more", "operator": "Exists"}]},
    ],
)
def test_what_may_change(changed: Json) -> None:
    assert _update(**changed) == []


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"containers": [container(command=["x"])]}, "spec: Forbidden"),
        ({"activeDeadlineSeconds": 90}, "spec.activeDeadlineSeconds: Invalid value: 90"),
        ({"activeDeadlineSeconds": None}, "spec.activeDeadlineSeconds: Invalid value: null"),
        ({"schedulingGates": [{"name": "g"}, {"name": "h"}]}, "spec.schedulingGates: Forbidden"),
        ({"tolerations": []}, "spec.tolerations: Forbidden"),
        ({"restartPolicy": "Never"}, "spec: Forbidden"),
    ],
)
def test_what_may_not_change(changed: Json, field: str) -> None:
    found = _update(**changed)
    assert len(found) == 1
    assert found[0].startswith(field)


def test_a_pod_without_gates_keeps_its_place() -> None:
    errors = validate_pod_update(pod(nodeSelector={"a": "b"}), pod())
    assert [error.field for error in errors] == ["spec"]


def test_keys_of_data_objects() -> None:
    secret = {"kind": "Secret", "metadata": {"name": "s"}, "data": {"bad key": ""}}
    assert [error.field for error in validate_secret(secret)] == ["data[bad key]"]
    config_map = {"kind": "ConfigMap", "metadata": {"name": "s"}, "binaryData": {"bad/key": ""}}
    assert [error.field for error in validate_config_map(config_map)] == ["binaryData[bad/key]"]


def test_an_immutable_secret_stays_immutable() -> None:
    old = {"type": "Opaque", "immutable": True, "data": {"k": "eA=="}}
    new = {"type": "Opaque", "immutable": False, "data": {}}
    assert [error.field for error in validate_secret_update(new, old)] == ["immutable", "data"]
    assert validate_secret_update(old, old) == []
    assert [error.field for error in validate_secret_update(old | {"type": "other"}, old)] == ["type"]
