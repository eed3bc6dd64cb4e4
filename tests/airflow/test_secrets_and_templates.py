"""What a task's pod is made of, seen from inside it: secrets, overrides, templates, the hook, and what wins."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from executor.demo.cluster import LocalCluster
from executor.demo.home import AirflowHome
from executor.demo.pod_template import LOCAL_IMAGE, with_sidecar, write_pod_template
from executor.demo.pods import SeenPod
from executor.demo.processes import wait_until
from tests.airflow.harness import PATIENCE, Deployment, deploy
from tests.airflow.light_worker import env, light_pod

DAGS = """
from pathlib import Path

from airflow.providers.cncf.kubernetes.secret import Secret as UpstreamSecret
from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import dag
from kubernetes.client import models as k8s

from executor import Secret

FOLDER = Path(__file__).parents[2]
SECRET = "scenario"


def variable(key):
    return {"name": "MY_SECRET", "valueFrom": {"secretKeyRef": {"name": SECRET, "key": key}}}


def base(**fields):
    return {"pod_override": {"spec": {"containers": [{"name": "base", **fields}]}}}


SOURCE = k8s.V1EnvVarSource(secret_key_ref=k8s.V1SecretKeySelector(name=SECRET, key="v1pod"))
BASE = k8s.V1Container(name="base", env=[k8s.V1EnvVar(name="MY_SECRET", value_from=SOURCE)])
AS_V1POD = k8s.V1Pod(spec=k8s.V1PodSpec(containers=[BASE]))
AS_TEXT = '''
spec:
  containers:
  - name: base
    env:
    - name: MY_SECRET
      valueFrom: {secretKeyRef: {name: scenario, key: text}}
'''
CAT = [{"name": "TASK", "value": "cat /secrets/volume"}]

TASKS = {
    "env_secrets": {},
    "v1pod": {"pod_override": AS_V1POD},
    "dict": base(env=[variable("dict")]),
    "text": {"pod_override": AS_TEXT},
    "secret": {"secrets": [Secret("env", "MY_SECRET", SECRET, "secret")]},
    "upstream": {"secrets": [UpstreamSecret("env", "MY_SECRET", SECRET, "upstream")]},
    "volume": {"secrets": [Secret("volume", "/secrets", SECRET, "volume")], **base(env=CAT)},
    "half_a_core": base(resources={"requests": {"cpu": 0.5}}),
    "template_by_name": {"pod_template": "named"},
    "template_by_file": {"pod_template_file": str(FOLDER / "templates" / "filed.yaml")},
    "coordinated": {"pod_template_file": str(FOLDER / "templates" / "filed.yaml")},
    "queued": {},
    "hook_raises": {},
}
QUEUES = {"coordinated": "jvm", "queued": "big"}


def read():
    import os

    return os.environ["MY_SECRET"]


@dag(dag_id="made_of", schedule=None, max_active_tasks=32)
def made_of():
    for task_id, config in TASKS.items():
        queue = QUEUES.get(task_id, "default")
        PythonOperator(task_id=task_id, python_callable=read, executor_config=config, queue=queue, retries=0)
    real = {"pod_template_file": str(FOLDER / "pod_template.yaml"), **TASKS["secret"]}
    PythonOperator(task_id="real_worker", python_callable=read, executor_config=real)


@dag(dag_id="accompanied", schedule=None)
def accompanied():
    PythonOperator(task_id="accompanied", python_callable=read, executor_config={"pod_template": "sidecar"})


made_of(), accompanied()
"""

REFUSED = """
from airflow.sdk import dag, task


@dag(dag_id="refused", schedule=None)
def refused():
    @task(executor_config="cpu=2")
    def one():
        return 1

    one()


