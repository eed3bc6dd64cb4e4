"""The merge against Kubernetes' own results, and where we differ from it on purpose."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from executor.manifest import MergeError, strategic_merge
from executor.manifest.merge_rules import merge_key
from executor.manifest.pod_schema import POD, fields_of
from tests.unit.manifest.builders import in_base

FOLDER = Path(__file__).parents[2] / "cases"
CASES, KUBECTL_CASES = (
    json.loads((FOLDER / f"{name}.json").read_text())["cases"]
    for name in ("strategic_merge", "strategic_merge_kubectl")
)

Pod = dict[str, Any]


def base_of(pod: Pod) -> dict[str, Any]:
    found: dict[str, Any] = pod["spec"]["containers"][0]
    return found


def as_json(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def unordered(value: Any, model: str | None = POD, field: str = "") -> Any:
    """`value` with keyed lists sorted, so that only their content is compared."""
    if isinstance(value, dict):
        fields = fields_of(model)
        return {
            key: unordered(item, fields[key].leaf if key in fields else None, f"{model}.{key}")
            for key, item in value.items()
        }
    if isinstance(value, list):
        items = [unordered(item, model) for item in value]
        owner, _, name = field.rpartition(".")
        return sorted(items, key=as_json) if merge_key(owner, name) is not None else items
    return value


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_gives_what_kubernetes_gives(case: dict[str, Any]) -> None:
    base, patch = copy.deepcopy(case["base"]), copy.deepcopy(case["patch"])

    result = strategic_merge(base, patch)

    assert as_json(unordered(result)) == as_json(unordered(case["result"]))
    assert (base, patch) == (case["base"], case["patch"])


@pytest.mark.parametrize("case", KUBECTL_CASES, ids=lambda case: case["name"])
def test_gives_what_kubectl_gives(case: dict[str, Any]) -> None:
    if "error" in case:
        with pytest.raises(MergeError):
            strategic_merge(case["base"], case["patch"])
    else:
        result = strategic_merge(case["base"], case["patch"])
        assert as_json(unordered(result)) == as_json(unordered(case["result"]))


VOLUME_SOURCES: dict[str, Any] = {
    "emptyDir": {"sizeLimit": "1Gi"},
    "hostPath": {"path": "/x"},
    "secret": {"secretName": "s"},
    "configMap": {"name": "c"},
    "persistentVolumeClaim": {"claimName": "p"},
    "projected": {"sources": []},
    "downwardAPI": {"items": []},
    "csi": {"driver": "d"},
    "nfs": {"server": "n", "path": "/"},
    "ephemeral": {"volumeClaimTemplate": {"spec": {}}},
    "image": {"reference": "i:1"},
    "aSourceOfTomorrow": {"a": 1},
}
ENV_SOURCES: dict[str, Any] = {
    "fieldRef": {"fieldPath": "metadata.name"},
    "resourceFieldRef": {"resource": "limits.cpu"},
    "configMapKeyRef": {"name": "c", "key": "k"},
    "secretKeyRef": {"name": "s", "key": "k"},
    "fileKeyRef": {"volumeName": "v", "path": "p", "key": "k"},
}
PROBE_HANDLERS: dict[str, Any] = {
    "exec": {"command": ["true"]},
    "httpGet": {"port": 80},
    "tcpSocket": {"port": 80},
    "grpc": {"port": 80},
}
LIFECYCLE_HANDLERS: dict[str, Any] = {
    "exec": {"command": ["true"]},
    "httpGet": {"port": 80},
    "tcpSocket": {"port": 80},
    "sleep": {"seconds": 3},
}
CLAIMS: dict[str, Any] = {"resourceClaimName": "a", "resourceClaimTemplateName": "b"}


def each_way_round(members: dict[str, Any]) -> list[Any]:
    return [pytest.param(a, b, id=f"{a}-{b}") for a in members for b in members if a != b]


@pytest.mark.parametrize(("old", "new"), each_way_round(VOLUME_SOURCES))
def test_the_overrides_volume_source_wins(old: str, new: str) -> None:
    base = {"spec": {"volumes": [{"name": "v", old: VOLUME_SOURCES[old]}]}}
    patch = {"spec": {"volumes": [{"name": "v", new: VOLUME_SOURCES[new]}]}}
    assert strategic_merge(base, patch) == patch


@pytest.mark.parametrize(("old", "new"), each_way_round({"value": "", "valueFrom": {"fieldRef": {"fieldPath": "a"}}}))
def test_value_and_value_from_exclude_each_other(old: str, new: str) -> None:
    members: dict[str, Any] = {"value": "", "valueFrom": {"fieldRef": {"fieldPath": "a"}}}
    patch = in_base(env=[{"name": "A", new: members[new]}])
    assert strategic_merge(in_base(env=[{"name": "A", old: members[old]}]), patch) == patch


@pytest.mark.parametrize(("old", "new"), each_way_round(ENV_SOURCES))
def test_the_overrides_env_source_wins(old: str, new: str) -> None:
    patch = in_base(env=[{"name": "A", "valueFrom": {new: ENV_SOURCES[new]}}])
    assert strategic_merge(in_base(env=[{"name": "A", "valueFrom": {old: ENV_SOURCES[old]}}]), patch) == patch


@pytest.mark.parametrize("probe", ["livenessProbe", "readinessProbe", "startupProbe"])
@pytest.mark.parametrize(("old", "new"), each_way_round(PROBE_HANDLERS))
def test_the_overrides_probe_handler_wins_and_the_probe_stays(probe: str, old: str, new: str) -> None:
    base = in_base(**{probe: {"periodSeconds": 5, old: PROBE_HANDLERS[old]}})
    patch = in_base(**{probe: {new: PROBE_HANDLERS[new]}})
    assert base_of(strategic_merge(base, patch))[probe] == {"periodSeconds": 5, new: PROBE_HANDLERS[new]}


@pytest.mark.parametrize("hook", ["postStart", "preStop"])
@pytest.mark.parametrize(("old", "new"), each_way_round(LIFECYCLE_HANDLERS))
def test_the_overrides_lifecycle_handler_wins(hook: str, old: str, new: str) -> None:
    patch = in_base(lifecycle={hook: {new: LIFECYCLE_HANDLERS[new]}})
    assert strategic_merge(in_base(lifecycle={hook: {old: LIFECYCLE_HANDLERS[old]}}), patch) == patch


@pytest.mark.parametrize(("old", "new"), each_way_round(CLAIMS))
def test_the_overrides_resource_claim_wins(old: str, new: str) -> None:
    patch = {"spec": {"resourceClaims": [{"name": "gpu", new: CLAIMS[new]}]}}
    assert strategic_merge({"spec": {"resourceClaims": [{"name": "gpu", old: CLAIMS[old]}]}}, patch) == patch


def test_the_same_member_of_a_union_is_merged() -> None:
    base = {"spec": {"volumes": [{"name": "v", "emptyDir": {"medium": "Memory"}}]}}
    patch = {"spec": {"volumes": [{"name": "v", "emptyDir": {"sizeLimit": "1Gi"}}]}}
    merged = strategic_merge(base, patch)
    assert merged["spec"]["volumes"] == [{"name": "v", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}}]


def test_a_deleted_member_leaves_the_other() -> None:
    base = in_base(env=[{"name": "A", "value": "1"}])
    patch = in_base(env=[{"name": "A", "valueFrom": None}])
    assert strategic_merge(base, patch) == base


def test_order_is_kept_and_new_elements_come_last() -> None:
    base = in_base(env=[{"name": "A", "value": "1"}, {"name": "B", "value": "$(A)"}])
    patch = in_base(env=[{"name": "C", "value": "$(B)"}, {"name": "B", "value": "2"}, {"name": "D", "value": "4"}])
    names = [variable["name"] for variable in base_of(strategic_merge(base, patch))["env"]]
    assert names == ["A", "B", "C", "D"]


def test_base_stays_where_it_was() -> None:
    base = {"spec": {"containers": [{"name": "sync"}, {"name": "base"}]}}
    patch = {"spec": {"containers": [{"name": "base", "tty": True}, {"name": "proxy"}, {"name": "sync"}]}}
    names = [c["name"] for c in strategic_merge(base, patch)["spec"]["containers"]]
    assert names == ["sync", "base", "proxy"]


KEYED_LISTS = [
    ("spec", "containers", "name"),
    ("spec", "initContainers", "name"),
    ("spec", "ephemeralContainers", "name"),
    ("spec", "volumes", "name"),
    ("spec", "imagePullSecrets", "name"),
    ("spec", "resourceClaims", "name"),
    ("spec", "schedulingGates", "name"),
    ("spec", "hostAliases", "ip"),
    ("spec", "topologySpreadConstraints", "topologyKey"),
    ("metadata", "ownerReferences", "uid"),
    ("status", "conditions", "type"),
    ("status", "podIPs", "ip"),
    ("status", "hostIPs", "ip"),
    ("status", "resourceClaimStatuses", "name"),
]


@pytest.mark.parametrize(("part", "field", "key"), KEYED_LISTS)
def test_lists_with_a_merge_key_are_merged_by_it(part: str, field: str, key: str) -> None:
    base = {part: {field: [{key: "a", "x": 1, "y": 1}, {key: "b"}]}}
    patch = {part: {field: [{key: "c"}, {key: "a", "x": 2}]}}
    expected = [{key: "a", "x": 2, "y": 1}, {key: "b"}, {key: "c"}]
    result = strategic_merge(base, patch)[part][field]
    if field == "volumes":  # x and y would be two sources of one volume
        expected[0] = {key: "a", "x": 2}
    assert result == expected


@pytest.mark.parametrize(
    ("part", "field"),
    [
        ("spec", "tolerations"),
        ("spec", "readinessGates"),
        ("spec", "fieldOfTomorrow"),
        ("metadata", "managedFields"),
        ("status", "containerStatuses"),
    ],
)
def test_other_lists_are_replaced(part: str, field: str) -> None:
    patch = {part: {field: [{"name": "b"}]}}
    assert strategic_merge({part: {field: [{"name": "a"}, {"name": "b", "x": 1}]}}, patch) == patch


def test_finalizers_are_a_set() -> None:
    base = {"metadata": {"finalizers": ["a", "b"]}}
    assert strategic_merge(base, {"metadata": {"finalizers": ["c", "a"]}}) == {
        "metadata": {"finalizers": ["a", "b", "c"]}
    }
