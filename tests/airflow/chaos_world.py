"""An Airflow and a cluster of which every process can crash (kill -9) alone and be started again.

The cluster keeps its objects on disk and its port, so that whoever was connected finds it again; its node is a process
of its own. Workers are told to ask Airflow's API for longer than Airflow's default (five times): a task whose worker
cannot reach it for half a minute fails otherwise, whichever executor started it.
"""

from __future__ import annotations

import os
import random
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from executor.demo.cluster import LocalCluster
from executor.demo.home import AirflowHome, Options, search_path
from executor.demo.pod_template import WorkerFiles, worker_pod
from executor.demo.processes import Child, free_ports, wait_until
from tests.airflow.harness import PATIENCE, Deployment, deploy

COMPONENTS = ("api-server", "scheduler", "dag-processor", "triggerer")
VICTIMS = (*COMPONENTS, "cluster", "node")
LONGEST_DOWN = 40.0

PATIENT_WORKER = {
    "AIRFLOW__WORKERS__EXECUTION_API_RETRIES": "200",
    "AIRFLOW__WORKERS__EXECUTION_API_RETRY_WAIT_MAX": "2",
    "AIRFLOW__WORKERS__MAX_FAILED_HEARTBEATS": "100",
}


@dataclass(frozen=True, slots=True)
class Disturbance:
    """Seconds: after the start of the runs `victim` is killed, and started again `down` later."""

    victim: str
    after: float
    down: float

    @classmethod
    def of_seed(cls, seed: int, duration: float) -> Disturbance:
        """duration: of an undisturbed run. Six seeds in a row hit all six victims."""
        choice = random.Random(seed)
        return cls(VICTIMS[seed % len(VICTIMS)], choice.uniform(0, duration), choice.uniform(0, LONGEST_DOWN))


class ChaosWorld:
    """What there is to kill."""

    def __init__(self, deployment: Deployment, cluster: LocalCluster, folder: Path) -> None:
        self.deployment = deployment
        self._cluster, self.folder = cluster, folder
        self._node = self._new_node()

    def kill(self, victim: str) -> None:
        """SIGKILL to the process and to its children, as when a container is killed."""
        child = self._child(victim)
        os.killpg(child.pid, signal.SIGKILL)
        child.stop()

    def start(self, victim: str) -> None:
        """Start it again; returns when it works."""
        if victim == "cluster":
            self._cluster.close()
            self._cluster.start()
        elif victim == "node":
            self._node = self._new_node()
        else:
            self.deployment.airflow.start_component(victim)

    def stop(self) -> None:
        """End what is not the deployment's."""
        self._node.stop()

    def _child(self, victim: str) -> Child:
        if victim == "cluster":
            return self._cluster.child
        return self._node if victim == "node" else self.deployment.airflow.component(victim)

    def _new_node(self) -> Child:
        checkout = Path(__file__).resolve().parents[2]
        places = (str(self._cluster.kubeconfig), str(self._cluster.state))
        environment = {"PATH": search_path(), "PYTHONPATH": str(checkout)}
        command = [sys.executable, "-m", "tests.airflow.chaos_node", *places]
        return Child("node", command, environment, self.folder / "node.log")

    def wait_node(self) -> None:
        """Until the node has registered."""

        def registered() -> bool:
            self._node.require_running()
            return bool(self._cluster.core.list_node().items)

        wait_until("a node", registered, PATIENCE)


@contextmanager
def chaos_world(
    folder: Path,
    dags: str,
    *,
    database_url: str | None = None,
    options: Options | None = None,
    env: Mapping[str, str] | None = None,
) -> Iterator[ChaosWorld]:
    """Run an Airflow on a cluster of its own in `folder`."""
    ports = ("--port", str(free_ports(1)[0]))
    with ExitStack() as stack:
        cluster = LocalCluster(folder / "cluster", "--no-nodes", "--data", str(folder / "cluster" / "data"), *ports)
        stack.enter_context(cluster)
        cluster.state.mkdir(exist_ok=True)
        deployment = stack.enter_context(
            deploy(
                folder,
                cluster,
                dags=dags,
                namespace=f"airflow-{uuid4().hex[:6]}",
                database_url=database_url,
                options=options,
                components=COMPONENTS,
                env=env,
                template=patient_worker,
            )
        )
        world = ChaosWorld(deployment, cluster, folder)
        stack.callback(world.stop)
        world.wait_node()
        yield world


def patient_worker(home: AirflowHome) -> dict[str, Any]:
    """The pod template of the workers."""
    pod = worker_pod(home, WorkerFiles.of_this_machine(home))
    pod["spec"]["containers"][0]["env"] += [{"name": name, "value": value} for name, value in PATIENT_WORKER.items()]
    return pod