refused()
"""

HOOK = '''
"""The operator's hook: labels every pod, tries to make it another's, and fails for one task."""


def pod_mutation_hook(pod):
    if pod.metadata.annotations["task_id"] == "hook_raises":
        raise LookupError("no cost centre for hook_raises")
    pod.metadata.labels["cost-centre"] = "7"
    pod.metadata.labels["airflow-launch"] = "someone-else"
    pod.metadata.name = "renamed"
    base = next(one for one in pod.spec.containers if one.name == "base")
    base.args = ["echo", "sabotage"]
'''

NAMESPACE = "scenario-made-of"
KEYS = ("env_secrets", "v1pod", "dict", "text", "secret", "upstream", "volume")
IMAGE = ("registry.example/jvm", "17")


def configuration(folder: Path) -> dict[str, dict[str, str | None]]:
    """What an operator writes."""
    extra = {
        "pod_template_file": str(folder / "templates" / "coordinated.yaml"),
        "worker_container_repository": IMAGE[0],
        "worker_container_tag": IMAGE[1],
    }
    from_secret = [{"env": "MY_SECRET", "secret": "scenario", "key": "env_secrets"}]
    return {
        "core": {"parallelism": "32"},
        "kubernetes_executor": {"pod_template_file": str(folder / "templates" / "light.yaml")},
        "kubernetes_pod_executor": {
            "env_secrets": json.dumps(from_secret),
            "pod_templates_folder": str(folder / "templates"),
            "queue_pod_templates": json.dumps({"big": "queued"}),
        },
        "sdk": {
            "coordinators": json.dumps({"java": {"classpath": "no.such.Coordinator", "extra": extra}}),
            "queue_to_coordinator": json.dumps({"jvm": "java"}),
        },
    }


def write_templates(folder: Path, home: AirflowHome) -> None:
    """One that tells the secret, and some that tell which template they are."""
    told = {"light": 'echo "$MY_SECRET"', "sidecar": "cat /prepared/greeting"}
    told |= {name: f"echo template {name}" for name in ("named", "filed", "coordinated", "queued")}
    for name, line in told.items():
        pod = light_pod(home)
        pod["spec"]["containers"][0]["env"] += env(TASK=line)
        pod = with_sidecar(pod, LOCAL_IMAGE) if name == "sidecar" else pod
        write_pod_template(folder / "templates" / f"{name}.yaml", pod)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, cluster: LocalCluster) -> Iterator[Deployment]:
    """A deployment with the hook, the templates and the Secret."""
    folder = tmp_path_factory.mktemp("made_of")
    settings = folder / "airflow" / "config" / "airflow_local_settings.py"
    settings.parent.mkdir(parents=True)
    settings.write_text(HOOK)
    (folder / "templates").mkdir()
    with deploy(folder, cluster, dags=DAGS, namespace=NAMESPACE, options=configuration(folder)) as deployment:
        write_templates(folder, deployment.home)
        cluster.put_secret("scenario", {key: f"secret by {key}" for key in KEYS}, NAMESPACE)
        yield deployment


@pytest.fixture(scope="module")
def made_of(running: Deployment) -> tuple[Deployment, str]:
    """The run of all tasks, of which one fails."""
    run, _ = running.airflow.run("made_of")
    return running, run


Ran = tuple[Deployment, str]


def pod_of(ran: Ran, task: str) -> SeenPod:
    deployment, run = ran
    row = deployment.airflow.task("made_of", run, task)
    (pod,) = deployment.watch.pods(row.external_executor_id)
    return pod


def base_of(pod: SeenPod) -> dict[str, Any]:
    return next(one for one in pod.first["spec"]["containers"] if one["name"] == "base")


def returned(ran: Ran, task: str) -> Any:
    deployment, run = ran
    assert deployment.airflow.task("made_of", run, task).state == "success"
    return deployment.airflow.api.xcom("made_of", run, task)


@pytest.mark.parametrize("task", KEYS)
def test_the_task_is_given_its_secret(made_of: Ran, task: str) -> None:
    assert returned(made_of, task) == f"secret by {task}"
    assert f"secret by {task}" not in json.dumps(pod_of(made_of, task).first)


def test_airflows_own_worker_is_given_it_too(made_of: Ran) -> None:
    assert returned(made_of, "real_worker") == "secret by secret"


def test_half_a_core_may_be_a_number(made_of: Ran) -> None:
    assert returned(made_of, "half_a_core") == "secret by env_secrets"
    assert base_of(pod_of(made_of, "half_a_core"))["resources"] == {"requests": {"cpu": "500m"}}


@pytest.mark.parametrize(
    ("task", "template"),
    [
        ("template_by_name", "named"),
        ("template_by_file", "filed"),
        ("queued", "queued"),
        ("coordinated", "coordinated"),
    ],
)
def test_the_template_is_the_one_that_was_chosen(made_of: Ran, task: str, template: str) -> None:
    """The coordinator's is chosen although the task names a file of its own."""
    assert returned(made_of, task) == f"template {template}"


