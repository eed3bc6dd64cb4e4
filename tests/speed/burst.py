"""One burst of tasks through the executor, driven as the scheduler drives it.

    python -m tests.speed.burst KUBECONFIG NAMESPACE TASKS RUNS

Prints a JSON object for each run: the longest heartbeat (and its CPU) and all of queue_workload in ms, seconds until
all pods existed and until all launches were settled. The database is replaced by rows that say what a worker would
have written; everything else is the real executor against the API server that KUBECONFIG names.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from executor.model import Adopted, GivenBack, Launch, Row
from tests.workloads import task_workload

QUIET_LOOP = 0.02
PATIENCE = 60


class WorkersSucceed:
    """Rows in which every task's worker has reported success."""

    async def read(self, launches: Sequence[Launch]) -> Mapping[str, Row]:
        return {one.id: Row(one.ti_id, "success", one.try_number, one.id, 1, "") for one in launches}

    async def keep_fresh(self, launches: Sequence[Launch]) -> int:
        return len(launches)

    async def rebuild(self, adopted: Sequence[Adopted]) -> Mapping[str, object]:
        return {}

    async def give_back(self, launch: Launch, sentence: str, *, reported: bool) -> GivenBack:
        return GivenBack.MOVED

    async def note_relaunch(self, launch: Launch, sentence: str) -> None:
        pass

    async def relaunches(self, launches: Sequence[Launch]) -> Mapping[str, int]:
        return {}

    async def stale_callbacks(self, older_than: float) -> Sequence[str]:
        return []

    def close(self) -> None:
        pass


def configure(kubeconfig: str, namespace: str) -> dict[str, str]:
    """The environment of an executor that is driven by hand."""
    section = "AIRFLOW__KUBERNETES_EXECUTOR__"
    return {
        "AIRFLOW__CORE__PARALLELISM": "100000",
        f"{section}NAMESPACE": namespace,
        f"{section}IN_CLUSTER": "False",
        f"{section}CONFIG_FILE": kubeconfig,
        f"{section}POD_TEMPLATE_FILE": str(Path(__file__).with_name("template.yaml")),
        "AIRFLOW__KUBERNETES_POD_EXECUTOR__RECONCILE_INTERVAL": "600",
    }


def make_workload(number: int) -> Any:
    from kubernetes.client import models as k8s

    resources = k8s.V1ResourceRequirements(requests={"cpu": 0.5, "memory": "1024Mi"}, limits={"memory": "1024Mi"})
    override = k8s.V1Pod(spec=k8s.V1PodSpec(containers=[k8s.V1Container(name="base", resources=resources)]))
    return task_workload("burst", f"task_{number}", {"pod_override": override})


def drive(executor: Any, workloads: list[Any]) -> dict[str, float]:
    """The scheduler's loop until everything is settled; the longest of its calls."""
    posted_before = executor._supervisor.totals()["pods posted"]
    started = time.perf_counter()
    for workload in workloads:
        executor.queue_workload(workload, session=None)
    figures = {"queueing_ms": (time.perf_counter() - started) * 1000, "longest_heartbeat_ms": 0.0, "its_cpu_ms": 0.0}
    posted = 0
    while executor.slots_occupied and time.perf_counter() - started < PATIENCE:
        beat(executor, figures)
        executor.get_event_buffer()
        posted = executor._supervisor.totals()["pods posted"] - posted_before
        if posted >= len(workloads):
            figures.setdefault("all_posted_s", time.perf_counter() - started)
        time.sleep(QUIET_LOOP)
    figures |= {"all_settled_s": time.perf_counter() - started, "left": executor.slots_occupied, "pods": posted}
    return figures


def beat(executor: Any, figures: dict[str, float]) -> None:
    before, cpu = time.perf_counter(), time.thread_time()
    executor.heartbeat()
    took = (time.perf_counter() - before) * 1000
    if took > figures["longest_heartbeat_ms"]:
        figures |= {"longest_heartbeat_ms": took, "its_cpu_ms": (time.thread_time() - cpu) * 1000}


def main(kubeconfig: str, namespace: str, tasks: str, runs: str) -> None:
    os.environ |= configure(kubeconfig, namespace)
    from executor.kubernetes_executor import KubernetesExecutor

    class Loaded(KubernetesExecutor):
        def _open_rows(self, settings: Any) -> Any:
            return WorkersSucceed()

    executor = Loaded()
    executor.job_id = 1
    executor.start()
    for _ in range(int(runs)):
        executor.heartbeat()
        time.sleep(1)  # the first list of pods
        print(json.dumps(drive(executor, [make_workload(number) for number in range(int(tasks))])), flush=True)
    executor.end()


if __name__ == "__main__":
    main(*sys.argv[1:5])
