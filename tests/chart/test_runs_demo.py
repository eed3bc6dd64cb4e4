"""The chart runs: what it renders, applied and started as it stands, is an Airflow whose tasks run in pods.

Real: the objects, the roles (``--rbac``), service account tokens, commands, environment, ConfigMaps, Secrets, volumes,
probes, the migration job, PostgreSQL. What one machine cannot do is in `runs_machine`. With SOAK=1 all DAGs of the demo
run, on the values of `make kind-demo` and by its script.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

import executor.demo
from executor.demo.__main__ import SECRET, SECRET_VALUES
from executor.demo.cluster import LocalCluster
from executor.demo.home import quick_options
from executor.demo.pods import PodWatch, SeenPod
from executor.demo.processes import free_ports
from executor.demo.stack import AirflowStack
from tests.airflow.postgres import PostgresMissingError, postgres_server
from tests.chart.rendering import by_name, render
from tests.chart.runs_installation import Installation, seen_env
from tests.chart.runs_machine import Object, images_file

pytestmark = [pytest.mark.needs_root, pytest.mark.timeout(1500)]

SOAK = bool(os.environ.get("SOAK"))
KIND = Path(__file__).parents[1] / "kind"
RELEASE, NAMESPACE = "sales", "data"
IMAGES = ("airflow-pod-executor:3.3.2", "airflow-pod-executor:demo")
TEMPLATE = "/opt/airflow/pod_templates/pod_template_file.yaml"
DEMO = Path(executor.demo.__file__).with_name("dags")
DAG = """
import os
from airflow.sdk import dag, task

@dag(schedule=None)
def what_a_worker_sees():
    @task
    def environment() -> dict:
        return {name: os.environ.get(name) for name in ("COLOUR", "API_KEY")}
    environment()

what_a_worker_sees()
"""


@dataclass(frozen=True, slots=True)
class Running:
    installation: Installation
    airflow: AirflowStack
    watch: PodWatch
    values: dict[str, Any]

    def kept(self) -> list[Object]:
        """What Helm finds of its own Secrets in the cluster, and keeps."""
        return self.installation.secrets(NAMESPACE, f"{RELEASE}-keys")

    def run(self, dag: str) -> str:
        """The id of a run that ended well.

        Raises:
            TimeoutError: it did not end; the message has what its pods and the scheduler say.
        """
        run = self.airflow.trigger(dag)
        try:
            state = self.airflow.wait_run(dag, run, timeout=400)
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{self.installation.everything(NAMESPACE)}") from None
        assert state == "success", self.installation.everything(NAMESPACE)
        return run

    def pods_of(self, run: str, dag: str) -> list[SeenPod]:
        launches = [row.external_executor_id for row in self.airflow.task_instances(dag, run)]
        return [pod for launch in launches for pod in self.watch.pods(launch)]


def chart_values(port: int, health: int, served_logs: int) -> dict[str, Any]:
    """An installation as a person would have it, but for quick intervals and this machine's free ports."""
    quick = quick_options()
    ports = {
        "api": {**quick["api"], "port": port, "host": "127.0.0.1"},
        "scheduler": {**quick["scheduler"], "scheduler_health_check_server_port": health},
        "logging": {"trigger_log_server_port": served_logs},
    }
    return {
        "postgresql": {"enabled": False},
        "externalDatabase": {"secret": "database"},
        "logs": {"persistence": {"enabled": True}},
        "config": {**quick, **ports},
        "apiServer": {"service": {"port": port}},
        "envSecrets": [{"env": "API_KEY", "secret": "api-key", "key": "key"}],
        "workers": coloured("blue"),
    }


def coloured(colour: str) -> dict[str, Any]:
    """What the chart's podTemplate takes for the workers."""
    return {"env": [{"name": "COLOUR", "value": colour}], "podAnnotations": {"example.org/colour": colour}}


def of_the_kind_demo(values: dict[str, Any]) -> dict[str, Any]:
    """The values of `make kind-demo` with this machine's."""
    kind = yaml.safe_load((KIND / "values.yaml").read_text())
    core = {**values["config"]["core"], **kind["config"]["core"]}
    secrets = [*values["envSecrets"], *kind["envSecrets"]]
    image = {**kind["image"], "pullPolicy": "IfNotPresent"}
    return {**kind, **values, "config": {**values["config"], "core": core}, "envSecrets": secrets, "image": image}


