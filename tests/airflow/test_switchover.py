"""The day this executor takes over from Airflow's own: what runs goes on, what waits is launched."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from uuid import uuid4

import pytest

from executor.demo.cluster import LocalCluster
from executor.demo.pod_template import write_pod_template
from executor.demo.processes import wait_until
from tests.airflow.harness import EXECUTOR, PATIENCE, Deployment, deploy
from tests.airflow.light_worker import light_pod
from tests.airflow.test_two_executors import THEIRS

DAGS = """
from airflow.sdk import dag, task
from kubernetes.client import models as k8s


def base(**spec):
    env = [k8s.V1EnvVar(name="TASK", value="while ! test -e /opt/airflow/logs/go; do sleep 0.2; done; hostname")]
    return {"pod_override": k8s.V1Pod(spec=k8s.V1PodSpec(containers=[k8s.V1Container(name="base", env=env)], **spec))}


@dag(dag_id="running", schedule=None)
def running():
    @task(executor_config=base())
    def work():
        raise AssertionError("a light worker runs no Python")

    work()


@dag(dag_id="waiting", schedule=None)
def waiting():
    gate = [k8s.V1PodSchedulingGate(name="example.com/held")]

    @task(executor_config=base(scheduling_gates=gate))
    def work():
        raise AssertionError("a light worker runs no Python")

    work()


running(), waiting()
"""


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory, cluster: LocalCluster) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("switchover")
    namespace = f"airflow-{uuid4().hex[:6]}"
    with deploy(
        folder, cluster, dags=DAGS, namespace=namespace, executor=THEIRS, components=("api-server", "dag-processor")
    ) as running:
        write_pod_template(folder / "pod_template.yaml", light_pod(running.home))
        running.airflow.start_component("scheduler")
        yield running


def test_a_running_pod_goes_on_and_a_waiting_task_is_launched_anew(theirs: Deployment) -> None:
    airflow, core = theirs.airflow, theirs.cluster.core
    going, waiting = airflow.trigger("running"), airflow.trigger("waiting")
    airflow.wait_task("running", going, "work", "running")
    airflow.wait_task("waiting", waiting, "work", "queued")
    wait_until("both pods", lambda: len(theirs.watch.live()) == 2, PATIENCE)
    [gated] = [pod for pod in theirs.watch.live() if pod.annotations["dag_id"] == "waiting"]
    [runs] = [pod for pod in theirs.watch.live() if pod.annotations["dag_id"] == "running"]

    airflow.kill("scheduler", signal.SIGTERM)
    wait_until("upstream's scheduler gone", lambda: airflow.component("scheduler").returncode is not None, PATIENCE)
    core.delete_namespaced_pod(gated.name, gated.namespace)
    airflow.start_component("scheduler", env={"AIRFLOW__CORE__EXECUTOR": EXECUTOR})

    # It has looked for upstream's pods twice when it launches what waits; the other task runs all the while.
    launch = wait_until("our launch", lambda: _ours(theirs, waiting), PATIENCE)
    assert airflow.task("running", going, "work").state == "running"
    (theirs.home.logs / "go").touch()
    assert airflow.wait_run("running", going) == "success"
    assert airflow.task("running", going, "work").try_number == 1
    assert airflow.api.xcom("running", going, "work") == runs.name

    pod = theirs.watch.wait_for("our pod", lambda pod: pod.launch == launch)
    core.patch_namespaced_pod(pod.name, pod.namespace, [{"op": "remove", "path": "/spec/schedulingGates"}])
    assert airflow.wait_run("waiting", waiting) == "success"
    assert airflow.task("waiting", waiting, "work").try_number == 1


def _ours(deployment: Deployment, run: str) -> str | None:
    """The launch id of the waiting task, once it is one of ours."""
    name = deployment.airflow.task("waiting", run, "work").external_executor_id or ""
    return name if len(name) == 36 else None
