"""Mishaps on demand, as tests of clients use them: one call each, on a cluster with short times."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from executor.demo.cluster import Cluster as Official
from executor.demo.mishaps import Mishaps
from executor.localcluster.node.api import Json
from tests.cluster.conftest import (
    Cluster,
    Server,
    condition,
    containers,
    end_server,
    last_of,
    shell,
    start_server,
    state,
)

TIMES = "first-backoff=0.4 pull-failure=0.2 lease=0.2 faults=0.05 tick=0.2 silence=1 out-of-service=1 quarantine=0.5"
DRAINABLE = "trap 'exit 143' TERM; while :; do sleep 0.05; done"
FOREIGN = "registry.example/app:1"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    times = [part for time in TIMES.split() for part in ("--time", time)]
    running = start_server(tmp_path_factory.mktemp("mishaps"), *times)
    try:
        yield running
    finally:
        end_server(running)


@pytest.fixture(scope="module")
def mishaps(server: Server) -> Iterator[Mishaps]:
    official = Official(server.state.parent / "kubeconfig")
    yield Mishaps(official.core, server.state)
    official.close()


async def started(cluster: Cluster, name: str, **spec: object) -> Json:
    await cluster.create_pod(name, shell(DRAINABLE), **spec)
    return await cluster.wait(name, lambda pod: "running" in state(pod))


def disruption(pod: Json) -> str:
    return str(condition(pod, "DisruptionTarget").get("reason", ""))


async def test_out_of_memory(cluster: Cluster, mishaps: Mishaps) -> None:
    await cluster.create_pod("two", shell(DRAINABLE), shell(DRAINABLE, "other"))
    await cluster.wait("two", lambda pod: len(running(pod)) == 2)
    mishaps.run_out_of_memory("two", cluster.namespace, "other")
    pod = await cluster.wait("two", lambda pod: running(pod) == {"base"})
    killed = containers(pod)["other"]["state"]["terminated"]
    assert (killed["exitCode"], killed["reason"]) == (137, "OOMKilled")
    mishaps.run_out_of_memory("two", cluster.namespace)
    pod = await cluster.finished("two")
    assert (pod["status"]["phase"], state(pod)["terminated"]["reason"]) == ("Failed", "OOMKilled")


def running(pod: Json | None) -> set[str]:
    return {name for name, one in containers(pod).items() if "running" in one["state"]}


async def test_evicted_by_its_node(cluster: Cluster, mishaps: Mishaps) -> None:
    await started(cluster, "greedy")
    mishaps.evict("greedy", cluster.namespace)
    pod = await cluster.finished("greedy")
    assert (pod["status"]["phase"], pod["status"]["reason"]) == ("Failed", "Evicted")
    assert disruption(pod) == "TerminationByKubelet"


@pytest.mark.parametrize(
    ("how", "reason"), [("preempt", "PreemptionByScheduler"), ("drain", "EvictionByEvictionAPI"), ("delete", "")]
)
async def test_taken_away_while_it_runs(cluster: Cluster, mishaps: Mishaps, how: str, reason: str) -> None:
    pod = await started(cluster, "victim")
    getattr(mishaps, how)("victim", cluster.namespace)
    last = await last_of(cluster, pod)
    assert (disruption(last), state(last)["terminated"]["exitCode"]) == (reason, 143)
    assert "deletionTimestamp" in last["metadata"]


async def test_deleted_while_it_waits(cluster: Cluster, mishaps: Mishaps) -> None:
    mishaps.set_image(FOREIGN, {"delay": 900})
    await cluster.create_pod("homeless", shell("true"), nodeSelector={"no": "where"})
    await cluster.create_pod("pulling", {**shell("true"), "image": FOREIGN})
    await cluster.event("pulling", "Pulling")
    for name in ("homeless", "pulling"):
        pod = await cluster.pod(name)
        assert pod is not None
        assert pod["status"]["phase"] == "Pending"
        mishaps.delete(name, cluster.namespace)
        await cluster.wait(name, lambda pod: pod is None)
    mishaps.mend_image(FOREIGN)


async def test_an_image_that_heals_by_itself(cluster: Cluster, mishaps: Mishaps) -> None:
    mishaps.break_image(FOREIGN, "unexpected status: 503 Service Unavailable", failures=1)
    await cluster.create_pod("once", {**shell("true"), "image": FOREIGN})
    assert "503 Service Unavailable" in (await cluster.waiting("once", "ImagePullBackOff"))["message"]
    assert (await cluster.finished("once"))["status"]["phase"] == "Succeeded"
    mishaps.mend_image(FOREIGN)


async def test_an_image_that_is_mended(cluster: Cluster, mishaps: Mishaps) -> None:
    mishaps.break_image(FOREIGN)
    await cluster.create_pod("late", {**shell("true"), "image": FOREIGN})
    assert "not found" in (await cluster.waiting("late", "ImagePullBackOff"))["message"]
    mishaps.mend_image(FOREIGN)
    assert (await cluster.finished("late"))["status"]["phase"] == "Succeeded"


async def test_a_helper_that_never_ends(cluster: Cluster, mishaps: Mishaps) -> None:
    await cluster.create_pod("helped", shell("exit 0"), shell("sleep 1000", "helper"))
    pod = await cluster.wait("helped", lambda pod: running(pod) == {"helper"})
    assert (state(pod)["terminated"]["exitCode"], pod["status"]["phase"]) == (0, "Running")
    mishaps.delete("helped", cluster.namespace, grace=0)
    await cluster.wait("helped", lambda pod: pod is None)


async def test_a_node_that_is_taken_away(cluster: Cluster, mishaps: Mishaps) -> None:
    pod = await started(cluster, "orphan")
    mishaps.delete_node()
    last = await last_of(cluster, pod)
    assert (disruption(last), last["status"]["phase"]) == ("DeletionByPodGC", "Failed")
    mishaps.mend_node()
    await cluster.create_pod("next", shell("true"))
    assert (await cluster.finished("next"))["status"]["phase"] == "Succeeded"


async def test_a_pod_without_a_node_cannot_be_evicted_by_one(cluster: Cluster, mishaps: Mishaps) -> None:
    await cluster.create_pod("homeless", shell("true"), nodeSelector={"no": "where"})
    with pytest.raises(ValueError, match="homeless has no node yet"):
        mishaps.evict("homeless", cluster.namespace)
