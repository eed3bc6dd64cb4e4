"""Programs in pods talk to the API, follow changed Secrets, and may print as much as they like."""

from __future__ import annotations

import base64
import json

from executor.localcluster.node.cri_log import LOG_BYTES
from tests.cluster.conftest import Cluster, shell, state

CLIENT = """
import os
from kubernetes import client, config
config.load_incluster_config()
namespace = open("/var/run/secrets/kubernetes.io/serviceaccount/namespace").read()
pod = client.CoreV1Api().read_namespaced_pod(os.environ["HOSTNAME"], namespace)
print(pod.metadata.name, pod.status.phase, len(client.CoreV1Api().list_namespaced_pod(namespace).items))
"""


async def test_the_official_client_in_a_pod(cluster: Cluster) -> None:
    await cluster.create_pod("client", {"name": "base", "image": "machine:1", "command": ["python", "-c", CLIENT]})
    pod = await cluster.finished("client")
    assert pod["status"]["phase"] == "Succeeded", await cluster.log("client")
    assert await cluster.log("client") == "client Running 1\n"


async def test_the_token_is_the_pods_own(cluster: Cluster) -> None:
    created = await cluster.create_pod("token", shell("cat /var/run/secrets/kubernetes.io/serviceaccount/token"))
    await cluster.finished("token")
    token = await cluster.log("token")
    assert token != cluster.server.token
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    assert claims["sub"] == f"system:serviceaccount:{cluster.namespace}:default"
    assert claims["kubernetes.io"]["pod"] == {"name": "token", "uid": created["metadata"]["uid"]}


async def test_mounted_secrets_and_config_maps_follow_changes(cluster: Cluster) -> None:
    await cluster.create("secrets", "s", stringData={"a": "old", "gone": "x"})
    await cluster.create("configmaps", "c", data={"k": "old"})
    mounts = [
        {"name": "s", "mountPath": "/s"},
        {"name": "p", "mountPath": "/p"},
        {"name": "s", "mountPath": "/kept", "subPath": "a"},
    ]
    volumes = [
        {"name": "s", "secret": {"secretName": "s"}},
        {"name": "p", "projected": {"sources": [{"configMap": {"name": "c"}}]}},
    ]
    script = "until grep -q new /s/a && grep -q new /p/k; do sleep 0.1; done; cat /kept /s/a /s/b /p/k; ls /s"
    await cluster.create_pod("follows", shell(script, volumeMounts=mounts), volumes=volumes)
    await cluster.wait("follows", lambda pod: "running" in state(pod))
    data = {"a": base64.b64encode(b"new\n").decode(), "b": base64.b64encode(b"more\n").decode(), "gone": None}
    await cluster.api.patch(f"{cluster.path}/secrets/s", {"data": data})
    await cluster.api.patch(f"{cluster.path}/configmaps/c", {"data": {"k": "new\n"}})
    assert (await cluster.finished("follows"))["status"]["phase"] == "Succeeded"
    assert await cluster.log("follows") == "oldnew\nmore\nnew\na\nb\n"


async def test_labels_shown_in_a_volume_follow_changes(cluster: Cluster) -> None:
    items = [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]
    mounts = [{"name": "v", "mountPath": "/v"}]
    script = "until grep -q two /v/labels; do sleep 0.1; done; cat /v/labels"
    labels = {"metadata": {"labels": {"x": "one"}}}
    volumes = [{"name": "v", "downwardAPI": {"items": items}}]
    await cluster.create_pod("labels", shell(script, volumeMounts=mounts), volumes=volumes, **labels)
    await cluster.wait("labels", lambda pod: "running" in state(pod))
    await cluster.api.patch(f"{cluster.path}/pods/labels", {"metadata": {"labels": {"x": "two"}}})
    await cluster.finished("labels")
    assert await cluster.log("labels") == 'x="two"'


async def test_much_output_is_bounded(cluster: Cluster) -> None:
    line = "x" * 999
    script = f"import sys\nfor number in range(25_000): sys.stdout.write('%09d{line}\\n' % number)"
    created = await cluster.create_pod(
        "much", {"name": "base", "image": "machine:1", "command": ["python3", "-c", script]}
    )
    await cluster.finished("much")
    folder = cluster.server.state / "pods" / created["metadata"]["uid"] / "base"
    sizes = {path.name: path.stat().st_size for path in folder.iterdir()}
    assert set(sizes) == {"0.log", "0.log.1"}
    assert LOG_BYTES <= sizes["0.log.1"] < LOG_BYTES + (1 << 20)
    assert (folder / "0.log").read_bytes().endswith(b"F 000024999" + line.encode() + b"\n")
