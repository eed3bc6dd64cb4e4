"""Nodes that stop, get lost and come back, evict pods, and make room for more important ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from executor.localcluster.node.api import Json
from tests.cluster.conftest import (
    PATIENCE,
    Cluster,
    Server,
    condition,
    containers,
    end_server,
    last_of,
    namespace_of,
    shell,
    start_server,
    state,
)
from tests.cluster.machines import Machines, pod_folder, tolerating
from tests.cluster.test_waiting_and_deletion import processes_with

DRAINABLE = "trap 'exit 143' TERM; while :; do sleep 0.05; done"


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server without nodes."""
    server = start_server(tmp_path_factory.mktemp("bare"), "--no-nodes")
    try:
        yield server
    finally:
        end_server(server)


@pytest.fixture
async def machines(bare: Server) -> AsyncIterator[Machines]:
    machines = Machines(bare)
    async with machines.scheduled():
        await machines.start()
        yield machines


@pytest.fixture
async def cluster(bare: Server, machines: Machines) -> AsyncIterator[Cluster]:
    async with namespace_of(bare) as cluster:
        yield cluster


async def started(cluster: Cluster, name: str, *, script: str = DRAINABLE, **spec: object) -> Json:
    await cluster.create_pod(name, shell(script), **spec)
    return await cluster.wait(name, lambda pod: "running" in state(pod))


async def ready(cluster: Cluster, node: str, status: str) -> Json:
    """The node, once its Ready condition has that status."""
    async with asyncio.timeout(PATIENCE):
        while True:
            nodes = (await cluster.api.get("/api/v1/nodes"))["items"]
            found = next((one for one in nodes if one["metadata"]["name"] == node), None)
            if found and condition(found, "Ready").get("status") == status:
                return found
            await asyncio.sleep(0.05)


async def test_eviction_by_the_api_stays_visible_to_the_end(cluster: Cluster) -> None:
    pod = await started(cluster, "drained")
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "drained"}}
    await cluster.api.post(f"{cluster.path}/pods/drained/eviction", eviction)
    last = await last_of(cluster, pod)
    assert condition(last, "DisruptionTarget")["reason"] == "EvictionByEvictionAPI"
    assert (last["status"]["phase"], state(last)["terminated"]["exitCode"]) == ("Failed", 143)


async def test_a_node_without_memory_evicts(cluster: Cluster, machines: Machines) -> None:
    pod = await started(cluster, "greedy")
    other = await started(cluster, "modest")
    machines.mishap(evict=[pod["metadata"]["uid"]])
    failed = await cluster.finished("greedy")
    machines.mishap()
    assert (failed["status"]["phase"], failed["status"]["reason"]) == ("Failed", "Evicted")
    message = failed["status"]["message"]
    assert message.startswith("The node was low on resource: memory. Threshold quantity: 100Mi, available: ")
    assert "Container base was using " in message
    target = condition(failed, "DisruptionTarget")
    assert (target["reason"], target["message"]) == ("TerminationByKubelet", message)
    assert state(failed)["terminated"]["exitCode"] == 137
    assert await cluster.event("greedy", "Evicted") == message
    assert "deletionTimestamp" not in failed["metadata"]
    after = await cluster.pod("modest")
    assert after is not None
    assert (after["metadata"]["uid"], "running" in state(after)) == (other["metadata"]["uid"], True)


async def test_more_important_pods_get_room(cluster: Cluster) -> None:
    def asking(memory: str) -> Json:
        return shell(DRAINABLE, resources={"requests": {"memory": memory}})

    await cluster.create_pod("small", asking("1Gi"))
    await cluster.create_pod("large", asking("2Gi"))
    for name in ("small", "large"):
        before = await cluster.wait(name, lambda pod: "running" in state(pod))
    names = {policy: f"{cluster.namespace}-{policy}".lower() for policy in ("Never", "PreemptLowerPriority")}
    for policy, name in names.items():
        important = {"metadata": {"name": name}, "value": 1000, "preemptionPolicy": policy}
        await cluster.api.post("/apis/scheduling.k8s.io/v1/priorityclasses", important)
    await cluster.create_pod("patient", asking("3Gi"), priorityClassName=names["Never"])
    assert "No preemption victims found" in await cluster.event("patient", "FailedScheduling")
    await cluster.delete("patient", gracePeriodSeconds=0)
    await cluster.create_pod("urgent", asking("2Gi"), priorityClassName=names["PreemptLowerPriority"])
    last = await last_of(cluster, before)
    target = condition(last, "DisruptionTarget")
    message = "default-scheduler: preempting to accommodate a higher priority pod"
    assert (target["reason"], target["message"]) == ("PreemptionByScheduler", message)
    pod = await cluster.wait("urgent", lambda pod: "running" in state(pod))
    assert (await cluster.event("large", "Preempted")) == f"Preempted by pod {pod['metadata']['uid']} on node local"
    assert await cluster.event("urgent", "FailedScheduling") == "0/1 nodes are available: 1 Insufficient memory."
    assert "running" in state(await cluster.pod("small"))


