"""One Kubernetes Secret, given to tasks in three ways; each task checks the value that it got, and prints none.

`MY_SECRET` comes from `[kubernetes_pod_executor] env_secrets` to every task;
a task's own `executor_config` goes on top.
"""

from __future__ import annotations

import hashlib
import os

from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import DAG
from kubernetes.client import models as k8s

from executor import Secret

SECRET = "airflow-demo"

by_override = {
    "pod_override": k8s.V1Pod(
        spec=k8s.V1PodSpec(
            containers=[
                k8s.V1Container(
                    name="base",
                    env=[
                        k8s.V1EnvVar(
                            name="MY_SECRET",
                            value_from=k8s.V1EnvVarSource(
                                secret_key_ref=k8s.V1SecretKeySelector(name=SECRET, key="by-override")
                            ),
                        )
                    ],
                )
            ]
        )
    )
}
by_secrets = {"secrets": [Secret("env", "MY_SECRET", SECRET, "by-executor-config")]}


def check(expected: str) -> None:
    """Fail unless MY_SECRET is the value whose SHA-256 begins with `expected`."""
    found = hashlib.sha256(os.environ["MY_SECRET"].encode()).hexdigest()
    if not found.startswith(expected):
        raise ValueError(f"MY_SECRET is not the value meant for this task (SHA-256 {found[:12]}, expected {expected})")
    print("MY_SECRET is the value meant for this task")  # noqa: T201  (a task's log)


with DAG(dag_id="demo_secrets", schedule=None, tags=["demo"]):
    PythonOperator(task_id="by_override", python_callable=check, op_args=["7a8a4eee689b"], executor_config=by_override)
    PythonOperator(
        task_id="by_executor_config", python_callable=check, op_args=["060d37500b67"], executor_config=by_secrets
    )
    PythonOperator(task_id="by_env_secrets", python_callable=check, op_args=["864d5a9e65c2"])
