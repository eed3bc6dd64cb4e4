"""The official asyncio client against the server: what people will really use."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import kubernetes as synchronous
import pytest
from kubernetes.aio import client, config
from kubernetes.dynamic import DynamicClient

from tests.contract.api import Api, pod


@pytest.fixture
async def core(api: Api, kubeconfig: Path) -> AsyncIterator[client.CoreV1Api]:
    settings = client.Configuration()
    await config.load_kube_config(config_file=str(kubeconfig), client_configuration=settings)
    async with client.ApiClient(settings) as opened:
        yield client.CoreV1Api(opened)


async def test_create_read_list_delete(core: client.CoreV1Api, api: Api) -> None:
    made = await core.create_namespaced_pod(api.namespace, pod("a"))
    assert made.spec.containers[0].name == "base"
    found = await core.list_namespaced_pod(api.namespace)
    assert [item.metadata.uid for item in found.items] == [made.metadata.uid]
    await core.delete_namespaced_pod("a", api.namespace)
    with pytest.raises(client.ApiException) as caught:
        await core.read_namespaced_pod("a", api.namespace)
    assert caught.value.status == 404


async def test_patches_of_the_client(core: client.CoreV1Api, api: Api) -> None:
    await core.create_namespaced_pod(api.namespace, pod("a"))
    patched = await core.patch_namespaced_pod("a", api.namespace, {"metadata": {"labels": {"done": "true"}}})
    assert patched.metadata.labels == {"done": "true"}
    operations = [{"op": "remove", "path": "/metadata/labels/done"}]
    assert not (await core.patch_namespaced_pod("a", api.namespace, operations)).metadata.labels


async def test_models_are_read_and_written_back(core: client.CoreV1Api, api: Api) -> None:
    spec = client.V1PodSpec(
        containers=[client.V1Container(name="base", image="registry.example/none:1")],
        scheduling_gates=[client.V1PodSchedulingGate(name="example.com/contract")],
    )
    body = client.V1Pod(metadata=client.V1ObjectMeta(name="a"), spec=spec)
    made = await core.create_namespaced_pod(api.namespace, body, field_validation="Strict")
    made.metadata.annotations = {"note": "y"}
    replaced = await core.replace_namespaced_pod("a", api.namespace, made, field_validation="Strict")
    assert replaced.metadata.annotations == {"note": "y"}
    assert replaced.metadata.uid == made.metadata.uid
    grace = client.V1DeleteOptions(grace_period_seconds=0, preconditions=client.V1Preconditions(uid=made.metadata.uid))
    await core.delete_namespaced_pod("a", api.namespace, body=grace)


async def test_watch_by_the_synchronous_client(core: client.CoreV1Api, api: Api, kubeconfig: Path) -> None:
    version = await api.version()
    await core.create_namespaced_pod(api.namespace, pod("a"))
    settings = synchronous.client.Configuration()
    synchronous.config.load_kube_config(config_file=str(kubeconfig), client_configuration=settings)

    def first_event() -> tuple[str, str]:
        with synchronous.client.ApiClient(settings) as opened:
            pods = synchronous.client.CoreV1Api(opened)
            events = synchronous.watch.Watch().stream(
                pods.list_namespaced_pod, api.namespace, resource_version=version, timeout_seconds=5
            )
            return next((event["type"], event["object"].metadata.name) for event in events)

    assert await asyncio.to_thread(first_event) == ("ADDED", "a")


async def test_the_dynamic_client(api: Api, kubeconfig: Path) -> None:
    await api.created("pods", pod("a"))
    settings = synchronous.client.Configuration()
    synchronous.config.load_kube_config(config_file=str(kubeconfig), client_configuration=settings)

    def names() -> list[str]:
        with synchronous.client.ApiClient(settings) as opened:
            pods = DynamicClient(opened).resources.get(api_version="v1", kind="Pod")
            return [item.metadata.name for item in pods.get(namespace=api.namespace).items]

    assert await asyncio.to_thread(names) == ["a"]