async def test_a_node_that_stops(cluster: Cluster, machines: Machines) -> None:
    mark = f"stop-{cluster.namespace}"
    script = f": {mark}; {DRAINABLE}"
    pod = await started(cluster, "short", script=script, **tolerating(0))
    await started(cluster, "long", script=script, **tolerating(300))
    machines.mishap(stop=True)
    await cluster.wait_until(lambda: not processes_with(mark))
    node = await ready(cluster, "local", "Unknown")
    assert condition(node, "Ready")["reason"] == "NodeStatusUnknown"
    last = await last_of(cluster, pod)  # nobody on the node could say that it ended
    target = condition(last, "DisruptionTarget")
    assert (target["reason"], target["status"]) == ("DeletionByTaintManager", "True")
    assert "deletionTimestamp" in last["metadata"]
    assert (last["status"]["phase"], "running" in state(last)) == ("Failed", True)
    assert await cluster.event("short", "TaintManagerEviction")
    waiting = await cluster.wait("long", lambda pod: condition(pod, "Ready").get("status") == "False")
    assert waiting["status"]["phase"] == "Running"
    await cluster.create_pod("new", shell("true"))
    message = await cluster.event("new", "FailedScheduling")
    assert "untolerated taint" in message

    machines.mishap()
    await ready(cluster, "local", "True")
    failed = await cluster.finished("long")
    ended = state(failed)["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (137, "ContainerStatusUnknown")
    assert (await cluster.finished("new"))["status"]["phase"] == "Succeeded"
    node = await cluster.api.get("/api/v1/nodes/local")
    assert not node["spec"].get("taints")
    assert not pod_folder(cluster.server, pod).exists()


async def test_a_node_that_is_lost_and_comes_back(cluster: Cluster, machines: Machines) -> None:
    mark = f"lost-{cluster.namespace}"
    gone = await started(cluster, "gone", script=f": {mark}; {DRAINABLE}", **tolerating(0))
    stays = await started(cluster, "stays", **tolerating(300))
    machines.mishap(lose=True)
    await ready(cluster, "local", "Unknown")
    await cluster.wait("gone", lambda pod: pod is None)
    assert processes_with(mark)  # the node does not know yet
    await cluster.wait("stays", lambda pod: condition(pod, "Ready").get("status") == "False")
    machines.mishap()
    await ready(cluster, "local", "True")
    await cluster.wait_until(lambda: not processes_with(mark))
    await cluster.wait_until(lambda: not pod_folder(cluster.server, gone).exists())
    pod = await cluster.wait("stays", lambda pod: condition(pod, "Ready").get("status") == "True")
    assert containers(pod)["base"]["containerID"] == containers(stays)["base"]["containerID"]


async def test_pods_of_a_deleted_node_are_removed(cluster: Cluster, machines: Machines) -> None:
    await machines.start("second")
    await ready(cluster, "second", "True")
    pod = await started(cluster, "orphan", nodeSelector={"kubernetes.io/hostname": "second"})
    await machines.stop("second")
    await cluster.api.delete("/api/v1/nodes/second", {})
    last = await last_of(cluster, pod)
    target = condition(last, "DisruptionTarget")
    assert (target["reason"], target["message"]) == ("DeletionByPodGC", "PodGC: node no longer exists")
    assert last["status"]["phase"] == "Failed"


async def test_people_drive_pods_away_with_taints(cluster: Cluster) -> None:
    pod = await started(cluster, "driven")
    away = {"spec": {"taints": [{"key": "maintenance", "effect": "NoExecute"}]}}
    await cluster.api.patch("/api/v1/nodes/local", away)
    last = await last_of(cluster, pod)
    assert condition(last, "DisruptionTarget")["reason"] == "DeletionByTaintManager"
    assert state(last)["terminated"]["exitCode"] == 143
    await cluster.api.patch("/api/v1/nodes/local", {"spec": {"taints": None}})


async def test_a_new_life_of_the_agent(cluster: Cluster, machines: Machines) -> None:
    never = await started(cluster, "never")
    volumes = {"volumes": [{"name": "v", "emptyDir": {}}]}
    mounts = [{"name": "v", "mountPath": "/v"}]
    first = f"test -e /v/seen && exit 0; touch /v/seen; {DRAINABLE}"
    await cluster.create_pod("again", shell(first, volumeMounts=mounts), **volumes, restartPolicy="OnFailure")
    await cluster.wait("again", lambda pod: "running" in state(pod))
    leftover = cluster.server.state / "pods" / "of-a-pod-that-is-gone"
    await machines.stop()
    leftover.mkdir()
    await machines.start()
    failed = await cluster.finished("never")
    ended = state(failed)["terminated"]
    assert (failed["status"]["phase"], ended["exitCode"], ended["reason"]) == ("Failed", 137, "ContainerStatusUnknown")
    assert ended["message"] == "The container could not be located when the pod was terminated"
    pod = await cluster.finished("again")
    assert pod["status"]["phase"] == "Succeeded"
    again = containers(pod)["base"]
    assert (again["restartCount"], again["lastState"]["terminated"]["exitCode"]) == (1, 137)
    await cluster.wait_until(lambda: not leftover.exists())
    left = sorted(path.name for path in pod_folder(cluster.server, never).iterdir() if not path.name.startswith("."))
    assert left == ["base"]
    assert [path.name for path in (pod_folder(cluster.server, never) / "base").iterdir()] == ["0.log"]


async def test_a_registry_that_heals(cluster: Cluster) -> None:
    await cluster.create_pod("heals", {**shell("true"), "image": "registry.example/heals:1"})
    refused = await cluster.waiting("heals", "ImagePullBackOff")
    assert refused["message"].startswith('Back-off pulling image "registry.example/heals:1": ErrImagePull: failed to')
    assert "503 Service Unavailable" in refused["message"]
    await cluster.waiting("heals", "ErrImagePull")
    assert (await cluster.finished("heals"))["status"]["phase"] == "Succeeded"


async def test_a_control_file_that_cannot_be_read_changes_nothing(
    cluster: Cluster, machines: Machines, caplog: pytest.LogCaptureFixture
) -> None:
    machines.mishap(halt=True)
    await cluster.wait_until(lambda: "node faults stay as they are" in caplog.text)
    assert "halt" in caplog.text
    await started(cluster, "runs")
    machines.mishap()
