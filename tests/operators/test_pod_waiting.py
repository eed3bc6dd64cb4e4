"""What a waiting container task costs its triggerer, under SOAK=1: memory, and requests to the Kubernetes API.

The memory is that of the processes, with the garbage that Python has not collected yet, beside that of a trigger that
does nothing and was started in the same way from a DAG of the same size. What is in use: `test_trigger_memory.py`.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from executor.demo.cluster import LocalCluster
from executor.demo.processes import wait_until
from tests.airflow.harness import Deployment

pytestmark = [
    pytest.mark.skipif(not os.environ.get("SOAK"), reason="takes minutes: SOAK=1"),
    pytest.mark.parametrize("database", ["postgresql"], indirect=True, scope="module"),
    pytest.mark.timeout(3600),
]

COMPONENTS = ("api-server", "scheduler", "dag-processor", "triggerer")
SCHEDULER_ENV = {"PYTHONPATH": str(Path(__file__).parents[2])}
OPTIONS = {
    "triggerer": {"job_heartbeat_sec": "1", "capacity": "1200"},
    "scheduler": {"max_tis_per_query": "512", "max_dagruns_per_loop_to_schedule": "300"},
}
WAITING = int(os.environ.get("SOAK_WAITING", "400"))
MANY = int(os.environ.get("SOAK_MANY", "1000"))
FIRST = 100
SETTLED = 30.0  # seconds after which a triggerer has done what comes with the start of its triggers
DAGS = (Path(__file__).parent / "dags" / "waiting.py").read_text()


@pytest.mark.parametrize("size", [1, 20, 200])
@pytest.mark.parametrize("kind", ["pods", "runs"])
def test_what_a_waiting_task_weighs(deployment: Deployment, bare: dict[int, float], kind: str, size: int) -> None:
    """pods: for a node; runs: for its container, whose log is followed, or has its turn to come."""
    if size not in bare:
        bare[size] = weight(deployment, "bare", size)
    beyond = weight(deployment, kind, size) - bare[size]
    print(f"{WAITING} {kind} of DAGs of {size}: {bare[size]:.1f} KB for each trigger, {beyond:+.1f} KB for ours")
    assert beyond <= 20


@pytest.fixture(scope="module")
def bare() -> dict[int, float]:
    """What a trigger weighs that does nothing, in KB, by the size of its DAG."""
    return {}


def weight(deployment: Deployment, kind: str, size: int) -> float:
    """KB for each waiting task."""
    waiting = Waiting(deployment, f"{kind}_{size}", size)
    waiting.fresh_triggerer()
    waiting.start(FIRST)  # what is imported and opened once is not a task's
    first, count = memory(waiting.triggerer), waiting.count
    waiting.start(WAITING)
    kilobytes = (memory(waiting.triggerer) - first) / (waiting.count - count)
    waiting.end()
    return kilobytes


def test_a_thousand_waiting_tasks_ask_next_to_nothing(deployment: Deployment, cluster: LocalCluster) -> None:
    waiting = Waiting(deployment, "pods_200", 200)
    waiting.fresh_triggerer()
    waiting.start(MANY)
    before = sum(requests(cluster).values())
    time.sleep(400)  # more than a watch lasts
    made = sum(requests(cluster).values()) - before
    waiting.end()
    print(f"{waiting.count} waiting: {made} requests in 400 s")
    assert made < 400


@dataclass
class Waiting:
    """Runs of a DAG of so many tasks, all of which wait."""

    deployment: Deployment
    dag_id: str
    size: int
    count: int = 0

    @property
    def triggerer(self) -> int:
        return self.deployment.airflow.component("triggerer").pid

    def fresh_triggerer(self) -> None:
        self.deployment.airflow.restart("triggerer")

    def start(self, more: int) -> None:
        """So many tasks more, in whole runs; return when they wait, and their triggerer has nothing else to do."""
        for _ in range(max(1, more // self.size)):
            self.deployment.airflow.trigger(self.dag_id)
            self.count += self.size
        wait_until(f"{self.dag_id} waits", lambda: self.deferred() == self.count, 900, pause=2)
        if not self.dag_id.startswith("bare"):
            wait_until(f"pods of {self.dag_id}", lambda: self.live() == self.count, 900, pause=2)
        time.sleep(SETTLED)

    def end(self) -> None:
        airflow = self.deployment.airflow
        for run in {row.run_id for row in airflow.database.task_instances(dag_id=self.dag_id)}:
            airflow.api.request("PATCH", f"/dags/{self.dag_id}/dagRuns/{run}", {"state": "failed"})
        wait_until(f"{self.dag_id} over", lambda: not self.deferred(), 600, pause=2)
        wait_until(f"no pod of {self.dag_id}", lambda: not self.live(), 600, pause=2)

    def deferred(self) -> int:
        rows = self.deployment.airflow.database.task_instances(dag_id=self.dag_id)
        return sum(row.state == "deferred" for row in rows)

    def live(self) -> int:
        """Pods that wait as they should: for a node, or running."""
        running = self.dag_id.startswith("runs")
        live = [pod for pod in self.deployment.watch.live() if pod.labels.get("dag_id") == self.dag_id]
        return sum(pod.running_at is not None or not running for pod in live)


def requests(cluster: LocalCluster) -> dict[str, int]:
    """Of all clients but the cluster's own, by verb and resource."""
    return dict(cluster.requests())


def memory(pid: int) -> float:
    """Private memory in KB of a process and all its children: supervisor, runner and log server of a triggerer."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return private(pid) + sum(memory(int(one)) for one in children)


def private(pid: int) -> float:
    """Private memory of one process in KB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(float(line.split()[1]) for line in lines if line.startswith(("Private_Clean", "Private_Dirty")))
