"""Volumes at their place and environments with their values, from Secrets, ConfigMaps and the pod itself."""

from __future__ import annotations

from pathlib import Path

from executor.localcluster.node.api import Json
from tests.cluster.conftest import Cluster, is_on_this_machine, shell


def mount(path: str, **more: object) -> Json:
    return {"volumeMounts": [{"name": "v", "mountPath": path, **more}]}


async def output(cluster: Cluster, name: str) -> str:
    pod = await cluster.finished(name)
    assert pod["status"]["phase"] == "Succeeded", (pod["status"], await cluster.log(name))
    return await cluster.log(name)


async def test_secret_volume(cluster: Cluster) -> None:
    await cluster.create("secrets", "s", stringData={"a": "alpha", "b": "beta"})
    volume = {"name": "v", "secret": {"secretName": "s", "defaultMode": 0o400, "items": [{"key": "a", "path": "x/y"}]}}
    main = shell("cat /etc/worker/x/y; stat -c %a /etc/worker/x/y; test ! -e /etc/worker/b", **mount("/etc/worker"))
    await cluster.create_pod("secret", main, volumes=[volume])
    assert await output(cluster, "secret") == "alpha400\n"
    assert not is_on_this_machine("/etc/worker")


async def test_config_map_file_by_sub_path(cluster: Cluster) -> None:
    await cluster.create("configmaps", "c", data={"airflow.cfg": "[core]\n"})
    main = shell("cat /opt/airflow/airflow.cfg", **mount("/opt/airflow/airflow.cfg", subPath="airflow.cfg"))
    await cluster.create_pod("sub", main, volumes=[{"name": "v", "configMap": {"name": "c"}}])
    assert await output(cluster, "sub") == "[core]\n"


async def test_mountpoints_below_directories_of_this_machine(cluster: Cluster) -> None:
    path = "/usr/local/nobody/has/this"
    main = shell(f"echo deep > {path}/f; cat {path}/f; ls /usr/local | grep -c lib", **mount(path))
    await cluster.create_pod("deep", main, volumes=[{"name": "v", "emptyDir": {}}])
    assert await output(cluster, "deep") == "deep\n1\n"
    assert not is_on_this_machine("/usr/local/nobody")


async def test_projected_volume(cluster: Cluster) -> None:
    await cluster.create("secrets", "s", stringData={"a": "alpha"})
    sources = [
        {"secret": {"name": "s"}},
        {"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
    ]
    volume = {"name": "v", "projected": {"sources": sources}}
    main = shell("cat /p/a /p/labels", **mount("/p"))
    await cluster.create_pod("proj", main, volumes=[volume], metadata={"labels": {"x": "1", "w": "2"}})
    assert await output(cluster, "proj") == 'alphaw="2"\nx="1"'


async def test_read_only_mount(cluster: Cluster) -> None:
    main = shell("echo no > /v/f && exit 1; exit 0", **mount("/v", readOnly=True))
    await cluster.create_pod("ro", main, volumes=[{"name": "v", "emptyDir": {"medium": "Memory"}}])
    assert "Read-only file system" in await output(cluster, "ro")


async def test_host_path(cluster: Cluster, tmp_path: Path) -> None:
    volume = {"name": "v", "hostPath": {"path": str(tmp_path / "new"), "type": "DirectoryOrCreate"}}
    await cluster.create_pod("host", shell("echo hello > /data/f", **mount("/data")), volumes=[volume])
    await output(cluster, "host")
    assert (tmp_path / "new" / "f").read_text() == "hello\n"


async def test_service_account_files(cluster: Cluster) -> None:
    await cluster.create_pod("sa", shell("cat /var/run/secrets/kubernetes.io/serviceaccount/namespace"))
    assert await output(cluster, "sa") == cluster.namespace


async def test_missing_secret_volume_waits_until_it_is_there(cluster: Cluster) -> None:
    volume = {"name": "v", "secret": {"secretName": "later"}}
    await cluster.create_pod("wait", shell("cat /v/k", **mount("/v")), volumes=[volume])
    message = await cluster.event("wait", "FailedMount")
    assert message == 'MountVolume.SetUp failed for volume "v" : secret "later" not found'
    await cluster.waiting("wait", "ContainerCreating")
    await cluster.create("secrets", "later", stringData={"k": "now"})
    assert await output(cluster, "wait") == "now"


async def test_env_from_everywhere(cluster: Cluster) -> None:
    await cluster.create("secrets", "s", stringData={"key": "secret"})
    await cluster.create("configmaps", "c", data={"mode": "fast"})
    env = [
        {"name": "A", "value": "1"},
        {"name": "B", "value": "$(A)$(P_mode)$$(A)$(NOPE)"},
        {"name": "S", "valueFrom": {"secretKeyRef": {"name": "s", "key": "key"}}},
        {"name": "O", "valueFrom": {"secretKeyRef": {"name": "none", "key": "key", "optional": True}}},
        {"name": "N", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "M", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
    ]
    main = {
        "name": "base",
        "image": "machine:1",
        "command": ["sh", "-c", 'echo "$1|$B|$S|$N|$M|${O-unset}"', "sh"],
        "args": ["$(S)"],
        "env": env,
        "envFrom": [{"prefix": "P_", "configMapRef": {"name": "c"}}],
        "resources": {"limits": {"memory": "64Mi"}},
    }
    await cluster.create_pod("env", main)
    assert await output(cluster, "env") == "secret|1fast$(A)$(NOPE)|secret|env|64|unset\n"


async def test_missing_secret_in_env(cluster: Cluster) -> None:
    env = [{"name": "S", "valueFrom": {"secretKeyRef": {"name": "later", "key": "k"}}}]
    await cluster.create_pod("conf", shell('echo "$S"', env=env))
    assert (await cluster.waiting("conf", "CreateContainerConfigError"))["message"] == 'secret "later" not found'
    await cluster.create("secrets", "later", stringData={"other": "x"})
    key = f"couldn't find key k in Secret {cluster.namespace}/later"
    await cluster.wait("conf", lambda pod: key in str(pod["status"]))
    await cluster.api.patch(f"{cluster.path}/secrets/later", {"stringData": {"k": "v"}})
    assert await output(cluster, "conf") == "v\n"
