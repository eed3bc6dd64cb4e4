"""The same tasks three times: our operator, the provider's, and the provider's deferrable one."""

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.sdk import DAG

from executor.operators import PodOperator

COUNT = 5
GIVEN = {
    "image": "any",
    "cmds": ["/bin/sh", "-c"],
    "arguments": ["echo counted"],
    "termination_grace_period": 1,
    "namespace": "{{ dag_run.conf['namespace'] }}",
    "config_file": "{{ dag_run.conf['kubeconfig'] }}",
    "in_cluster": False,
}


def tasks(dag_id, operator, **more):
    with DAG(dag_id, schedule=None, max_active_tasks=2) as dag:
        for number in range(COUNT):
            operator(task_id=f"task_{number}", **GIVEN, **more)
    return dag


ours = tasks("ours", PodOperator)
theirs = tasks("theirs", KubernetesPodOperator)
deferred = tasks("deferred", KubernetesPodOperator, deferrable=True, poll_interval=1)
