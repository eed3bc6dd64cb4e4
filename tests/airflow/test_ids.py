"""Ids of any length and script: their pods have valid and distinct names and labels, and carry the ids as they are."""

from __future__ import annotations

import re

import pytest

from executor.demo.pod_template import write_pod_template
from executor.demo.pods import SeenPod
from executor.demo.processes import wait_until
from tests.airflow.harness import PATIENCE, Deployment
from tests.airflow.light_worker import light_pod

DAGS = """
import time
from pathlib import Path

from airflow.sdk import dag, task

HERE = Path(__file__).parent
LIGHT = {"pod_template_file": str(HERE.parent / "light.yaml")}
LONG = "a-very-long-id." * 16 + "123456789"  # 249 characters


def make(dag_id):
    @dag(dag_id=dag_id, schedule=None)
    def ids():
        for task_id in (LONG + "x", LONG + "y", "_leading", "задача", "задачи"):

            @task(task_id=task_id, executor_config=LIGHT)
            def one():
                raise AssertionError("a light worker runs no Python")

            one()

        @task(task_id="mapped", executor_config=LIGHT)
        def mapped(number):
            raise AssertionError("a light worker runs no Python")

        mapped.expand(number=[1, 2])

    ids()


for one in (LONG + "1", "_группа_", "группа"):
    make(one)


@dag(dag_id="по-русски", schedule=None)
def really():
    # Its log folder is the pod's alone: while it runs, nobody reads it but by way of the pod.
    @task(task_id="работа", executor_config={"pod_override": {"spec": {"volumes": [{"name": "logs", "emptyDir": {}}]}}})
    def work():
        print("первая строка", flush=True)
        while not (HERE / "go").exists():
            time.sleep(0.1)
        return "сделано"

    work()


@dag(dag_id=LONG + "0", schedule=None)
def long_ids():
    @task(task_id=LONG + "0")
    def work():
        return "done"

    work()


really(), long_ids()
"""
OPTIONS = {
    "core": {"parallelism": "32"},
    # The default makes folders of the ids; file systems take 255 bytes for a name, so no worker could write its log.
    "logging": {"log_filename_template": "{{ ti.id }}/attempt={{ try_number }}.log"},
}

LONG = "a-very-long-id." * 16 + "123456789"
DAG_IDS = (LONG + "1", "_группа_", "группа")
TASK_IDS = (LONG + "x", LONG + "y", "_leading", "задача", "задачи", "mapped", "mapped")

# Kubernetes documentation: "Labels and Selectors" (syntax), "Object Names and IDs" (RFC 1123 labels).
LABEL_VALUE = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]")
POD_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


@pytest.fixture(scope="module")
def ran(deployment: Deployment) -> tuple[Deployment, dict[str, str]]:
    """All DAGs have run: the deployment, and each one's run id."""
    write_pod_template(deployment.home.path / "light.yaml", light_pod(deployment.home))
    runs = {dag: deployment.airflow.trigger(dag) for dag in DAG_IDS}
    states = {dag: deployment.airflow.wait_run(dag, run) for dag, run in runs.items()}
    assert set(states.values()) == {"success"}
    return deployment, runs


def pods_of(deployment: Deployment) -> list[SeenPod]:
    return [pod for pod in deployment.watch.pods() if pod.annotations.get("dag_id") in DAG_IDS]


def test_every_task_has_one_pod_whose_annotations_are_the_ids(ran: tuple[Deployment, dict[str, str]]) -> None:
    deployment, runs = ran
    expected = sorted((dag, task, runs[dag]) for dag in DAG_IDS for task in TASK_IDS)

    marks = [pod.annotations for pod in pods_of(deployment)]

    assert sorted((mark["dag_id"], mark["task_id"], mark["run_id"]) for mark in marks) == expected
    assert sorted(m["map_index"] for m in marks if m["task_id"] == "mapped") == sorted(["0", "1"] * len(DAG_IDS))


def test_names_and_labels_are_valid(ran: tuple[Deployment, dict[str, str]]) -> None:
    pods = pods_of(ran[0])

    assert [pod.name for pod in pods if not POD_NAME.fullmatch(pod.name)] == []
    values = {value for pod in pods for value in pod.labels.values()}
    assert [value for value in values if not LABEL_VALUE.fullmatch(value)] == []


def test_different_tasks_get_different_names_and_labels(ran: tuple[Deployment, dict[str, str]]) -> None:
    pods = pods_of(ran[0])
    labels = ("dag_id", "task_id", "map_index")
    told = {tuple(pod.labels.get(label) for label in labels) for pod in pods}
    meant = {tuple(pod.annotations.get(label) for label in labels) for pod in pods}

    assert len(told) == len(meant) == len(pods)
    assert len({pod.name for pod in pods}) == len(pods)


def test_each_pod_carries_the_launch_of_its_row(ran: tuple[Deployment, dict[str, str]]) -> None:
    deployment, runs = ran
    rows = [row for dag, run in runs.items() for row in deployment.airflow.task_instances(dag, run)]

    assert {row.external_executor_id for row in rows} == {pod.launch for pod in pods_of(deployment)}
    assert {row.hostname for row in rows} == {pod.name for pod in pods_of(deployment)}


def test_a_task_in_russian_really_runs_and_shows_its_log_meanwhile(deployment: Deployment) -> None:
    airflow, dag, task = deployment.airflow, "по-русски", "работа"
    run = airflow.trigger(dag)
    row = airflow.wait_task(dag, run, task, "running")
    pod = deployment.watch.wait_for("its pod", lambda one: one.launch == row.external_executor_id)

    def live() -> str | None:
        shown = airflow.api.task_log(dag, run, task)
        return shown if "первая строка" in shown else None

    shown = wait_until("the first line in the log", live, PATIENCE)
    running = airflow.task(dag, run, task).state
    (deployment.home.dags / "go").touch()

    assert running == "running"
    assert f"Live log of pod {pod.namespace}/{pod.name}" in shown
    assert airflow.wait_run(dag, run) == "success"
    assert airflow.api.xcom(dag, run, task) == "сделано"


def test_ids_of_250_characters_really_run(deployment: Deployment) -> None:
    long_id = LONG + "0"

    run, state = deployment.airflow.run(long_id)

    assert (state, len(long_id)) == ("success", 250)
    assert deployment.airflow.api.xcom(long_id, run, long_id) == "done"
