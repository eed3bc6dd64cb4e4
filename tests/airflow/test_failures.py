"""Every way a task can fail, by its cause: the state in Airflow's database, the retries left, the sentence for people.

Most causes need no Airflow worker: a pod template's `command` stands in front of the executor's arguments, and the
process it starts ends as the cause demands.
"""

from __future__ import annotations

import pytest

from executor.demo.database import TaskRow
from executor.demo.processes import wait_until
from tests.airflow.harness import PATIENCE, Deployment

DAGS = r"""
import json
import os
import signal
from datetime import timedelta
from pathlib import Path

import yaml
from airflow.sdk import dag, task

HERE = Path(__file__).parent


def shell(name, script, **base):
    template = {
        "apiVersion": "v1",
        "kind": "Pod",
        "spec": {"containers": [{"name": "base", "image": "local", "command": ["sh", "-c", script, "sh"], **base}]},
    }
    path = HERE.parent / f"{name}.yaml"
    path.write_text(json.dumps(template))
    return {"pod_template_file": str(path)}


def written(name, text):
    path = HERE.parent / f"{name}.yaml"
    path.write_text(text)
    return {"pod_template_file": str(path)}


def override(**base):
    return {"pod_override": {"spec": {"containers": [{"name": "base", **base}]}}}


EAT = "exec python3 -c 'import time; x = bytearray(200 << 20); time.sleep(60)'"
LIMIT = {"resources": {"limits": {"memory": "64Mi"}}}
CASES = {
    "exit_3": shell("exit_3", "exit 3"),
    "segfault": shell("segfault", "exec python3 -c 'import ctypes; ctypes.string_at(0)'"),
    "not_a_worker": shell("not_a_worker", "exit 0"),
    "out_of_memory": shell("out_of_memory", EAT, **LIMIT),
    "no_such_command": shell("no_such_command", "x", command=["/no/such/program"]),
    "missing_secret": {
        "pod_override": {
            "spec": {
                "containers": [
                    {
                        "name": "base",
                        "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "no-such-secret", "key": "a"}}}],
                    }
                ]
            }
        }
    },
    "bad_image_name": {"pod_override": {"spec": {"containers": [{"name": "base", "image": "Not A Name"}]}}},
    "missing_image": {"pod_override": {"spec": {"containers": [{"name": "base", "image": "missing/image:1"}]}}},
    "no_airflow": {
        "pod_override": {
            "spec": {
                "containers": [
                    {
                        "name": "base",
                        "image": "bare/python:1",
                        "env": [{"name": "PATH", "value": "/opt/bin:/usr/bin:/bin"}],
                    }
                ]
            }
        }
    },
    "init_fails": {
        "pod_override": {
            "spec": {"initContainers": [{"name": "prepare", "image": "local", "command": ["sh", "-c", "exit 7"]}]}
        }
    },
    "wrong_field": override(imagePullPolcy="Always"),
    "refused": override(ports=[{"containerPort": 99999}]),
    "wrong_type": override(env=[{"name": "LEVEL", "value": 3}]),
    "drops_base": override(**{"$patch": "delete"}),
    "nameless_container": {"pod_override": {"spec": {"containers": [{"image": "local"}]}}},
    "no_image": {"pod_override": {"spec": {"containers": [{"name": "helper"}]}}},
    "bad_namespace": {"pod_override": {"metadata": {"namespace": "Not_A_Namespace"}}},
    "no_template": {"pod_template_file": "/no/such/template.yaml"},
    "empty_template": written("empty_template", ""),
    "not_yaml": written("not_yaml", "spec:\n  containers: [\n"),
    "twice": written("twice", "spec:\n  containers: []\n  containers: []\n"),
}


def wrapped():
    # The template of this deployment, with a shell in front; a worker, which parses this file too, needs none.
    source = HERE.parents[1] / "pod_template.yaml"
    if not source.exists():
        return {}
    template = yaml.safe_load(source.read_text())
    template["spec"]["containers"][0]["command"] = ["sh", "-c", '"$@"; exit $?', "sh"]
    path = HERE.parent / "wrapped.yaml"
    path.write_text(json.dumps(template))
    return {"pod_template_file": str(path)}


@dag(dag_id="fails", schedule=None, max_active_tasks=32)
def fails():
    for name, config in CASES.items():

        @task(task_id=name, executor_config=config, retries=0)
        def never():
            raise AssertionError("this task cannot start")

        never()


@dag(dag_id="dies", schedule=None)
def dies():
    # Nothing can kill the first process of a container from inside: so the worker is its child.
    @task(retries=1, retry_delay=timedelta(seconds=1), executor_config=wrapped())
    def killed(**context):
        if context["ti"].try_number == 1:
            os.kill(os.getppid(), signal.SIGKILL)
            signal.pause()

    killed()


fails(), dies()
"""