def test_the_image_is_the_coordinators_for_its_queue_only(made_of: Ran) -> None:
    assert base_of(pod_of(made_of, "coordinated"))["image"] == ":".join(IMAGE)
    assert base_of(pod_of(made_of, "queued"))["image"] == LOCAL_IMAGE


def test_the_hook_changes_pods_but_not_whose_they_are(made_of: Ran) -> None:
    deployment, run = made_of
    rows = [row for row in deployment.airflow.task_instances("made_of", run) if row.task_id != "hook_raises"]
    pods = [pod_of(made_of, row.task_id) for row in rows]

    assert {pod.labels["cost-centre"] for pod in pods} == {"7"}
    assert [pod.labels["airflow-launch"] for pod in pods] == [row.external_executor_id for row in rows]
    assert {pod.name for pod in pods} == {row.hostname for row in rows}
    assert [pod.name for pod in pods if "--json-path" not in base_of(pod)["args"]] == []


def test_a_hook_that_raises_fails_that_task_only(made_of: Ran) -> None:
    deployment, run = made_of
    states = {row.task_id: row.state for row in deployment.airflow.task_instances("made_of", run)}
    logs = deployment.airflow.event_logs("made_of", run, "hook_raises")
    said = "\n".join(entry.extra for entry in logs if entry.event == "pod failed")

    assert [task for task, state in states.items() if state != "success"] == ["hook_raises"]
    assert states["hook_raises"] == "failed"
    assert "pod_mutation_hook" in said
    assert "LookupError: no cost centre for hook_raises" in said


def test_a_sidecar_that_never_ends_does_not_keep_pod_or_slot(running: Deployment, made_of: Ran) -> None:
    airflow = running.airflow
    run, state = airflow.run("accompanied")
    row = airflow.task("accompanied", run, "accompanied")

    assert state == "success"
    assert airflow.api.xcom("accompanied", run, "accompanied") == "hello from the init container"
    running.watch.wait_gone(row.external_executor_id)
    assert len(running.watch.pods(row.external_executor_id)) == 1
    wait_until("its slot freed", lambda: slots(running) == 0, PATIENCE)


def slots(deployment: Deployment) -> int | None:
    """How many tasks the executor holds: it says so on SIGUSR2."""
    scheduler = deployment.airflow.component("scheduler")
    size = scheduler.log.stat().st_size

    def said() -> str | None:
        text = scheduler.log.read_bytes()[size:].decode()
        return text.partition(", running ")[2].partition(",")[0] or None

    scheduler.kill(signal.SIGUSR2)
    return int(wait_until("the executor's totals", said, PATIENCE))


def test_a_dag_with_another_executor_config_is_refused_alone(running: Deployment) -> None:
    airflow = running.airflow
    running.add_dags("refused", REFUSED)

    errors = wait_until("the import error", airflow.database.import_errors, PATIENCE)
    run = airflow.api.trigger("accompanied")

    (trace,) = errors.values()
    assert "executor_config of task 'one' in DAG 'refused': is a str; write a dict" in trace
    assert "refused" not in airflow.database.parsed_dags()
    assert airflow.wait_run("accompanied", run) == "success"
