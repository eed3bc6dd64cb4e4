"""The pod template of the workers: plain YAML, with all that an Airflow 3 worker needs to know, and no secret.

A worker needs AIRFLOW_HOME, the execution API's URL, the DAGs and a folder for its log; neither a database nor a key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from executor.demo.home import AirflowHome, search_path

#: AIRFLOW_HOME inside the worker; not the schedulers' one, so that nothing works by accident.
WORKER_HOME = "/opt/airflow"
LOCAL_IMAGE = "airflow-local"


@dataclass(frozen=True, slots=True)
class WorkerFiles:
    """Where a worker's DAGs and logs come from: volume sources, as in a pod's `volumes`."""

    dags: Mapping[str, Any]
    logs: Mapping[str, Any]

    @classmethod
    def of_this_machine(cls, home: AirflowHome) -> WorkerFiles:
        """The home's own folders, so that the user interface shows the workers' logs."""
        return cls(dags={"hostPath": {"path": str(home.dags)}}, logs={"hostPath": {"path": str(home.logs)}})

    @classmethod
    def of_config_map(cls, name: str) -> WorkerFiles:
        """DAGs from a ConfigMap; logs end with the pod."""
        return cls(dags={"configMap": {"name": name}}, logs={"emptyDir": {}})


def worker_pod(home: AirflowHome, files: WorkerFiles, image: str = LOCAL_IMAGE) -> dict[str, Any]:
    """Return the template as a pod manifest."""
    env = {
        "AIRFLOW_HOME": WORKER_HOME,
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": home.execution_api_url,
        "AIRFLOW__CORE__DAGS_FOLDER": f"{WORKER_HOME}/dags",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__HOSTNAME_CALLABLE": "socket.gethostname",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": f"{WORKER_HOME}/logs",
        "AIRFLOW__LOGGING__COLORED_CONSOLE_LOG": "False",
    }
    if image == LOCAL_IMAGE:
        env["PATH"] = search_path()
    base = {
        "name": "base",
        "image": image,
        "env": [{"name": name, "value": value} for name, value in env.items()],
        "volumeMounts": [
            {"name": "dags", "mountPath": f"{WORKER_HOME}/dags", "readOnly": True},
            {"name": "logs", "mountPath": f"{WORKER_HOME}/logs"},
        ],
    }
    volumes = [{"name": "dags", **files.dags}, {"name": "logs", **files.logs}]
    metadata = {"name": "worker", "labels": {"tier": "airflow", "component": "worker"}}
    spec = {"restartPolicy": "Never", "containers": [base], "volumes": volumes}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def with_sidecar(pod: Mapping[str, Any], image: str) -> dict[str, Any]:
    """Return the template with an init container that leaves a file, and a sidecar that never ends by itself."""
    shared = {"name": "prepared", "mountPath": "/prepared"}
    prepare = ["sh", "-c", "echo hello from the init container > /prepared/greeting"]
    base = pod["spec"]["containers"][0]
    spec = {
        **pod["spec"],
        "terminationGracePeriodSeconds": 2,
        "initContainers": [{"name": "prepare", "image": image, "command": prepare, "volumeMounts": [shared]}],
        "containers": [
            {"name": "sidecar", "image": image, "command": ["sh", "-c", "exec sleep infinity"]},
            {**base, "volumeMounts": [*base["volumeMounts"], {**shared, "readOnly": True}]},
        ],
        "volumes": [*pod["spec"]["volumes"], {"name": "prepared", "emptyDir": {}}],
    }
    return {**pod, "spec": spec}


def write_pod_template(path: Path, pod: Mapping[str, Any]) -> Path:
    """Write a manifest as YAML; return `path`."""
    path.write_text(yaml.safe_dump(dict(pod), sort_keys=False))
    return path
