"""Start and end at size: 5,000 pods that are there already, and an end at any moment of a burst."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from executor.demo.cluster import LocalCluster
from executor.demo.processes import wait_until
from executor.identity import DEPLOYMENT_LABEL
from executor.kubernetes_executor import KubernetesExecutor
from executor.localcluster.journal import Journal
from executor.localcluster.resources import find_resource
from executor.localcluster.store import Store
from executor.model import Adopted, Launch, Row
from executor.observe.decide import Progress
from tests.speed.burst import WorkersSucceed, configure
from tests.unit.control.database import Database, Ti
from tests.unit.control.pods import Pods
from tests.unit.control.world import Cluster, World
from tests.unit.slowness import slowness

SIZE = 5_000
NAMESPACE = "at-size"
DEPLOYMENT = "of-this-size"
STARTED = "2026-01-01T00:00:00Z"

# -- start


class StillRunning(WorkersSucceed):
    """Rows in which every task is running in its pod, adopted by job 1."""

    async def read(self, launches: Sequence[Launch]) -> Mapping[str, Row]:
        return {one.id: Row(one.ti_id, "running", one.try_number, one.id, 1, "") for one in launches}


def running_pod(number: int, launch: Launch, pods: Pods) -> dict[str, Any]:
    """As a node that has run it for a while shows it."""
    pod = pods.manifest(launch, 1)
    pod["metadata"] |= {"namespace": NAMESPACE, "uid": f"0000-{number:08d}", "resourceVersion": str(number)}
    pod["metadata"]["labels"][DEPLOYMENT_LABEL] = DEPLOYMENT
    pod["metadata"]["creationTimestamp"] = STARTED
    pod["spec"]["nodeName"] = "node-1"
    base = {"name": "base", "image": "i", "imageID": "i", "ready": True, "started": True, "restartCount": 0}
    conditions = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
    pod["status"] = {
        "phase": "Running",
        "hostIP": "10.0.0.1",
        "podIP": "10.0.1.1",
        "startTime": STARTED,
        "conditions": [{"type": kind, "status": "True", "lastTransitionTime": STARTED} for kind in conditions],
        "containerStatuses": [base | {"state": {"running": {"startedAt": STARTED}}}],
    }
    return pod


@pytest.fixture
def left_behind(tmp_path: Path) -> list[Ti]:
    """Rows of 5,000 running tasks, whose pods the cluster's data folder holds."""
    database, pods = Database(), Pods()
    store, resource = Store(), find_resource("", "v1", "pods")
    assert resource is not None
    rows = [database.add(f"t{number}") for number in range(SIZE)]
    for number, row in enumerate(rows, start=1):
        pod = running_pod(number, database.queue(row, job=1), pods)
        store.restore(resource, number, json.dumps(pod).encode())
        row.state, row.hostname = "running", pod["metadata"]["name"]
    store.begin(SIZE)
    journal = Journal(tmp_path / "data", store)
    journal.open()
    journal.rewrite()
    journal.close()
    return rows


@pytest.fixture
def cluster(tmp_path: Path, left_behind: list[Ti]) -> Iterator[LocalCluster]:
    with LocalCluster(tmp_path / "cluster", "--no-nodes", "--data", str(tmp_path / "data")) as running:
        yield running


@pytest.mark.alone
def test_with_5000_pods_it_starts_in_5_seconds(
    cluster: LocalCluster, left_behind: list[Ti], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """From `start` until each of 5,000 adopted tasks is followed in its pod; nothing is said or done about any."""

    class Played(KubernetesExecutor):
        def _open_rows(self, settings: Any) -> Any:
            return StillRunning()

    for name, value in configure(str(cluster.kubeconfig), NAMESPACE).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AIRFLOW__KUBERNETES_POD_EXECUTOR__DEPLOYMENT_ID", DEPLOYMENT)
    monkeypatch.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "a secret for tests, long enough to sign with " * 2)
    monkeypatch.setenv("AIRFLOW__LOGGING__BASE_LOG_FOLDER", str(tmp_path / "logs"))
    executor = Played(parallelism=2 * SIZE)
    executor.job_id = 1
    adopted = [row.adopted() for row in left_behind]

    began = time.monotonic()
    executor.start()
    try:
        took = followed_after(executor, adopted, began)
        assert executor.get_event_buffer() == {}
        assert executor._supervisor is not None
        assert executor._supervisor.totals()["pods"] == SIZE
    finally:
        executor.end()

    print(f"{SIZE} pods are followed {took:.2f} s after the start")
    assert took < 5 * slowness()
    assert len(cluster.pods(NAMESPACE)) == SIZE


