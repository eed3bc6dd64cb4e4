"""Defaults that depend on the pod."""

from __future__ import annotations

import copy

import pytest

from executor.localcluster.pod_defaults import default_pod, pull_policy, qos_class
from executor.localcluster.types import Json


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("a", "Always"),
        ("a:latest", "Always"),
        ("registry:5000/a", "Always"),
        ("registry:5000/a:2", "IfNotPresent"),
        ("a@sha256:00", "IfNotPresent"),
    ],
)
def test_pull_policy(image: str, policy: str) -> None:
    assert pull_policy(image) == policy


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ([{}], "BestEffort"),
        ([{"requests": {"cpu": "1"}}], "Burstable"),
        ([{"limits": {"cpu": "1", "memory": "1"}, "requests": {"cpu": "1", "memory": "1"}}], "Guaranteed"),
        ([{"limits": {"cpu": "1", "memory": "1"}, "requests": {"cpu": "1", "memory": "1"}}, {}], "Burstable"),
        ([{"requests": {"cpu": "0"}}], "BestEffort"),
    ],
)
def test_quality_of_service(resources: list[Json], expected: str) -> None:
    assert qos_class({"containers": [{"resources": entry} for entry in resources]}) == expected


def test_defaulting_twice_changes_nothing() -> None:
    pod: Json = {
        "metadata": {"name": "a"},
        "spec": {
            "containers": [{"name": "a", "image": "i", "livenessProbe": {"httpGet": {"port": 1}}, "ports": [{}]}],
            "volumes": [
                {"name": "v"},
                {"name": "p", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}},
            ],
            "schedulingGates": [{"name": "g"}],
        },
    }
    default_pod(pod)
    again = copy.deepcopy(pod)
    default_pod(again)
    assert again == pod
    assert pod["spec"]["volumes"][0] == {"name": "v", "emptyDir": {}}
    assert pod["spec"]["volumes"][1]["projected"]["sources"][0]["serviceAccountToken"]["expirationSeconds"] == 3600
    assert pod["status"]["conditions"][0]["reason"] == "SchedulingGated"


def test_an_own_toleration_takes_the_place_of_the_default() -> None:
    pod: Json = {
        "metadata": {},
        "spec": {"tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists"}]},
    }
    default_pod(pod)
    assert [t["key"] for t in pod["spec"]["tolerations"]] == [
        "node.kubernetes.io/not-ready",
        "node.kubernetes.io/unreachable",
    ]
