"""Real Airflow on a local cluster, for tests.

A test module says what it needs in module variables, and takes fixtures (see `conftest.py`):

    DAGS = '''                         # text of one DAG file; ids must not repeat within the module
    from airflow.sdk import dag, task
    ...
    '''
    OPTIONS = {"scheduler": {"task_queued_timeout": "20"}}     # on top of `executor.demo.home.quick_options`
    COMPONENTS = ("api-server", "scheduler", "dag-processor")   # the default; the triggerer where a task defers
    SCHEDULER_ENV = {"SOME_TEST_FLAG": "1"}                     # environment of the components only

    def test_something(deployment: Deployment) -> None:
        run_id, state = deployment.airflow.run("my_dag")
        task = deployment.airflow.task("my_dag", run_id, "my_task")
        assert task.state == "success"
        assert len(deployment.watch.pods(task.external_executor_id)) == 1

`deployment` is one Airflow, one namespace and one watch per module, on a cluster that the whole session shares. SQLite
unless the module has ``pytestmark = on_both_databases`` (or the test is decorated with it). A test that needs a cluster
of its own, with options, makes one: ``with LocalCluster(tmp_path, "--latency", "300") as cluster, deploy(...) as d:``.

What is there to use, where ``airflow`` is ``deployment.airflow``, and so on:

- start a run, wait for its end: `airflow.trigger`, `airflow.wait_run`, `airflow.run`
- wait for a state of one task: ``airflow.wait_task(dag, run, task, "queued", "running", try_number=2)``
- read rows: `airflow.task`, `.task_instances`, `.event_logs`, and `airflow.database`: `.history`, `.jobs`, `.connect()`
- do what a person clicks: `airflow.api`: `.clear`, `.mark`, `.xcom`, `.task_log` (as the interface shows it)
- crash, stop, restart a component: ``airflow.kill("scheduler")``, ``.kill("scheduler", signal.SIGUSR2)``,
  ``.restart("scheduler")``, ``.start_component("scheduler", env={...})``
- what a component printed: ``airflow.component("scheduler").log``
- add a DAG later: ``deployment.add_dags("name", text)``, then `airflow.trigger`, which waits until it is parsed
- what pods there were: ``watch.pods(launch)``, ``watch.live()``, ``watch.wait_for(...)``, ``watch.wait_gone(launch)``;
  `SeenPod.first` and `.last` are the JSON of the API server
- change the cluster: `cluster.core` (the official client's CoreV1Api), `cluster.put_secret`, ``cluster.admin(...)``

Everything waits with a deadline and says what it saw when that passes. Nothing sleeps. A deadline is PATIENCE wherever
it is only reached when something is wrong: several Airflows share few cores, and any process may stand still for
seconds.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from executor.demo.cluster import Cluster
from executor.demo.database import TaskRow
from executor.demo.home import AirflowHome, Options
from executor.demo.pod_template import WorkerFiles, worker_pod, write_pod_template
from executor.demo.pods import PodWatch, SeenPod
from executor.demo.processes import Child
from executor.demo.stack import AirflowStack

PATIENCE = 180.0
EXECUTOR = "executor.KubernetesExecutor"
COMPONENTS = ("api-server", "scheduler", "dag-processor")

#: Mark of a test or module whose deployment runs on SQLite and then on PostgreSQL.
on_both_databases = pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True, scope="module")


class PatientStack(AirflowStack):
    """An AirflowStack whose deadlines are PATIENCE."""

    def start(self, timeout: float = PATIENCE) -> None:
        super().start(timeout)

    def start_component(self, name: str, env: Mapping[str, str] | None = None, timeout: float = PATIENCE) -> Child:
        return super().start_component(name, env, timeout)

    def wait_dags(self, *dag_ids: str, timeout: float = PATIENCE) -> None:
        super().wait_dags(*dag_ids, timeout=timeout)

    def wait_run(self, dag_id: str, run_id: str, timeout: float = PATIENCE) -> str:
        return super().wait_run(dag_id, run_id, timeout)

    def run(self, dag_id: str, conf: dict[str, Any] | None = None, timeout: float = PATIENCE) -> tuple[str, str]:
        return super().run(dag_id, conf, timeout)

    def wait_task(
        self,
        dag_id: str,
        run_id: str,
        task_id: str,
        *states: str,
        try_number: int | None = None,
        timeout: float = PATIENCE,
    ) -> TaskRow:
        return super().wait_task(dag_id, run_id, task_id, *states, try_number=try_number, timeout=timeout)


class PatientWatch(PodWatch):
    """A PodWatch whose deadlines are PATIENCE."""

    def wait_for(self, what: str, fits: Callable[[SeenPod], bool], timeout: float = PATIENCE) -> SeenPod:
        return super().wait_for(what, fits, timeout)

    def wait_gone(self, launch: str | None = None, timeout: float = PATIENCE) -> None:
        super().wait_gone(launch, timeout)


@dataclass(frozen=True, slots=True)
class Deployment:
    """One Airflow, the cluster its pods run in, and a watch on its namespaces."""

    airflow: AirflowStack
    cluster: Cluster
    watch: PodWatch
    namespace: str

    @property
    def home(self) -> AirflowHome:
        """Its directory, ports and settings."""
        return self.airflow.home

    def add_dags(self, name: str, text: str) -> None:
        """Write a DAG file `<name>.py`, replacing it if it is there; complete at once for whoever reads it."""
        target = self.home.dags / f"{name}.py"
        unfinished = target.with_suffix(".tmp")
        unfinished.write_text(text)
        os.replace(unfinished, target)


@contextmanager
def deploy(
    directory: Path,
    cluster: Cluster,
    *,
    dags: str = "",
    namespace: str = "default",
    other_namespaces: Iterable[str] = (),
    executor: str = EXECUTOR,
    database_url: str | None = None,
    options: Options | None = None,
    components: Iterable[str] = COMPONENTS,
    env: Mapping[str, str] | None = None,
    template: Callable[[AirflowHome], Mapping[str, Any]] | None = None,
) -> Iterator[Deployment]:
    """Run an Airflow whose executor uses `cluster`; stop it at the end.

    `options` go on top of what is set here (None takes an option away); `env` is added to the components' environment;
    `template` makes the pod template, which is that of a real worker otherwise.
    """
    pod_file = directory / "pod_template.yaml"
    in_cluster = {"namespace": namespace, "in_cluster": "False", "config_file": str(cluster.kubeconfig)}
    # A light worker says that its task runs, and no more: where it is held for long it must not be taken for dead.
    base = {
        "kubernetes_executor": {**in_cluster, "pod_template_file": str(pod_file)},
        "scheduler": {"task_instance_heartbeat_timeout": "3600"},
    }
    layers = _over(base, options or {})
    home = AirflowHome.create(directory / "airflow", executor, database_url=database_url, options=layers)
    write_pod_template(pod_file, (template or _real_worker)(home))
    namespaces = (namespace, *other_namespaces)
    for name in namespaces:
        cluster.ensure_namespace(name)
    if dags:
        (home.dags / "dags.py").write_text(dags)
    with ExitStack() as stack:
        watch = stack.enter_context(PatientWatch(cluster.kubeconfig, *namespaces, list_timeout=PATIENCE))
        airflow = stack.enter_context(PatientStack(home, components, env=env or {}))
        yield Deployment(airflow, cluster, watch, namespace)


def _real_worker(home: AirflowHome) -> Mapping[str, Any]:
    return worker_pod(home, WorkerFiles.of_this_machine(home))


def _over(base: Options, above: Options) -> dict[str, dict[str, str | None]]:
    sections = {*base, *above}
    return {section: {**base.get(section, {}), **above.get(section, {})} for section in sections}
