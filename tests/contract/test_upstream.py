"""Upstream's KubernetesExecutor and KubernetesPodOperator on the local cluster, as they are."""

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
from tests.contract.upstream import FAILING, WORKER

pytestmark = pytest.mark.timeout(500)

REPOSITORY = Path(__file__).parents[2]
TASKS = 20
EXECUTOR = "airflow.providers.cncf.kubernetes.executors.kubernetes_executor.KubernetesExecutor"
IMAGES = {
    "worker:1": {"entrypoint": ["python3", "-I", "-S", "-c", WORKER]},
    "report:1": {
        "entrypoint": ["sh", "-c"],
        "cmd": ['echo "hello $WHO"; echo "{\\"greeted\\": \\"$WHO\\"}" > /airflow/xcom/return.json'],
    },
    "alpine:3.24.2": {},  # the operator's sidecar: this machine's own files have all it needs, a shell
}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    folder = tmp_path_factory.mktemp("upstream")
    images = folder / "images.yaml"
    images.write_text(yaml.safe_dump(IMAGES))
    with LocalCluster(folder, "--images", str(images)) as running:
        yield running


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, cluster: LocalCluster) -> AirflowHome:
    """An Airflow whose executor is upstream's; its pods move the rows."""
    path = tmp_path_factory.mktemp("airflow")
    options = {
        "kubernetes_executor": {
            "namespace": "default",
            "in_cluster": "False",
            "config_file": str(cluster.kubeconfig),
            "pod_template_file": str(path / "pod.yaml"),
            "worker_pods_creation_batch_size": str(TASKS),
        },
        "core": {"parallelism": str(TASKS)},
    }
    home = AirflowHome.create(path, EXECUTOR, options=options)
    prepare_database(home)
    rows = {"name": "rows", "mountPath": str(path)}
    env = [{"name": "ROWS", "value": str(path / "airflow.db")}]
    base = {"name": "base", "image": "worker:1", "env": env, "volumeMounts": [rows]}
    volumes = [{"name": "rows", "hostPath": {"path": str(path)}}]
    spec = {"restartPolicy": "Never", "containers": [base], "volumes": volumes}
    write_pod_template(path / "pod.yaml", {"apiVersion": "v1", "kind": "Pod", "spec": spec})
    return home


@pytest.fixture(scope="module")
def told(home: AirflowHome, cluster: LocalCluster) -> dict[str, Any]:
    """What `tests.contract.upstream` prints, last: one process for both, as importing Airflow takes seconds."""
    cluster.ensure_namespace("operator")
    environment = home.environment() | {"ROWS": str(home.path / "airflow.db"), "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-m", "tests.contract.upstream", str(cluster.kubeconfig), "operator", str(TASKS)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_the_executor_runs_twenty_tasks_to_their_end(told: dict[str, Any], cluster: LocalCluster) -> None:
    states = {f"task_{number}": "success" for number in range(TASKS)} | {FAILING: "failed"}
    assert told["executor"] == {"events": states, "running": 0}
    [kept] = cluster.pods("default")  # upstream deletes the pods of tasks that succeeded
    assert kept["metadata"]["annotations"]["task_id"] == FAILING
    assert kept["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 3


def test_the_pod_operator_returns_what_its_pod_wrote(told: dict[str, Any], cluster: LocalCluster) -> None:
    assert told["operator"]["result"] == {"greeted": "world"}
    assert told["operator"]["pushed"]["pod_namespace"] == "operator"
    assert cluster.pods("operator") == []
