"""A team has an executor, a namespace and a pod template of its own; the deployment's other pods have neither."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from executor.demo.cluster import LocalCluster
from executor.demo.database import AirflowDatabase
from executor.demo.home import AirflowHome
from executor.demo.migration import prepare_database
from executor.demo.pod_template import write_pod_template
from tests.airflow.harness import EXECUTOR, Deployment, deploy
from tests.airflow.light_worker import env, light_pod

DAGS = """
from airflow.sdk import dag, task


@dag(dag_id="{dag}", schedule=None)
def one():
    @task
    def where():
        raise AssertionError("a light worker runs no Python")

    where()


one()
"""

OURS, TEAMS = "scenario-no-team", "scenario-blue"
BUNDLE = "airflow.dag_processing.bundles.local.LocalDagBundle"


def configuration(folder: Path) -> dict[str, dict[str, str | None]]:
    """What an operator writes for a team named blue, whose DAGs are a bundle of its own."""
    bundles = [
        {"name": "dags-folder", "classpath": BUNDLE, "kwargs": {}},
        {"name": "blue-dags", "classpath": BUNDLE, "kwargs": {"path": str(folder / "blue")}, "team_name": "blue"},
    ]
    return {
        "core": {"multi_team": "True"},
        "dag_processor": {"dag_bundle_config_list": json.dumps(bundles)},
        "kubernetes_executor": {"pod_template_file": str(folder / "ours.yaml")},
        "blue___kubernetes_executor": {"namespace": TEAMS, "pod_template_file": str(folder / "blue.yaml")},
    }


def database_with_team(folder: Path) -> str:
    """A database where `airflow teams create blue` was run; the scheduler demands that the team is there."""
    url = f"sqlite:///{folder}/teams.db"
    prepare_database(AirflowHome.create(folder / "first", EXECUTOR, database_url=url))
    with AirflowDatabase(url).connect() as connection:
        connection.execute(text("INSERT INTO team (name) VALUES ('blue')"))
    return url


def template(home: AirflowHome, whose: str) -> dict[str, object]:
    pod = light_pod(home)
    pod["metadata"]["labels"]["whose"] = whose
    pod["spec"]["containers"][0]["env"] += env(TASK=f"echo template of {whose}")
    return pod


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, cluster: LocalCluster) -> Iterator[tuple[Deployment, dict[str, str]]]:
    """A DAG of nobody and a DAG of the team have run: the deployment, and each one's run id."""
    folder = tmp_path_factory.mktemp("teams")
    (folder / "blue").mkdir()
    (folder / "blue" / "blue.py").write_text(DAGS.format(dag="blue_dag"))
    with deploy(
        folder,
        cluster,
        dags=DAGS.format(dag="global_dag"),
        namespace=OURS,
        other_namespaces=(TEAMS,),
        executor=f"{EXECUTOR};blue={EXECUTOR}",
        database_url=database_with_team(folder),
        options=configuration(folder),
    ) as deployment:
        for whose in ("ours", "blue"):
            write_pod_template(folder / f"{whose}.yaml", template(deployment.home, whose))
        runs = {dag: deployment.airflow.trigger(dag) for dag in ("global_dag", "blue_dag")}
        states = {deployment.airflow.wait_run(dag, run) for dag, run in runs.items()}
        assert states == {"success"}
        yield deployment, runs


@pytest.mark.parametrize(("dag", "whose", "namespace"), [("global_dag", "ours", OURS), ("blue_dag", "blue", TEAMS)])
def test_each_pod_has_the_namespace_and_template_of_its_team(
    ran: tuple[Deployment, dict[str, str]], dag: str, whose: str, namespace: str
) -> None:
    deployment, runs = ran
    row = deployment.airflow.task(dag, runs[dag], "where")
    pods = deployment.watch.pods(row.external_executor_id)

    assert [(pod.namespace, pod.labels["whose"]) for pod in pods] == [(namespace, whose)]
    assert deployment.airflow.api.xcom(dag, runs[dag], "where") == f"template of {whose}"
    assert row.hostname == pods[0].name


def test_no_other_pods_were_made_and_none_is_left(ran: tuple[Deployment, dict[str, str]]) -> None:
    deployment, runs = ran
    rows = [row for dag, run in runs.items() for row in deployment.airflow.task_instances(dag, run)]

    assert sorted(pod.launch for pod in deployment.watch.pods()) == sorted(
        str(row.external_executor_id) for row in rows
    )
    deployment.watch.wait_gone()


def test_both_executors_mark_their_pods_as_one_deployments(ran: tuple[Deployment, dict[str, str]]) -> None:
    """One metadata database is one deployment: whichever executor looks, it must know the other's pods for its own."""
    pods = ran[0].watch.pods()

    assert len({pod.labels["airflow-deployment"] for pod in pods}) == 1
    assert len({pod.labels["airflow-worker"] for pod in pods}) == 1
