"""postStart and preStop hooks, and a root that cannot be written."""

from __future__ import annotations

import time
from pathlib import Path

from executor.localcluster.node.api import Json
from tests.cluster.conftest import Cluster, containers, shell, state

LOOP = "while :; do sleep 0.05; done"


def on_host(folder: Path) -> Json:
    return {"volumes": [{"name": "v", "hostPath": {"path": str(folder)}}]}


def hook(kind: str, command: str) -> Json:
    mounts = [{"name": "v", "mountPath": "/out"}]
    return {"volumeMounts": mounts, "lifecycle": {kind: {"exec": {"command": ["sh", "-c", command]}}}}


async def test_hooks_run_in_the_container(cluster: Cluster, tmp_path: Path) -> None:
    after = hook("postStart", 'echo "post $WHO $(cat /mine)" >> /out/log')
    before = hook("preStop", "echo pre >> /out/log")
    lifecycle = {"lifecycle": {**after["lifecycle"], **before["lifecycle"]}}
    script = f"echo file > /mine; trap 'echo term >> /out/log; exit 0' TERM; echo ready; {LOOP}"
    env = [{"name": "WHO", "value": "me"}]
    await cluster.create_pod("hooks", shell(script, env=env, **{**after, **lifecycle}), **on_host(tmp_path))
    await cluster.wait("hooks", lambda pod: "running" in state(pod))
    assert (tmp_path / "log").read_text() in ("post me file\n", "post me \n")  # it races with the program, as ever
    await cluster.said("hooks", "ready")
    await cluster.delete("hooks")
    await cluster.wait("hooks", lambda pod: pod is None)
    assert (tmp_path / "log").read_text().splitlines()[1:] == ["pre", "term"]


async def test_a_container_runs_once_its_post_start_hook_is_over(cluster: Cluster, tmp_path: Path) -> None:
    held = hook("postStart", "until test -e /out/go; do sleep 0.05; done")
    await cluster.create_pod("post", shell("exec sleep 900", **held), **on_host(tmp_path))
    await cluster.event("post", "Started")
    waiting = state(await cluster.pod("post"))["waiting"]
    assert waiting["reason"] == "ContainerCreating"
    (tmp_path / "go").touch()
    await cluster.wait("post", lambda pod: "running" in state(pod))


async def test_a_hook_may_just_sleep(cluster: Cluster) -> None:
    start = time.monotonic()
    await cluster.create_pod("naps", shell("exec sleep 900", lifecycle={"postStart": {"sleep": {"seconds": 1}}}))
    await cluster.wait("naps", lambda pod: "running" in state(pod))
    assert time.monotonic() - start >= 1


async def test_a_failed_post_start_hook_ends_the_container(cluster: Cluster, tmp_path: Path) -> None:
    failing = hook("postStart", "echo secret; exit 1")
    spec = {"terminationGracePeriodSeconds": 0, **on_host(tmp_path)}
    await cluster.create_pod("badpost", shell(LOOP, **failing), **spec)
    assert (await cluster.finished("badpost"))["status"]["phase"] == "Failed"
    assert await cluster.event("badpost", "FailedPostStartHook") == "PostStartHook failed"
    assert await cluster.event("badpost", "Killing") == "FailedPostStartHook"


async def test_a_failed_pre_stop_hook_is_told(cluster: Cluster, tmp_path: Path) -> None:
    script = f"trap 'exit 0' TERM; {LOOP}"
    await cluster.create_pod("badpre", shell(script, **hook("preStop", "exit 1")), **on_host(tmp_path))
    await cluster.wait("badpre", lambda pod: "running" in state(pod))
    await cluster.delete("badpre")
    assert await cluster.event("badpre", "FailedPreStopHook") == "PreStopHook failed"
    await cluster.wait("badpre", lambda pod: pod is None)


async def test_a_pre_stop_hook_ends_with_the_grace_period(cluster: Cluster, tmp_path: Path) -> None:
    script = f"trap 'echo term > /out/log; exit 0' TERM; echo ready; {LOOP}"
    await cluster.create_pod("longpre", shell(script, **hook("preStop", "sleep 900")), **on_host(tmp_path))
    await cluster.wait("longpre", lambda pod: "running" in state(pod))
    await cluster.said("longpre", "ready")
    start = time.monotonic()
    await cluster.delete("longpre", gracePeriodSeconds=1)
    await cluster.wait("longpre", lambda pod: pod is None)
    assert time.monotonic() - start > 0.9
    assert (tmp_path / "log").read_text() == "term\n"  # the window after the hook was cut short


async def test_read_only_root(cluster: Cluster) -> None:
    script = """
    for place in /f /usr/f /run/f /etc/hosts; do (echo x > $place) 2>/dev/null && echo "wrote $place"; done
    for place in /v/f /var/run/w/f /dev/shm/f /dev/null /dev/termination-log; do echo x > $place || exit 1; done
    """
    mounts = [{"name": "v", "mountPath": "/v"}, {"name": "w", "mountPath": "/var/run/w"}]
    closed = {"readOnlyRootFilesystem": True}
    volumes = [{"name": name, "emptyDir": {}} for name in ("v", "w")]
    await cluster.create_pod("closed", shell(script, volumeMounts=mounts, securityContext=closed), volumes=volumes)
    pod = await cluster.finished("closed")
    assert pod["status"]["phase"] == "Succeeded", await cluster.log("closed")
    assert await cluster.log("closed") in ("", "wrote /etc/hosts\n")  # the kubelet's own file, writable there too
    assert containers(pod)["base"]["state"]["terminated"]["message"] == "x\n"
