"""Every object is one that Kubernetes takes: known fields only, and accepted by an API server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import pytest

from executor.localcluster.schema import decode_by
from tests.chart.rendering import Object, by_name, render
from tests.chart.sets import SETS, rendered
from tests.contract.api import Api

_APPLY = "application/apply-patch+yaml"
_FIRST = ("ServiceAccount", "Secret", "ConfigMap", "Role", "ClusterRole")
_PLURALS = {"NetworkPolicy": "networkpolicies"}


@pytest.mark.parametrize("name", SETS)
def test_every_field_is_one_of_kubernetes(name: str) -> None:
    for one in rendered(name).values():
        decoded, unknown = decode_by(f"V1{one['kind']}", one)
        assert unknown == [], f"{one['kind']} {one['metadata']['name']}"
        assert decoded["metadata"]["labels"]["app.kubernetes.io/instance"] == SETS[name].release


def test_a_field_that_there_is_not_would_be_seen() -> None:
    wrong = by_name(render(SETS["trial"].values))["Deployment airflow/airflow-scheduler"]
    wrong["spec"]["template"]["spec"]["containers"][0]["imagePullPolcy"] = "Always"
    assert decode_by("V1Deployment", wrong)[1] == ['unknown field "spec.template.spec.containers[0].imagePullPolcy"']


@pytest.fixture
async def teams(api: Api) -> AsyncIterator[dict[str, str]]:
    """Namespaces of tasks under names of this test's own; ClusterRoles are removed after it."""
    named = {name: f"{api.namespace}-{name[-1]}" for name in ("team-a", "team-b")}
    for real in named.values():
        assert (await api.call("POST", "/api/v1/namespaces", {"metadata": {"name": real}})).code == 201
    yield named
    for real in named.values():
        await api.delete(f"/api/v1/namespaces/{real}")
    for plural in ("clusterroles", "clusterrolebindings"):
        path = f"/apis/rbac.authorization.k8s.io/v1/{plural}"
        await api.call("DELETE", path, labelSelector=f"app.kubernetes.io/instance=of-{api.namespace}")


def _in_namespaces(values: Mapping[str, Any], teams: Mapping[str, str]) -> dict[str, Any]:
    executor = values.get("executor", {})
    named = [teams[name] for name in executor.get("namespaces", ())]
    return {**values, "executor": {**executor, "namespaces": named}}


def _path(one: Object) -> str:
    plural = _PLURALS.get(one["kind"], f"{one['kind'].lower()}s")
    base = f"/apis/{one['apiVersion']}" if "/" in one["apiVersion"] else f"/api/{one['apiVersion']}"
    namespace = one["metadata"].get("namespace")
    return f"{base}/namespaces/{namespace}/{plural}" if namespace else f"{base}/{plural}"


async def _apply(api: Api, objects: Sequence[Object]) -> None:
    """Server-side apply as Helm 4 does it, strictly."""

    async def apply(one: Object) -> None:
        query = {"fieldManager": "helm", "fieldValidation": "Strict"}
        answer = await api.call("PATCH", f"{_path(one)}/{one['metadata']['name']}", one, _APPLY, **query)
        assert answer.code in (200, 201), f"{one['kind']} {one['metadata']['name']}: {answer.text}"
        assert "warning" not in {name.lower() for name in answer.headers}, answer.headers

    for early in (True, False):
        await asyncio.gather(*(apply(one) for one in objects if (one["kind"] in _FIRST) is early))


@pytest.mark.parametrize("name", SETS)
async def test_an_api_server_accepts_every_object(api: Api, teams: dict[str, str], name: str) -> None:
    values = _in_namespaces(SETS[name].values, teams)
    release = f"of-{api.namespace}" if name != "long_names" else SETS[name].release
    objects = render(values, release=release, namespace=api.namespace)
    await _apply(api, objects)
    for one in objects:
        assert (await api.get(f"{_path(one)}/{one['metadata']['name']}")).code == 200


async def test_upgrades_from_any_values_to_any_others_meet_no_fixed_field(api: Api, teams: dict[str, str]) -> None:
    for revision, name in enumerate(("trial", "production", "git_sync", "namespaces", "placement", "trial"), start=1):
        values = _in_namespaces(SETS[name].values, teams)
        await _apply(api, render(values, release=f"of-{api.namespace}", namespace=api.namespace, revision=revision))


async def test_secrets_are_made_once_and_kept(api: Api) -> None:
    """An upgrade finds what the installation made (`lookup`), as the API server keeps it."""
    first = by_name(render({}, namespace=api.namespace))
    names = [name for name in first if name.startswith("Secret ")]
    assert len(names) == 2
    await _apply(api, [first[name] for name in names])
    kept = [(await api.get(f"{_path(first[name])}/{first[name]['metadata']['name']}")).body for name in names]
    again = by_name(render({}, namespace=api.namespace, existing=kept, revision=2))
    other = by_name(render({}, namespace=api.namespace))
    for name in names:
        assert again[name]["data"] == first[name]["data"]
        assert all(other[name]["data"][key] != value for key, value in first[name]["data"].items())
