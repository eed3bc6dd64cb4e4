"""Other people's clients against the server: what users will really use."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import kubernetes as synchronous
import kubernetes_asyncio as community
import pytest
from kubernetes.aio import client, config
from kubernetes.dynamic import DynamicClient
from kubernetes.stream import stream

from tests.contract.api import PATIENCE, Api, eventually, pod


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
    made.metadata.labels = {"x": "y"}
    replaced = await core.replace_namespaced_pod("a", api.namespace, made)
    assert replaced.metadata.labels == {"x": "y"}
    grace = client.V1DeleteOptions(grace_period_seconds=0)
    await core.delete_namespaced_pod("a", api.namespace, body=grace)


async def test_evict_by_the_client(core: client.CoreV1Api, api: Api) -> None:
    await core.create_namespaced_pod(api.namespace, pod("a"))
    body = client.V1Eviction(metadata=client.V1ObjectMeta(name="a", namespace=api.namespace))
    await core.create_namespaced_pod_eviction("a", api.namespace, body)
    assert (await api.get(api.path("pods", "a"))).code == 404


@contextmanager
def official(kubeconfig: Path) -> Iterator[Any]:
    """The official client that blocks."""
    settings = synchronous.client.Configuration()
    synchronous.config.load_kube_config(config_file=str(kubeconfig), client_configuration=settings)
    with synchronous.client.ApiClient(settings) as opened:
        yield opened


async def test_watch_by_the_synchronous_client(core: client.CoreV1Api, api: Api, kubeconfig: Path) -> None:
    version = await api.version()
    await core.create_namespaced_pod(api.namespace, pod("a"))

    def first_event() -> tuple[str, str]:
        with official(kubeconfig) as opened:
            pods = synchronous.client.CoreV1Api(opened)
            events = synchronous.watch.Watch().stream(
                pods.list_namespaced_pod, api.namespace, resource_version=version, timeout_seconds=60
            )
            return next((event["type"], event["object"].metadata.name) for event in events)

    assert await asyncio.to_thread(first_event) == ("ADDED", "a")


async def test_the_synchronous_client_writes_and_reads(api: Api, kubeconfig: Path) -> None:
    def life() -> tuple[list[str], int]:
        with official(kubeconfig) as opened:
            pods = synchronous.client.CoreV1Api(opened)
            pods.create_namespaced_pod(api.namespace, pod("a"))
            names = [one.metadata.name for one in pods.list_namespaced_pod(api.namespace).items]
            pods.delete_namespaced_pod("a", api.namespace)
            try:
                pods.read_namespaced_pod("a", api.namespace)
            except synchronous.client.ApiException as error:
                return names, int(error.status)
            return names, 200

    assert await asyncio.to_thread(life) == (["a"], 404)


async def test_the_dynamic_client(api: Api, kubeconfig: Path) -> None:
    await api.created("pods", pod("a"))

    def names() -> list[str]:
        with official(kubeconfig) as opened:
            pods = DynamicClient(opened).resources.get(api_version="v1", kind="Pod")
            return [item.metadata.name for item in pods.get(namespace=api.namespace).items]

    assert await asyncio.to_thread(names) == ["a"]


async def test_the_dynamic_client_finds_and_patches_other_kinds(api: Api, kubeconfig: Path) -> None:
    def change() -> tuple[str, int]:
        with official(kubeconfig) as opened:
            found = DynamicClient(opened).resources.get(api_version="policy/v1", kind="PodDisruptionBudget")
            body = {"metadata": {"name": "d"}, "spec": {"minAvailable": 1}}
            found.create(body=body, namespace=api.namespace)
            patch = {"metadata": {"name": "d"}, "spec": {"minAvailable": 2}}
            merge = "application/merge-patch+json"
            changed = found.patch(body=patch, namespace=api.namespace, content_type=merge)
            return changed.metadata.name, changed.spec.minAvailable

    assert await asyncio.to_thread(change) == ("d", 2)


@pytest.fixture
async def shell(node_api: Api) -> Api:
    """A pod ``a`` that runs for a while."""
    command = ["sh", "-c", "trap exit TERM; while true; do sleep 0.1; done"]
    spec = {"containers": [{"name": "base", "image": "machine:1", "command": command}], "restartPolicy": "Never"}
    await node_api.created("pods", {"metadata": {"name": "a"}, "spec": spec})

    async def is_up() -> bool:
        return bool((await node_api.get(node_api.path("pods", "a"))).body["status"]["phase"] == "Running")

    await eventually(is_up)
    return node_api


@contextmanager
def conversation(kubeconfig: Path, api: Api, *command: str, stdin: bool = False) -> Iterator[Any]:
    """A command in pod ``a`` by the official client."""
    with official(kubeconfig) as opened:
        socket = stream(
            synchronous.client.CoreV1Api(opened).connect_get_namespaced_pod_exec,
            "a",
            api.namespace,
            command=list(command),
            stdin=stdin,
            stdout=True,
            stderr=True,
            _preload_content=False,
        )
        try:
            yield socket
        finally:
            socket.sock.shutdown()  # its own close leaves the socket open when the server has closed first


async def test_stream_by_the_synchronous_client(shell: Api, nodes: Path) -> None:
    def converse() -> tuple[str, int]:
        with conversation(nodes, shell, "sh", stdin=True) as talk:
            talk.write_stdin("echo said\n")
            said = talk.readline_stdout(timeout=PATIENCE)
            talk.write_stdin("exit 4\n")
            talk.run_forever(timeout=PATIENCE)
            return said, talk.returncode

    assert await asyncio.to_thread(converse) == ("said", 4)


@pytest.fixture
async def kubernetes_asyncio(kubeconfig: Path) -> AsyncIterator[Any]:
    async with await community.config.new_client_from_config(config_file=str(kubeconfig)) as opened:
        yield community.client.CoreV1Api(opened)


async def test_kubernetes_asyncio_writes_watches_and_reads(kubernetes_asyncio: Any, api: Api) -> None:
    version = await api.version()
    await kubernetes_asyncio.create_namespaced_pod(api.namespace, pod("a"))
    found = await kubernetes_asyncio.list_namespaced_pod(api.namespace)
    assert [one.metadata.name for one in found.items] == ["a"]
    watching = community.watch.Watch()
    events = watching.stream(
        kubernetes_asyncio.list_namespaced_pod, api.namespace, resource_version=version, timeout_seconds=60
    )
    async with watching:
        event = await anext(events)
    assert (event["type"], event["object"].metadata.name) == ("ADDED", "a")
    await kubernetes_asyncio.delete_namespaced_pod("a", api.namespace)
    with pytest.raises(community.client.ApiException) as caught:
        await kubernetes_asyncio.read_namespaced_pod("a", api.namespace)
    assert caught.value.status == 404


async def test_stream_by_kubernetes_asyncio(shell: Api, nodes: Path) -> None:
    settings = community.client.Configuration()
    await community.config.load_kube_config(config_file=str(nodes), client_configuration=settings)
    async with community.stream.WsApiClient(configuration=settings) as opened:
        pods = community.client.CoreV1Api(opened)
        said = await pods.connect_get_namespaced_pod_exec(
            "a", shell.namespace, command=["echo", "hello"], stdout=True, stderr=True
        )
    assert said == "hello\n"


async def test_a_service_account_of_a_pod_uses_its_token(shell: Api, nodes: Path) -> None:
    """In-cluster clients: what the token is worth depends on roles, as the file in the pod says whose it is."""
    mount = "/var/run/secrets/kubernetes.io/serviceaccount"

    def read() -> str:
        script = f"cat {mount}/namespace; test -s {mount}/token && test -s {mount}/ca.crt"
        with conversation(nodes, shell, "sh", "-c", script) as talk:
            talk.run_forever(timeout=PATIENCE)
            return str(talk.read_all())

    assert await asyncio.to_thread(read) == shell.namespace
