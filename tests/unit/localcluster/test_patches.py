"""The three kinds of patch."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from executor.localcluster.patches import apply_json_patch, apply_patch, merge
from executor.localcluster.resources import PODS
from executor.localcluster.status import ApiError
from executor.localcluster.types import Json

_STRATEGIC = "application/strategic-merge-patch+json"


def strategic(target: Json, patch: Json) -> Json:
    before = copy.deepcopy(target)
    result = apply_patch(_STRATEGIC, PODS, target, patch)
    assert target == before, "the target was changed"
    return result


def spec(patch: Json, **target: Any) -> Any:
    return strategic({"spec": target}, {"spec": patch})["spec"]


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
        ({"a": {"b": 1}}, {"a": {"b": None}}, {"a": {}}),
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
        ({"a": "x"}, {"a": {"b": {"c": None}}}, {"a": {"b": {}}}),
    ],
)
def test_merge(target: Json, patch: Json, result: Json) -> None:
    assert merge(target, patch) == result


@pytest.mark.parametrize(
    ("operations", "result"),
    [
        ([{"op": "add", "path": "/b", "value": 2}], {"a": [1, 2], "b": 2}),
        ([{"op": "add", "path": "/a/-", "value": 3}], {"a": [1, 2, 3]}),
        ([{"op": "add", "path": "/a/0", "value": 0}], {"a": [0, 1, 2]}),
        ([{"op": "replace", "path": "/a/1", "value": 9}], {"a": [1, 9]}),
        ([{"op": "remove", "path": "/a/0"}], {"a": [2]}),
        ([{"op": "move", "from": "/a", "path": "/x~1y"}], {"x/y": [1, 2]}),
        ([{"op": "copy", "from": "/a/0", "path": "/b"}], {"a": [1, 2], "b": 1}),
        ([{"op": "test", "path": "/a/0", "value": 1}], {"a": [1, 2]}),
    ],
)
def test_json_patch(operations: list[Json], result: Json) -> None:
    assert apply_json_patch({"a": [1, 2]}, operations) == result


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "remove", "path": "/none"},
        {"op": "replace", "path": "/none", "value": 1},
        {"op": "add", "path": "/a/9", "value": 1},
        {"op": "test", "path": "/a", "value": []},
        {"op": "jump", "path": "/a"},
        {"op": "add", "path": "a", "value": 1},
    ],
)
def test_a_json_patch_that_does_not_apply(operation: Json) -> None:
    target = {"a": [1, 2]}
    with pytest.raises(ApiError) as caught:
        apply_json_patch(target, [{"op": "add", "path": "/b", "value": 1}, operation])
    assert caught.value.code == 422
    assert target == {"a": [1, 2]}


def test_keyed_lists_merge_and_others_are_replaced() -> None:
    found = spec(
        {"containers": [{"name": "a", "env": [{"name": "X", "value": "2"}], "args": ["new"]}]},
        containers=[{"name": "a", "env": [{"name": "X", "value": "1"}, {"name": "Y"}], "args": ["x", "y"]}],
    )
    env = [{"name": "X", "value": "2"}, {"name": "Y"}]
    assert found == {"containers": [{"name": "a", "env": env, "args": ["new"]}]}


def test_an_element_is_deleted_by_its_key() -> None:
    found = spec({"volumes": [{"name": "a", "$patch": "delete"}]}, volumes=[{"name": "a"}, {"name": "b"}])
    assert found == {"volumes": [{"name": "b"}]}


def test_a_list_and_a_map_are_replaced_on_demand() -> None:
    found = spec(
        {"volumes": [{"$patch": "replace"}, {"name": "c"}], "securityContext": {"$patch": "replace", "runAsUser": 1}},
        volumes=[{"name": "a"}],
        securityContext={"fsGroup": 2},
    )
    assert found == {"volumes": [{"name": "c"}], "securityContext": {"runAsUser": 1}}


def test_retained_keys_drop_the_others() -> None:
    volume = {"name": "a", "$retainKeys": ["name", "emptyDir"], "emptyDir": {}}
    found = spec({"volumes": [volume]}, volumes=[{"name": "a", "hostPath": {"path": "/x"}}])
    assert found == {"volumes": [{"name": "a", "emptyDir": {}}]}


def test_the_order_of_elements_is_set() -> None:
    patch = {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}], "containers": [{"name": "b", "image": "i"}]}
    found = spec(patch, containers=[{"name": "a"}, {"name": "b"}])
    assert found == {"containers": [{"name": "b", "image": "i"}, {"name": "a"}]}


def test_plain_values_merge_as_a_set_and_are_deleted_one_by_one() -> None:
    target = {"metadata": {"finalizers": ["a", "b"]}}
    assert strategic(target, {"metadata": {"finalizers": ["b", "c"]}})["metadata"]["finalizers"] == ["a", "b", "c"]
    patch = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}}
    assert strategic(target, patch)["metadata"]["finalizers"] == ["b"]


def test_null_deletes() -> None:
    assert spec({"nodeSelector": {"a": None}, "hostname": None}, nodeSelector={"a": "1", "b": "2"}, hostname="h") == {
        "nodeSelector": {"b": "2"}
    }


@pytest.mark.parametrize(
    "patch", [{"spec": {"containers": [{"image": "x"}]}}, {"spec": {"$patch": "turn"}}, ["no", "object"]]
)
def test_a_strategic_patch_that_cannot_be_read(patch: Any) -> None:
    with pytest.raises(ApiError) as caught:
        apply_patch(_STRATEGIC, PODS, {"spec": {}}, patch)
    assert caught.value.code == 400
