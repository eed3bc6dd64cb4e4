"""The demo's DAGs in a chaos world, with what they need: a Secret in three places and a pod template of their own.

Their tasks get retries, because a node that crashes takes what runs on it with it: a task without retries has failed
then, rightly.
"""

from __future__ import annotations

import json
from pathlib import Path

import executor.demo
from executor.demo.__main__ import SECRET, SECRET_VALUES
from executor.demo.expected import dag_ids
from executor.demo.home import Options
from executor.demo.pod_template import LOCAL_IMAGE, with_sidecar, write_pod_template
from tests.airflow.chaos_world import patient_worker
from tests.airflow.harness import Deployment

RETRIES = 2


def demo_options() -> Options:
    """What the DAGs want of Airflow and of the executor."""
    env_secret = {"env": "MY_SECRET", "secret": SECRET, "key": "by-env-secrets"}
    return {
        "core": {"default_task_retries": str(RETRIES), "parallelism": "8"},
        "kubernetes_pod_executor": {"env_secrets": json.dumps([env_secret])},
    }


def add_demo(deployment: Deployment, folder: Path) -> tuple[str, ...]:
    """Add the DAGs; return their ids. `folder`: what the components know as DEMO_TEMPLATES."""
    deployment.cluster.put_secret(SECRET, SECRET_VALUES, deployment.namespace)
    write_pod_template(folder / "with_sidecar.yaml", with_sidecar(patient_worker(deployment.home), LOCAL_IMAGE))
    for file in Path(executor.demo.__file__).with_name("dags").glob("*.py"):
        deployment.add_dags(file.stem, file.read_text())
    return dag_ids()
