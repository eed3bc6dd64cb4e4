"""The two clusters of the table's tasks: nodes, images, accounts, and the objects that rows name."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from kubernetes import client

from executor.demo.cluster import Cluster, LocalCluster
from tests.operators.kpo.cluster_rows import PRIVATE, PULL_SECRET
from tests.operators.kpo.container_rows import TOOLS
from tests.operators.kpo.example_rows import HELLO, MULTIPLY
from tests.operators.kpo.pod_rows import PORT

AIRFLOW, JOBS, FORBIDDEN = "airflow", "jobs", "datarouter"
WORKER = "airflow-worker"
MULTIPLY_BY_23 = """
import json, os
answer = {"return_value": str(23 * int(os.environ["DATA_POINT"]))}
open("./airflow/xcom/return.json", "w").write(json.dumps(answer))
"""
GREET = """
BEGIN {
    print "Hello, " ENVIRON["NAME_TO_GREET"]
    for (number = 1; number < ARGC; number++) if (ARGV[number] != "--") print "argument " ARGV[number]
}
"""
IMAGES: dict[str, dict[str, Any]] = {
    TOOLS: {"env": {"MADE_OF": "tools"}, "entrypoint": ["echo", "the image's own entrypoint"]},
    PRIVATE: {"pullSecret": PULL_SECRET},
    HELLO: {"entrypoint": ["awk", GREET, "--"]},
    MULTIPLY: {"workdir": "/", "entrypoint": ["python3"], "cmd": ["-c", MULTIPLY_BY_23]},
}
TAINT = {"key": "dedicated", "value": "etl", "effect": "NoSchedule"}
#: name -> capacity, labels, taints. The scheduler takes the roomiest that fits; workers only fit the first.
NODES: dict[str, tuple[str, dict[str, str], list[dict[str, str]]]] = {
    "plain": ("32:32Gi", {"zone": "eu", "port": "free"}, []),
    "elsewhere": ("4:2560Mi", {"pool": "gpu", "zone": "us", "tainted": "yes", "port": "free"}, [TAINT]),
    "taken": ("4:2304Mi", {"pool": "gpu", "zone": "eu", "tainted": "yes"}, [TAINT]),
    "right": ("4:2Gi", {"pool": "gpu", "zone": "eu", "tainted": "yes", "port": "free"}, [TAINT]),
}
#: What the Helm chart's pod launcher role grants to workers.
LAUNCHER = [
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["create", "list", "get", "patch", "watch", "delete"]},
    {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
    {"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["create", "get"]},
    {"apiGroups": [""], "resources": ["events"], "verbs": ["list", "watch", "get"]},
]
READER = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "get", "watch"]}]
RBAC = "rbac.authorization.k8s.io"


def first_cluster(folder: Path) -> LocalCluster:
    """Where Airflow's workers run; roles decide there."""
    folder.mkdir()
    images = folder / "images.yaml"
    images.write_text(yaml.safe_dump(IMAGES))
    nodes = [argument for name, (size, _, _) in NODES.items() for argument in ("--node", f"{name}={size}")]
    return LocalCluster(folder, "--rbac", "--images", str(images), *nodes)


def second_cluster(folder: Path) -> LocalCluster:
    """A cluster outside of Airflow's own."""
    folder.mkdir()
    images = folder / "images.yaml"
    images.write_text(yaml.safe_dump(IMAGES))
    return LocalCluster(folder, "--images", str(images))


def furnish(cluster: Cluster) -> None:
    """Make all that the rows name in the first cluster."""
    for namespace in (AIRFLOW, JOBS, FORBIDDEN):
        cluster.ensure_namespace(namespace)
    _label_nodes(cluster)
    _accounts(cluster)
    for namespace in (AIRFLOW, JOBS):
        _objects(cluster, namespace)
    priority = {"metadata": {"name": "urgent"}, "value": 1000}
    client.SchedulingV1Api(cluster.core.api_client).create_priority_class(priority)
    _take_port(cluster)


def _label_nodes(cluster: Cluster) -> None:
    for name, (_, labels, taints) in NODES.items():
        cluster.core.patch_node(name, {"metadata": {"labels": labels}, "spec": {"taints": taints}})


def _accounts(cluster: Cluster) -> None:
    """Workers have an account that may launch pods here and there, and look elsewhere; `reader` may do nothing."""
    rbac = client.RbacAuthorizationV1Api(cluster.core.api_client)
    cluster.core.create_namespaced_service_account(AIRFLOW, {"metadata": {"name": WORKER}})
    cluster.core.create_namespaced_service_account(JOBS, {"metadata": {"name": "reader"}})
    subject = {"kind": "ServiceAccount", "name": WORKER, "namespace": AIRFLOW}
    for namespace, rules in ((AIRFLOW, LAUNCHER), (JOBS, LAUNCHER), (FORBIDDEN, READER)):
        name = {"metadata": {"name": "pod-launcher"}}
        rbac.create_namespaced_role(namespace, {**name, "rules": rules})
        reference = {"apiGroup": RBAC, "kind": "Role", "name": "pod-launcher"}
        rbac.create_namespaced_role_binding(namespace, {**name, "roleRef": reference, "subjects": [subject]})


def _objects(cluster: Cluster, namespace: str) -> None:
    cluster.put_secret("vault", {"user": "anna", "password": "s3cret"}, namespace)
    cluster.put_config_map("colours", {"GRASS": "green"}, namespace)
    cluster.put_config_map("settings", {"ANSWER": "42"}, namespace)
    cluster.put_config_map("rules", {"first": "1", "second": "2"}, namespace)
    login = json.dumps({"auths": {"registry.example": {"auth": base64.b64encode(b"anna:s3cret").decode()}}})
    body = {"metadata": {"name": PULL_SECRET}, "type": "kubernetes.io/dockerconfigjson"}
    cluster.core.create_namespaced_secret(namespace, {**body, "stringData": {".dockerconfigjson": login}})


def _take_port(cluster: Cluster) -> None:
    """A pod that has the port of a node."""
    port = {"containerPort": PORT, "hostPort": PORT}
    container = {"name": "web", "image": TOOLS, "command": ["sleep", "infinity"], "ports": [port]}
    spec = {"nodeName": "taken", "containers": [container], "terminationGracePeriodSeconds": 0}
    cluster.core.create_namespaced_pod(FORBIDDEN, {"metadata": {"name": "occupant"}, "spec": spec})


def joined_kubeconfig(path: Path, first: Cluster, second: Cluster, context: str) -> Path:
    """One file for both clusters; the first one is the current context, the second has the name `context`."""
    one, two = (yaml.safe_load(cluster.kubeconfig.read_text()) for cluster in (first, second))
    joined: Mapping[str, Any] = {
        **one,
        "clusters": [*one["clusters"], {**two["clusters"][0], "name": context}],
        "users": [*one["users"], {**two["users"][0], "name": context}],
        "contexts": [*one["contexts"], {"name": context, "context": {"cluster": context, "user": context}}],
    }
    path.write_text(yaml.safe_dump(joined))
    return path


def template_file(path: Path) -> None:
    """A pod_template_file that sets what only it can set, and what others override."""
    metadata = {"name": "from-file", "labels": dict.fromkeys(("first", "second", "third"), "pod_template_file")}
    base = {
        "name": "base",
        "image": "registry.example/none:1",
        "env": [{"name": "FROM_FILE", "value": "from the file"}],
    }
    path.write_text(
        yaml.safe_dump({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [base]}})
    )