def followed_after(executor: Any, adopted: Sequence[Adopted], began: float) -> float:
    """Seconds until every adopted launch is at its pod."""
    executor._supervisor.adopt(adopted)

    def followed() -> bool:
        executor.heartbeat()
        machine = executor._supervisor._machine
        tracked = list(machine.tracker) if machine is not None else []
        return len(tracked) == SIZE and all(one.progress is Progress.SEEN and one.present for one in tracked)

    wait_until("every pod is followed", followed, 100, pause=0.05)
    return time.monotonic() - began


# -- end

QUICK = (0.02, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0)
SLOW = (0.1, 2.0, 2.5, 3.0, 4.0, 4.5, 5.0, 6.0, 7.0, 9.0)  # the end waits for 3 s, which is too short for these
BURST = 40
STEP = 0.25


class Node:
    """Takes every pod to its end, and counts what user code began."""

    def __init__(self, cluster: Cluster, database: Database) -> None:
        self.cluster, self.database = cluster, database
        self.began: list[str] = []

    async def work(self, world: World, seconds: float) -> None:
        for _ in range(int(seconds / STEP)):
            for key in list(self.cluster.pods):
                self._step(world, key)
            await world.passes(STEP)

    def _step(self, world: World, key: tuple[str, str]) -> None:
        pod, play = self.cluster.pods[key], self.cluster.play(key[1], key[0])
        ti = self.database.tis[pod["metadata"]["annotations"]["task_instance_id"]]
        if pod["status"]["phase"] == "Running":
            ti.state = "success"
            play.finish(0)
        elif pod["status"]["phase"] == "Pending" and self._has_its_workload(world, play, ti):
            play.running()
            assert ti.state == "queued"
            ti.state, ti.hostname = "running", key[1]
            self.began.append(ti.task_id)

    def _has_its_workload(self, world: World, play: Any, ti: Ti) -> bool:
        try:
            return bool(world.workload_of(play, ti.launch()))
        except KeyError:
            return False


@pytest.mark.parametrize(("moment", "latency"), [*((m, 0.1) for m in QUICK), *((m, 2.0) for m in SLOW)])
async def test_an_end_at_any_moment_of_a_burst_leaves_nothing_half_done(moment: float, latency: float):
    """The next scheduler adopts what there is: every task runs once, and nothing is left."""
    kube, database = Cluster(latency=latency, stop_after=1.0), Database()
    node = Node(kube, database)
    async with World(kube=kube, database=database) as first:
        await first.passes(3 * latency)
        launches = first.queue_all(first.tasks(BURST))
        await node.work(first, moment) if moment >= STEP else await first.passes(moment)
        await first.close()
    if latency < 1:
        assert [secret.name for secret in kube.secrets.values() if not secret.owners] == []
    kube.closed = False

    async with World(kube=kube, database=database, job_id=8) as second:
        left = [ti for ti in database.tis.values() if ti.state in ("queued", "running")]
        for ti in left:
            ti.queued_by_job_id = 8
        second.machine.adopt([ti.adopted() for ti in left])
        await node.work(second, 60)
        await second.passes(1900)  # Secrets without owners are swept by then
        assert {ti.state for ti in database.tis.values()} == {"success"}
        assert sorted(node.began) == sorted(ti.task_id for ti in database.tis.values())
        assert [one for one in launches if second.created(one) > 1] == []
        assert (kube.pods, kube.secrets, second.slots) == ({}, {}, 0)
