"""`$patch`, `$retainKeys`, `$setElementOrder`, `$deleteFromPrimitiveList`, and patches that are none."""

from __future__ import annotations

from typing import Any

import pytest

from executor.manifest import MergeError, strategic_merge
from tests.unit.manifest.builders import in_base

Pod = dict[str, Any]

CONTAINERS = {"spec": {"containers": [{"name": "base", "image": "a"}, {"name": "sync", "image": "b"}]}}
DIRECTIVES: list[Any] = [
    pytest.param(
        CONTAINERS,
        {"spec": {"containers": [{"name": "sync", "$patch": "delete"}]}},
        {"spec": {"containers": [{"name": "base", "image": "a"}]}},
        id="delete an element",
    ),
    pytest.param(
        CONTAINERS,
        {"spec": {"containers": [{"name": "base"}, {"$patch": "replace"}]}},
        {"spec": {"containers": [{"name": "base"}]}},
        id="replace a list",
    ),
    pytest.param(
        {"spec": {"nodeSelector": {"a": "1"}}},
        {"spec": {"nodeSelector": {"b": "2", "$patch": "replace"}}},
        {"spec": {"nodeSelector": {"b": "2"}}},
        id="replace a map",
    ),
    pytest.param(
        {"spec": {"securityContext": {"runAsUser": 0}}},
        {"spec": {"securityContext": {"$patch": "delete"}}},
        {"spec": {"securityContext": {}}},
        id="delete a map",
    ),
    pytest.param(
        {"spec": {}},
        {"spec": {"securityContext": {"$patch": "delete"}, "volumes": [{"name": "v", "$patch": "delete"}]}},
        {"spec": {"volumes": []}},
        id="delete what is not there",
    ),
    pytest.param(
        {"metadata": {"finalizers": ["a", "b"]}},
        {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a", "z"], "finalizers": ["c"]}},
        {"metadata": {"finalizers": ["b", "c"]}},
        id="delete from and add to a list of values",
    ),
    pytest.param(
        {"spec": {}},
        {"spec": {"$deleteFromPrimitiveList/tolerations": ["a"]}},
        {"spec": {}},
        id="delete from a list that is not there",
    ),
    pytest.param(
        in_base(env=[{"name": "A"}, {"name": "B"}, {"name": "C"}]),
        in_base(**{"$setElementOrder/env": [{"name": "C"}, {"name": "A"}]}),
        in_base(env=[{"name": "B"}, {"name": "C"}, {"name": "A"}]),
        id="order of old elements",
    ),
    pytest.param(
        in_base(env=[{"name": "A"}, {"name": "B"}]),
        in_base(**{"$setElementOrder/env": [{"name": "A"}, {"name": "N"}], "env": [{"name": "N"}]}),
        in_base(env=[{"name": "A"}, {"name": "N"}, {"name": "B"}]),
        id="order of a new element",
    ),
    pytest.param(
        {"metadata": {"finalizers": ["a", "b"]}},
        {"metadata": {"$setElementOrder/finalizers": ["c", "b", "a"], "finalizers": ["c"]}},
        {"metadata": {"finalizers": ["c", "b", "a"]}},
        id="order of values",
    ),
    pytest.param(
        {"spec": {"volumes": [{"name": "v", "emptyDir": {}}]}},
        {"spec": {"volumes": [{"name": "v", "$retainKeys": ["name", "nfs"], "nfs": {"path": "/"}}]}},
        {"spec": {"volumes": [{"name": "v", "nfs": {"path": "/"}}]}},
        id="retain keys",
    ),
    pytest.param({"spec": {"a": "1"}}, {"spec": None}, {}, id="null deletes"),
    pytest.param({}, {"spec": {"a": None, "b": {"c": None}}}, {"spec": {"b": {}}}, id="null where nothing is"),
]


@pytest.mark.parametrize(("base", "patch", "expected"), DIRECTIVES)
def test_directives(base: Pod, patch: Pod, expected: Pod) -> None:
    assert strategic_merge(base, patch) == expected


ERRORS: list[Any] = [
    pytest.param(
        CONTAINERS, {"spec": {"containers": [{"image": "x"}]}}, "spec.containers[0]", "has no name", id="no key"
    ),
    pytest.param(
        CONTAINERS,
        {"spec": {"containers": [{"$patch": "delete"}]}},
        "spec.containers[0]",
        "has no name",
        id="delete without key",
    ),
    pytest.param(
        in_base(env=[{"value": "1"}]),
        in_base(env=[{"name": "A"}]),
        "spec.containers[base].env[0]",
        "has no name",
        id="no key in the base",
    ),
    pytest.param(CONTAINERS, {"spec": {"$patch": "merge"}}, "spec", "'replace' or 'delete'", id="$patch: merge"),
    pytest.param(
        CONTAINERS,
        {"spec": {"containers": [{"name": "base", "$patch": "merge"}]}},
        "spec.containers[0]",
        "'replace' or 'delete'",
        id="$patch: merge in a list",
    ),
    pytest.param(CONTAINERS, {"spec": {"containers": ["base"]}}, "spec.containers", "several types", id="mixed types"),
    pytest.param(
        {"metadata": {"finalizers": [["a"]]}},
        {"metadata": {"finalizers": [["b"]]}},
        "metadata.finalizers",
        "lists as elements",
        id="list of lists",
    ),
    pytest.param(
        {"spec": {"volumes": [{"name": "v"}]}},
        {"spec": {"volumes": [{"name": "v", "$retainKeys": ["name"], "emptyDir": {}}]}},
        "spec.volumes[v].$retainKeys",
        "lacks 'emptyDir'",
        id="$retainKeys lacks a key",
    ),
    pytest.param(CONTAINERS, {"$retainKeys": "spec"}, "$retainKeys", "is not a list", id="$retainKeys no list"),
    pytest.param(
        in_base(env=[{"name": "A"}]),
        in_base(**{"$setElementOrder/env": [{"name": "A"}], "env": [{"name": "B"}]}),
        "spec.containers[base].$setElementOrder/env",
        "in their order",
        id="$setElementOrder lacks an element",
    ),
    pytest.param(
        CONTAINERS,
        {"spec": {"$setElementOrder/containers": "x"}},
        "spec.$setElementOrder/containers",
        "lists",
        id="order",
    ),
    pytest.param(
        CONTAINERS,
        {"$deleteFromPrimitiveList/x": "a"},
        "$deleteFromPrimitiveList/x",
        "list of values",
        id="delete from",
    ),
]


@pytest.mark.parametrize(("base", "patch", "path", "problem"), ERRORS)
def test_refuses_what_kubernetes_refuses(base: Pod, patch: Pod, path: str, problem: str) -> None:
    with pytest.raises(MergeError) as caught:
        strategic_merge(base, patch)
    assert caught.value.path == path
    assert problem in caught.value.problem
