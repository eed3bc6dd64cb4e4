"""The local cluster in which all causes happen: nodes, namespaces, images, faults, and what is done to pods."""

from __future__ import annotations

from pathlib import Path

import yaml
from kubernetes.client import ApiException

from executor.demo.cluster import LocalCluster
from executor.demo.mishaps import Mishaps
from executor.identity import DEPLOYMENT_LABEL
from tests.cluster.causes import Json

NAMESPACE = "airflow"
NOT_OURS = "some-operators-pod"
NODES = {"node-1": "8Gi", "node-2": "1Gi", "node-3": "1Gi", "node-4": "1Gi"}
NAMESPACES = (NAMESPACE, "full", "busy", "cut", "secured", "no-secrets")
TIMES = {"first-backoff": 0.4, "pull-failure": 0.2, "lease": 0.2, "faults": 0.05, "tick": 0.2, "silence": 1}
TIMES |= {"out-of-service": 1, "quarantine": 0.5}
REGISTRY_DOWN = "unexpected status from HEAD request: 503 Service Unavailable"
IMAGES: dict[str, Json] = {
    "registry.example/missing:1": {"missing": True},
    "registry.example/private:1": {"pullSecret": "registry"},
    "registry.example/down:1": {"error": REGISTRY_DOWN},
}
# Long enough for a busy machine to start a pod, short enough to be waited for.
SHORT = {
    "PENDING_TIMEOUT_UNSCHEDULABLE": "12",
    "PENDING_TIMEOUT_PULLING": "16",  # after ten seconds its events are asked for
    "PENDING_TIMEOUT_CONFIG": "6",
    "CONFIRM_INTERVAL": "0.5",
    "RECONCILE_INTERVAL": "600",
}


class Stage:
    """The cluster, and what is done to it."""

    def __init__(self, cluster: LocalCluster) -> None:
        self.cluster, self.core = cluster, cluster.core
        self.mishaps = Mishaps(cluster.core, cluster.state)

    def prepare(self) -> None:
        for name in NAMESPACES:
            self.cluster.ensure_namespace(name)
        self.cluster.put_secret("database", {"password": "x"}, NAMESPACE)
        quota = {"metadata": {"name": "pods"}, "spec": {"hard": {"pods": "0"}}}
        self.core.create_namespaced_resource_quota("full", quota)
        for fault in faults():
            self.cluster.admin("fault", verb="create", **fault)
        not_ours = {"name": "base", "image": "local", "command": ["true"]}
        spec = {"restartPolicy": "Never", "containers": [not_ours]}
        self.core.create_namespaced_pod(NAMESPACE, {"metadata": {"name": NOT_OURS}, "spec": spec})

    def pods(self) -> list[str]:
        return [pod["metadata"]["name"] for pod in self.cluster.pods(NAMESPACE)]

    def secrets(self) -> list[str]:
        found = self.core.list_namespaced_secret(NAMESPACE, label_selector=DEPLOYMENT_LABEL).items
        return [secret.metadata.name for secret in found]

    def log(self, pod: Json) -> str:
        try:
            return str(self.core.read_namespaced_pod_log(pod["metadata"]["name"], NAMESPACE, container="base"))
        except ApiException:  # it has gone
            return ""

    def write_status(self, pod: Json, status: Json) -> None:
        self.core.patch_namespaced_pod_status(pod["metadata"]["name"], NAMESPACE, {"status": status})


def faults() -> list[Json]:
    user = 'User "system:serviceaccount:airflow:scheduler" cannot create resource'
    return [
        {"resource": "pods", "namespace": "busy", "status": 503, "message": "the server is currently unable to serve"},
        {"resource": "pods", "namespace": "cut", "effect": "drop-request"},
        {
            "resource": "pods",
            "namespace": "secured",
            "status": 403,
            "message": f'pods is forbidden: {user} "pods" in API group "" in the namespace "secured"',
        },
        {
            "resource": "secrets",
            "namespace": "no-secrets",
            "status": 403,
            "message": f'secrets is forbidden: {user} "secrets" in API group "" in the namespace "no-secrets"',
        },
    ]


def write_files(folder: Path) -> None:
    (folder / "images.yaml").write_text(yaml.safe_dump(IMAGES))
    shell = {"name": "base", "image": "local", "command": ["sh", "-c", 'eval "$TASK"', "sh"]}
    write(folder / "template.yaml", {"containers": [shell]})
    write(folder / "no_program.yaml", {"containers": [{**shell, "command": ["/opt/python/bin/python"]}]})
    (folder / "bad.yaml").write_text("spec:\n  containers: [\n")


def write(path: Path, spec: Json) -> None:
    path.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Pod", "spec": spec}))


def environment(folder: Path) -> dict[str, str]:
    upstream = {
        "NAMESPACE": NAMESPACE,
        "MULTI_NAMESPACE_MODE": "True",
        "MULTI_NAMESPACE_MODE_NAMESPACE_LIST": ",".join((*NAMESPACES, "nowhere")),
        "IN_CLUSTER": "False",
        "CONFIG_FILE": str(folder / "kubeconfig"),
        "POD_TEMPLATE_FILE": str(folder / "template.yaml"),
        "POD_LAUNCH_FAILURE_RETRIES": "1",
    }
    return {
        "AIRFLOW_HOME": str(folder),
        "AIRFLOW__CORE__PARALLELISM": "1000",
        "AIRFLOW__API_AUTH__JWT_SECRET": "a secret for tests, long enough to sign with " * 2,
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(folder / "logs"),
        **{f"AIRFLOW__KUBERNETES_EXECUTOR__{name}": value for name, value in upstream.items()},
        **{f"AIRFLOW__KUBERNETES_POD_EXECUTOR__{name}": value for name, value in SHORT.items()},
    }


def cluster_options(folder: Path) -> list[str]:
    nodes = [option for name, memory in NODES.items() for option in ("--node", f"{name}=8:{memory}")]
    times = [option for name, seconds in TIMES.items() for option in ("--time", f"{name}={seconds}")]
    return [*nodes, *times, "--images", str(folder / "images.yaml")]
