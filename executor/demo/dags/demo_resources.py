"""CPU and memory of one task's pod, by `pod_override`."""

from __future__ import annotations

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import dag, task
from kubernetes.client import models as k8s

half_a_core = {
    "pod_override": k8s.V1Pod(
        spec=k8s.V1PodSpec(
            containers=[
                k8s.V1Container(
                    name="base",
                    resources=k8s.V1ResourceRequirements(
                        # A number, as many examples have it: Kubernetes takes it as a quantity.
                        requests={"cpu": 0.5, "memory": "512Mi"},
                        limits={"cpu": 0.5, "memory": "1024Mi"},
                    ),
                )
            ]
        )
    )
}


@dag(dag_id="demo_resources", schedule=None, tags=["demo"])
def resources() -> None:
    bash = BashOperator(task_id="bash", bash_command="echo hi from $HOSTNAME", executor_config=half_a_core)

    @task(executor_config=half_a_core)
    def taskflow() -> str:
        return "hi"

    bash >> taskflow()


resources()
