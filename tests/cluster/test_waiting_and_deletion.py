"""Pods that cannot start, and pods that are deleted."""

from __future__ import annotations

import os
import time
from pathlib import Path

from tests.cluster.conftest import Cluster, shell, state

POLITE = 25.0  # seconds; who ends by itself does not need the grace period, which is 30


def processes_with(mark: str) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and mark.encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:  # it ended meanwhile
            continue
    return [pid for pid in found if pid != os.getpid()]


async def test_missing_image(cluster: Cluster) -> None:
    await cluster.create_pod("pull", {"name": "base", "image": "registry.example/missing:1"})
    assert "not found" in (await cluster.waiting("pull", "ErrImagePull"))["message"]
    assert (await cluster.waiting("pull", "ImagePullBackOff"))["message"].startswith("Back-off pulling image")
    assert await cluster.event("pull", "BackOff") == 'Back-off pulling image "registry.example/missing:1"'


async def test_missing_image_that_may_not_be_pulled(cluster: Cluster) -> None:
    image = {"name": "base", "image": "registry.example/missing:1", "imagePullPolicy": "Never"}
    await cluster.create_pod("never", image)
    await cluster.waiting("never", "ErrImageNeverPull")


async def test_invalid_image_name(cluster: Cluster) -> None:
    await cluster.create_pod("name", {"name": "base", "image": "Bad Name"})
    assert "invalid reference format" in (await cluster.waiting("name", "InvalidImageName"))["message"]


async def test_unschedulable_until_there_is_room(cluster: Cluster) -> None:
    half = {"resources": {"requests": {"memory": "3Gi"}}}
    await cluster.create_pod("first", shell("sleep 60", **half))
    await cluster.wait("first", lambda pod: "running" in state(pod))
    await cluster.create_pod("second", shell("true", **half))
    assert (await cluster.event("second", "FailedScheduling")).startswith(
        "0/1 nodes are available: 1 Insufficient memory. preemption:"
    )
    pod = await cluster.wait("second", lambda pod: pod["status"].get("conditions"))
    condition = next(c for c in pod["status"]["conditions"] if c["type"] == "PodScheduled")
    assert (condition["status"], condition["reason"]) == ("False", "Unschedulable")
    await cluster.delete("first", gracePeriodSeconds=0)
    assert (await cluster.finished("second"))["status"]["phase"] == "Succeeded"


async def test_node_selector_that_matches_nothing(cluster: Cluster) -> None:
    await cluster.create_pod("gpu", shell("true"), nodeSelector={"gpu": "yes"})
    assert "1 node(s) didn't match Pod's node affinity/selector" in await cluster.event("gpu", "FailedScheduling")


async def test_gated_pod_starts_when_the_gate_goes(cluster: Cluster) -> None:
    await cluster.create_pod("gate", shell("true"), schedulingGates=[{"name": "example.com/wait"}])
    await cluster.create_pod("after", shell("true"))
    await cluster.finished("after")
    pod = await cluster.pod("gate")
    assert pod is not None
    assert "nodeName" not in pod["spec"]
    await cluster.api.request(
        "PATCH", f"{cluster.path}/pods/gate", {"spec": {"schedulingGates": None}}, None, "application/merge-patch+json"
    )
    assert (await cluster.finished("gate"))["status"]["phase"] == "Succeeded"


async def test_deletion_lets_the_program_end_by_itself(cluster: Cluster, tmp_path: Path) -> None:
    script = "trap 'echo bye > /out/f; exit 0' TERM; echo ready; while :; do sleep 0.05; done"
    volume = {"name": "v", "hostPath": {"path": str(tmp_path)}}
    await cluster.create_pod(
        "polite", shell(script, volumeMounts=[{"name": "v", "mountPath": "/out"}]), volumes=[volume]
    )
    pod = await cluster.wait("polite", lambda pod: "running" in state(pod))
    await cluster.said("polite", "ready")
    start = time.monotonic()
    await cluster.delete("polite")
    await cluster.wait("polite", lambda pod: pod is None)
    assert time.monotonic() - start < POLITE
    assert (tmp_path / "f").read_text() == "bye\n"
    folder = cluster.server.state / "pods" / pod["metadata"]["uid"]
    await cluster.wait_until(lambda: not folder.exists())


async def test_deletion_kills_after_the_grace_period(cluster: Cluster) -> None:
    mark = f"deaf-{cluster.namespace}"
    await cluster.create_pod("deaf", shell(f"trap '' TERM; echo {mark}; while :; do sleep 0.1; done"))
    await cluster.wait("deaf", lambda pod: "running" in state(pod))
    await cluster.said("deaf", mark)
    assert processes_with(mark)
    start = time.monotonic()
    await cluster.delete("deaf", gracePeriodSeconds=1)
    await cluster.wait("deaf", lambda pod: pod is None)
    assert 0.9 < time.monotonic() - start < POLITE
    assert not processes_with(mark)


async def test_final_status_is_written_before_the_object_goes(cluster: Cluster) -> None:
    await cluster.create_pod("seen", shell("trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done"))
    pod = await cluster.wait("seen", lambda pod: "running" in state(pod))
    await cluster.said("seen", "ready")
    version = pod["metadata"]["resourceVersion"]
    params = {"resourceVersion": version, "fieldSelector": "metadata.name=seen"}
    async with cluster.api.watch(f"{cluster.path}/pods", params) as events:
        await cluster.delete("seen")
        async for event in events:
            if event["type"] == "DELETED":
                break
    assert event["object"]["status"]["phase"] == "Failed"
    assert state(event["object"])["terminated"]["exitCode"] == 9


async def test_forced_deletion_leaves_no_process(cluster: Cluster) -> None:
    mark = f"forced-{cluster.namespace}"
    await cluster.create_pod("forced", shell(f"echo {mark}; sleep 1000"))
    pod = await cluster.wait("forced", lambda pod: "running" in state(pod))
    await cluster.delete("forced", gracePeriodSeconds=0)
    await cluster.wait("forced", lambda pod: pod is None)
    await cluster.wait_until(lambda: not processes_with(mark))
    folder = cluster.server.state / "pods" / pod["metadata"]["uid"]
    await cluster.wait_until(lambda: not folder.exists())
