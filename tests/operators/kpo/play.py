"""Plays tasks of the table on a real Airflow with two clusters, and returns what was seen of each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from typing import Any

import yaml

from executor.demo.cluster import Cluster
from executor.demo.home import AirflowHome
from executor.demo.pod_template import WorkerFiles, worker_pod
from executor.demo.pods import PodWatch
from tests.airflow.harness import Deployment, deploy
from tests.operators.kpo.cluster_rows import CONNECTION
from tests.operators.kpo.clusters import (
    AIRFLOW,
    FORBIDDEN,
    JOBS,
    WORKER,
    first_cluster,
    furnish,
    joined_kubeconfig,
    second_cluster,
    template_file,
)
from tests.operators.kpo.dag import DAG_ID, dag_file
from tests.operators.kpo.row import Drive, Place, Seen
from tests.operators.kpo.stage import Stage
from tests.operators.kpo.table import ROWS
from tests.operators.kpo.ways import HERE, KPO

REPOSITORY = Path(__file__).parents[3]
CONTEXT = "elsewhere"
#: Seconds for as many tasks as this, on a slow machine; reached only when something is wrong.
PATIENCE, AT_ONCE = 400.0, 12
#: At once: two cores start a few sooner than many, and what others wait for goes first.
WORKERS = 6


def play(
    folder: Path, trials: Mapping[str, tuple[str, ...]], operator: str = KPO, executor: str = HERE
) -> dict[str, Seen]:
    """Run a DAG of these tasks to its end, and return what was seen of each.

    trials: names of rows by the name of the task they share. operator, executor: dotted names of their classes.
    """
    with _stage(folder, trials, operator, executor) as stage:
        drives = {task: _drives(rows) for task, rows in trials.items() if _drives(rows)}
        with ThreadPoolExecutor(max(len(drives), 1)) as threads:
            driven = {task: threads.submit(_drive, stage, task, each) for task, each in drives.items()}
            notes = {task: future.result() for task, future in driven.items()}
        stage.deployment.airflow.wait_run(DAG_ID, stage.run, timeout=stage.patience)
        stage.wait_at_rest()
        return {task: stage.seen(task, notes.get(task, {})) for task in trials}


def _drives(rows: Iterable[str]) -> list[Drive]:
    """Each once: what several rows of a task do while it runs is often the same."""
    return list(dict.fromkeys(drive for row in rows if (drive := ROWS[row].drive)))


def _drive(stage: Stage, task: str, drives: Iterable[Drive]) -> Mapping[str, Any]:
    """Let each act, open the gate, and return their notes."""
    notes = {key: value for drive in drives for key, value in drive(stage, task).items()}
    stage.place.gate(task).touch()
    return {**notes, "opened": datetime.now(UTC)}


@contextmanager
def _stage(folder: Path, trials: Mapping[str, tuple[str, ...]], operator: str, executor: str) -> Iterator[Stage]:
    with ExitStack() as stack:
        first = stack.enter_context(first_cluster(folder / "first"))
        second = stack.enter_context(second_cluster(folder / "second"))
        furnish(first)
        joined = joined_kubeconfig(folder / "joined", first, second, CONTEXT)
        place = Place(str(folder), str(joined), CONTEXT, operator, trials)
        (folder / "gates").mkdir()
        template_file(folder / "pod.yaml")
        (folder / "place.json").write_text(json.dumps(asdict(place)))
        deployment = stack.enter_context(_deploy(folder, first, executor))
        watch = stack.enter_context(PodWatch(second.kubeconfig, "default"))
        _connect(deployment, second)
        run = deployment.airflow.trigger(DAG_ID)
        yield Stage(deployment, second, watch, place, run, PATIENCE * max(1.0, len(trials) / AT_ONCE))


@contextmanager
def _deploy(folder: Path, cluster: Cluster, executor: str) -> Iterator[Deployment]:
    env = {"PYTHONPATH": str(REPOSITORY), "KUBECONFIG": str(cluster.kubeconfig)}
    with deploy(
        folder / "deployment",
        cluster,
        dags=dag_file(folder / "place.json"),
        namespace=AIRFLOW,
        other_namespaces=(JOBS, FORBIDDEN),
        executor=executor,
        components=("api-server", "scheduler", "dag-processor", "triggerer"),
        env=env,
        # The key is the triggerer's log server's, too.
        options={"api": {"secret_key": token_hex(16)}, "core": {"parallelism": str(WORKERS)}},
        template=_worker,
    ) as running:
        yield running


def _worker(home: AirflowHome) -> dict[str, Any]:
    """A worker with an account that may launch pods, and the rows' modules."""
    pod = worker_pod(home, WorkerFiles.of_this_machine(home))
    pod["spec"]["serviceAccountName"] = WORKER
    pod["spec"]["containers"][0]["env"].append({"name": "PYTHONPATH", "value": str(REPOSITORY)})
    return pod


def _connect(deployment: Deployment, cluster: Cluster) -> None:
    """A connection to the second cluster, as a person makes it."""
    kubeconfig = json.dumps(yaml.safe_load(cluster.kubeconfig.read_text()))
    extra = json.dumps({"kube_config": kubeconfig, "namespace": "default"})
    body = {"connection_id": CONNECTION, "conn_type": "kubernetes", "extra": extra}
    deployment.airflow.api.request("POST", "/connections", body)
