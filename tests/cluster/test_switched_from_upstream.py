"""An installation that is switched from upstream's KubernetesExecutor while five tasks run loses none of them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from executor.demo.cluster import LocalCluster
from executor.demo.home import AirflowHome
from executor.demo.migration import prepare_database
from executor.demo.pod_template import write_pod_template
from executor.demo.processes import wait_until
from tests.cluster.switched import WORKER

REPOSITORY = Path(__file__).parents[2]
TASKS = 5
UPSTREAM = "airflow.providers.cncf.kubernetes.executors.kubernetes_executor.KubernetesExecutor"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    folder = tmp_path_factory.mktemp("switched")
    images = folder / "images.yaml"
    images.write_text(yaml.safe_dump({"worker:1": {"entrypoint": ["python3", "-I", "-S", "-c", WORKER]}}))
    with LocalCluster(folder, "--images", str(images)) as running:
        yield running


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, cluster: LocalCluster) -> dict[str, Any]:
    """What `tests.cluster.switched` prints, last."""
    path = tmp_path_factory.mktemp("airflow")
    home = AirflowHome.create(path, UPSTREAM, options=_options(cluster, path))
    prepare_database(home)
    rows = str(path / "airflow.db")
    env = [{"name": "ROWS", "value": rows}, {"name": "FOLDER", "value": str(path)}]
    mounts = [{"name": "rows", "mountPath": str(path)}]
    base = {"name": "base", "image": "worker:1", "env": env, "volumeMounts": mounts}
    spec = {"restartPolicy": "Never", "containers": [base]}
    volumes = [{"name": "rows", "hostPath": {"path": str(path)}}]
    write_pod_template(path / "pod.yaml", {"apiVersion": "v1", "kind": "Pod", "spec": {**spec, "volumes": volumes}})
    command = [sys.executable, "-m", "tests.cluster.switched", str(TASKS), str(path)]
    environment = home.environment() | {"ROWS": rows, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _options(cluster: LocalCluster, path: Path) -> dict[str, dict[str, str]]:
    return {
        "kubernetes_executor": {
            "namespace": "default",
            "in_cluster": "False",
            "config_file": str(cluster.kubeconfig),
            "pod_template_file": str(path / "pod.yaml"),
            "worker_pods_creation_batch_size": str(TASKS),
        },
        "kubernetes_pod_executor": {"reconcile_interval": "2"},
        "core": {"parallelism": str(TASKS)},
    }


def test_every_task_is_followed_to_its_end(told: dict[str, Any]) -> None:
    names = {f"task_{number}" for number in range(TASKS)}
    assert (told["handed back"], told["held"]) == (0, TASKS)
    assert told["events"] == {}  # the workers report by themselves; an event could only do harm
    assert told["states"] == dict.fromkeys(names, "success")


def test_each_ran_once_and_in_upstreams_own_pod(told: dict[str, Any], cluster: LocalCluster) -> None:
    def over() -> list[dict[str, Any]] | None:
        """A worker reports before it ends."""
        pods = cluster.pods("default")
        return pods if not {pod["status"]["phase"] for pod in pods} & {"Pending", "Running"} else None

    pods = wait_until("every pod at its end", over, 60)
    assert sorted(told["started"]) == sorted(pod["metadata"]["annotations"]["task_id"] for pod in pods)
    assert len(set(told["started"])) == len(told["started"]) == TASKS
    assert {pod["status"]["phase"] for pod in pods} == {"Succeeded"}  # never touched by us
    assert [pod for pod in pods if "airflow-deployment" in pod["metadata"]["labels"]] == []