def write_dags(folder: Path) -> Path:
    """DAGs in the image: the demo's, and our own."""
    folder.mkdir()
    for file in DEMO.glob("*.py") if SOAK else [DEMO / "demo_resources.py"]:
        shutil.copy(file, folder)
    (folder / "what_a_worker_sees.py").write_text(DAG)
    return folder


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("chart")
    images = images_file(folder / "images.yaml", IMAGES, write_dags(folder / "dags"))
    (folder / "claims").mkdir()
    options = ("--rbac", "--images", str(images), "--time", "refresh=0.5")
    try:
        with postgres_server() as postgres, LocalCluster(folder / "c", *options) as cluster:
            url = postgres.copy_of("postgresql:///template0")
            yield from _installed(cluster, url, folder / "claims")
    except PostgresMissingError as missing:
        pytest.skip(str(missing))


def _installed(cluster: LocalCluster, url: str, folder: Path) -> Iterator[Running]:
    ports = free_ports(3)
    values = of_the_kind_demo(chart_values(*ports)) if SOAK else chart_values(*ports)
    cluster.ensure_namespace(NAMESPACE)
    cluster.put_secret("database", {"connection": url}, NAMESPACE)
    cluster.put_secret("api-key", {"key": "s3cret"}, NAMESPACE)
    cluster.put_secret(SECRET, SECRET_VALUES, NAMESPACE)
    installation = Installation(cluster, folder)
    with PodWatch(cluster.kubeconfig, NAMESPACE) as watch:
        installation.install(rendered(values))
        installation.wait_ready()
        airflow = installation.airflow(folder, url, ports[0], installation.password(RELEASE, NAMESPACE))
        with airflow:
            yield Running(installation, airflow, watch, values)


def rendered(values: dict[str, Any], revision: int = 1, existing: Sequence[Object] = ()) -> list[Object]:
    return render(values, release=RELEASE, namespace=NAMESPACE, revision=revision, existing=existing)


def test_demo_tasks_succeed_in_pods_of_their_own(running: Running) -> None:
    run = running.run("demo_resources")
    pods = running.pods_of(run, "demo_resources")
    assert len(pods) == 2
    assert {pod.first["spec"]["serviceAccountName"] for pod in pods} == {f"{RELEASE}-worker"}
    assert "hi from" in running.airflow.api.task_log("demo_resources", run, "bash")


def test_a_value_of_the_pod_template_reaches_the_task_and_a_changed_one_the_next(running: Running) -> None:
    """values -> ConfigMap -> scheduler's file -> executor -> pod -> task; an upgrade restarts nothing."""
    assert seen_by_a_worker(running) == {"COLOUR": "blue", "API_KEY": "s3cret"}
    before = rendered(running.values, existing=running.kept())
    after = rendered({**running.values, "workers": coloured("green")}, revision=2, existing=running.kept())
    assert pod_templates_of(before) == pod_templates_of(after)  # or Kubernetes would make their pods anew
    running.installation.apply(after)
    running.installation.wait_for_file(NAMESPACE, f"{RELEASE}-scheduler-0", TEMPLATE, "green")
    assert seen_by_a_worker(running) == {"COLOUR": "green", "API_KEY": "s3cret"}


def test_nobody_was_refused_anything(running: Running) -> None:
    for component in ("scheduler", "api-server"):
        log = running.installation.log(NAMESPACE, f"{RELEASE}-{component}-0", component)
        assert log
        assert "forbidden" not in log.lower()


@pytest.mark.skipif(not SOAK, reason="make soak: eleven tasks")
def test_the_kind_demo_plays(running: Running) -> None:
    printed = running.installation.run_in(
        NAMESPACE, f"{RELEASE}-scheduler-0", ["python", "-c", (KIND / "play.py").read_text()], timeout=900
    )
    print(printed)
    assert "problem:" not in printed
    assert printed.count(": success in try") == 9


def seen_by_a_worker(running: Running) -> dict[str, str]:
    """What the environment of a task has; its pod was made of the same."""
    run = running.run("what_a_worker_sees")
    (pod,) = running.pods_of(run, "what_a_worker_sees")
    seen: dict[str, str] = running.airflow.api.xcom("what_a_worker_sees", run, "environment")
    assert seen_env(pod.first)["COLOUR"] == pod.annotations["example.org/colour"] == seen["COLOUR"]
    return seen


def pod_templates_of(objects: list[Object]) -> dict[str, Any]:
    return {name: one["spec"]["template"] for name, one in by_name(objects).items() if one["kind"] == "Deployment"}
