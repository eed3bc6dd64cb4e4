"""What pods count for, and the sentences of a quota."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from executor.localcluster.quota import charge
from executor.localcluster.resources import PODS, RESOURCE_QUOTAS
from executor.localcluster.status import ApiError
from executor.localcluster.store import Store
from executor.localcluster.types import Json
from executor.localcluster.usage import Meter, pod_requirements, usage_of


def needs(cpu: str, **fields: Any) -> Json:
    return {"name": "base", "resources": {"requests": {"cpu": cpu}}, **fields}


def pod(name: str, cpu: str | None = None, phase: str = "Pending") -> Json:
    containers = [needs(cpu)] if cpu else [{}]
    metadata = {"name": name, "namespace": "n", "uid": name}
    return {"metadata": metadata, "spec": {"containers": containers}, "status": {"phase": phase}}


def store_with(hard: dict[str, str], *pods: Json) -> Store:
    store = Store()
    quota = {"metadata": {"name": "q", "namespace": "n", "uid": "q"}, "spec": {"hard": hard}}
    store.create(RESOURCE_QUOTAS, quota)
    for existing in pods:
        store.create(PODS, existing)
    return store


@pytest.mark.parametrize(
    ("initial", "cpu"),
    [
        ([], "3"),
        ([needs("2")], "3"),
        ([needs("5")], "5"),
        ([needs("1", restartPolicy="Always")], "4"),
        ([needs("1", restartPolicy="Always"), needs("9")], "10"),
        ([needs("9"), needs("1", restartPolicy="Always")], "9"),
    ],
)
def test_requirements_of_a_pod(initial: list[Json], cpu: str) -> None:
    spec = {"initContainers": initial, "containers": [needs("1"), needs("2")]}
    assert pod_requirements(spec, "requests") == {"cpu": Decimal(cpu)}


def test_a_pod_that_ended_counts_for_nothing() -> None:
    assert usage_of(PODS, pod("a", "1", "Succeeded")) == {"count/pods": Decimal(1)}
    assert usage_of(PODS, pod("a", "1")) == {"count/pods": Decimal(1), "pods": Decimal(1), "requests.cpu": Decimal(1)}


def test_within_the_quota() -> None:
    store = store_with({"pods": "2", "cpu": "2"}, pod("a", "1"), pod("b", "1", "Failed"))
    charge(store, Meter(store), PODS, pod("c", "1"))


@pytest.mark.parametrize(
    ("hard", "sentence"),
    [
        ({"pods": "1"}, "exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1"),
        ({"cpu": "1500m"}, "exceeded quota: q, requested: cpu=1, used: cpu=1, limited: cpu=1500m"),
        (
            {"requests.cpu": "1", "pods": "1"},
            "exceeded quota: q, requested: pods=1,requests.cpu=1, used: pods=1,requests.cpu=1, "
            "limited: pods=1,requests.cpu=1",
        ),
        ({"limits.memory": "1Gi", "cpu": "9"}, "failed quota: q: must specify limits.memory for: base"),
    ],
)
def test_beyond_the_quota(hard: dict[str, str], sentence: str) -> None:
    with pytest.raises(ApiError) as caught:
        charge(store := store_with(hard, pod("a", "1")), Meter(store), PODS, pod("b", "1"))
    assert (caught.value.code, caught.value.message) == (403, f'pods "b" is forbidden: {sentence}')