OPTIONS = {
    "kubernetes_pod_executor": {"pending_timeout_config": "3", "confirm_interval": "0.5"},
    "core": {"parallelism": "32", "max_active_tasks_per_dag": "32"},
}

# What the DAG author reads must name: the cause, and where.
SENTENCES = {
    "exit_3": ("container base ended with exit code 3", "on node local"),
    "segfault": ("killed by SIGSEGV", "exit code 139"),
    "not_a_worker": ("ended with 0 without reporting a result", "not an Airflow worker"),
    "out_of_memory": ("memory limit of 64Mi", "OOMKilled", "pod_override"),
    "no_such_command": ("could not be started", "/no/such/program"),
    "missing_secret": ("CreateContainerConfigError", 'secret "no-such-secret" not found'),
    "bad_image_name": ("InvalidImageName", "Not A Name"),
    "missing_image": ("missing/image:1", "Check the image's name"),
    "no_airflow": ("container base ended with exit code 1", "No module named 'airflow'"),
    "init_fails": ("init container prepare ended with exit code 7", "never started"),
    "wrong_field": ("imagePullPolcy", "base", "pod_override", "imagePullPolicy"),
    "refused": ("containerPort", "pod_override"),
    "wrong_type": ("pod_override", "env[LEVEL].value", "quote"),
    "drops_base": ("pod_override", "base"),
    "nameless_container": ("pod_override", "containers[0]", "name"),
    "no_image": ("containers[helper]", "image"),
    "bad_namespace": ("pod_override", "Not_A_Namespace"),
    "no_template": ("/no/such/template.yaml",),
    "empty_template": ("empty_template.yaml", "empty"),
    "not_yaml": ("not_yaml.yaml", "line 3"),
    "twice": ("twice.yaml", "containers", "line 3"),
}


@pytest.fixture(scope="module")
def failed(deployment: Deployment) -> tuple[Deployment, str]:
    """The run in which every task fails, each by its own cause."""
    run, state = deployment.airflow.run("fails")
    assert state == "failed"
    return deployment, run


def said(deployment: Deployment, dag: str, run: str, task: str) -> str:
    """What the event log holds about the end of a task, by this executor."""
    logs = deployment.airflow.event_logs(dag, run, task)
    return "\n".join(entry.extra for entry in logs if entry.event == "pod failed")


@pytest.mark.parametrize("task", SENTENCES)
def test_the_task_fails_and_says_why(failed: tuple[Deployment, str], task: str) -> None:
    deployment, run = failed

    row = deployment.airflow.task("fails", run, task)
    sentence = said(deployment, "fails", run, task)

    assert (row.state, row.try_number, row.max_tries) == ("failed", 1, 0)
    assert [part for part in SENTENCES[task] if part not in sentence] == []
    assert sentence in deployment.airflow.api.task_log("fails", run, task)


def test_bad_input_fails_within_ten_seconds_of_its_launch(failed: tuple[Deployment, str]) -> None:
    """Beyond what a pod needs on this machine, now, to start and to end at once."""
    deployment, run = failed
    seconds = {row.task_id: _seconds_to_fail(row) for row in deployment.airflow.task_instances("fails", run)}

    slow = {task: taken for task, taken in seconds.items() if taken > 10 + seconds["exit_3"]}

    assert slow == {}


def _seconds_to_fail(row: TaskRow) -> float:
    assert row.queued_at is not None
    assert row.ended_at is not None
    return (row.ended_at - row.queued_at).total_seconds()


def test_nothing_is_left_of_failed_tasks(failed: tuple[Deployment, str]) -> None:
    deployment, _ = failed
    core = deployment.cluster.core

    wait_until("no pod", lambda: not core.list_namespaced_pod(deployment.namespace).items, PATIENCE)
    wait_until(
        "no workload Secret",
        lambda: not core.list_namespaced_secret(deployment.namespace, label_selector="airflow-deployment").items,
        PATIENCE,
    )


def test_a_worker_killed_while_it_runs_fails_at_once_and_is_retried(deployment: Deployment) -> None:
    """Long before Airflow itself would miss its heartbeats (300 seconds)."""
    run = deployment.airflow.trigger("dies")
    ended = deployment.watch.wait_for(
        "its end", lambda pod: pod.annotations.get("run_id") == run and pod.phase == "Failed"
    )

    assert deployment.airflow.wait_run("dies", run) == "success"
    row = deployment.airflow.task("dies", run, "killed")
    assert (row.state, row.try_number, row.max_tries) == ("success", 2, 1)
    assert f"Pod {ended.namespace}/{ended.name}" in said(deployment, "dies", run, "killed")
    assert "SIGKILL" in said(deployment, "dies", run, "killed")
    (first,) = deployment.airflow.database.history(dag_id="dies", run_id=run, task_id="killed")
    assert first.ended_at is not None
    assert ended.finished_at is not None
    assert (first.ended_at - ended.finished_at).total_seconds() < 60
