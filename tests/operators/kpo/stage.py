"""A real Airflow on two clusters, in which the table's tasks run, and what was seen of each of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any
from urllib.parse import quote

import httpx
import yaml

from executor.demo.api import ApiError
from executor.demo.cluster import Cluster
from executor.demo.database import TaskRow
from executor.demo.home import AirflowHome
from executor.demo.pod_template import WorkerFiles, worker_pod
from executor.demo.pods import PodWatch, SeenPod
from executor.demo.processes import wait_until
from tests.airflow.harness import Deployment, deploy
from tests.operators.kpo.cluster_rows import CONNECTION
from tests.operators.kpo.clusters import (
    AIRFLOW,
    FORBIDDEN,
    JOBS,
    NODES,
    WORKER,
    first_cluster,
    furnish,
    joined_kubeconfig,
    second_cluster,
    template_file,
)
from tests.operators.kpo.dag import DAG_FILE, DAG_ID, PLACE
from tests.operators.kpo.row import Container, Event, Place, Row, Seen
from tests.operators.kpo.table import ROWS
from tests.operators.kpo.ways import HERE, KPO

REPOSITORY = Path(__file__).parents[3]
CONTEXT = "elsewhere"
#: Seconds for as many tasks as this, on a slow machine.
PATIENCE, AT_ONCE = 180.0, 12


@dataclass(frozen=True, slots=True)
class Stage:
    """The deployment, the second cluster with a watch, and the run whose tasks are played; `patience` in seconds."""

    deployment: Deployment
    other: Cluster
    second: PodWatch
    place: Place
    run: str
    patience: float

    def task(self, task: str) -> TaskRow:
        """The row of a task."""
        return self.deployment.airflow.task(DAG_ID, self.run, task)

    def state(self, task: str) -> str | None:
        """Its state in Airflow's database."""
        return self.task(task).state

    def log(self, task: str) -> str:
        """The lines of its log of all tries, as the interface shows it; "" where there is none yet."""
        tries = range(1, max(self.task(task).try_number, 1) + 1)
        return "\n".join(line for number in tries for line in self._try_log(task, number))

    def _try_log(self, task: str, number: int) -> list[str]:
        path = f"/dags/{DAG_ID}/dagRuns/{quote(self.run)}/taskInstances/{task}/logs/{number}"
        try:
            content = self.deployment.airflow.api.request("GET", path, params={"full_content": True})["content"]
        except ApiError:
            return []
        return [line for entry in content for line in _lines(entry)]

    def mark(self, task: str, state: str) -> None:
        """Set its state by hand."""
        self.deployment.airflow.api.mark(DAG_ID, self.run, task, state)

    def workers(self, task: str) -> list[SeenPod]:
        """The executor's pods for a task, oldest first."""
        pods = self.deployment.watch.pods()
        return [pod for pod in pods if pod.launch and pod.annotations.get("task_id") == task]

    def containers(self, task: str) -> list[tuple[str, SeenPod]]:
        """The operator's pods for a task, with their cluster, oldest first."""
        watches = {"first": self.deployment.watch, "second": self.second}
        return [
            (name, pod) for name, watch in watches.items() for pod in watch.pods() if pod.labels.get("trial") == task
        ]

    def wait_log(self, task: str, words: str) -> str:
        """Wait until words are in a task's log, and return it.

        Raises:
            TimeoutError: they are not; holds the log.
        """
        try:
            what = f"{words!r} in the log of {task}"
            return wait_until(what, lambda: self._log_with(task, words), self.patience, pause=1)
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{self.log(task)}") from None

    def _log_with(self, task: str, words: str) -> str:
        """Its log if it has these words, else ""; "" too where the API server is too busy to say."""
        with suppress(httpx.TransportError):
            log = self.log(task)
            return log if words in log else ""
        return ""

    def wait_no_worker(self, task: str) -> None:
        """Wait until no worker pod of a task is left."""
        wait_until(f"no worker of {task}", lambda: all(pod.deleted_at for pod in self.workers(task)), self.patience)

    def wait_containers(self, task: str, count: int) -> None:
        """Wait until there have been so many pods of the operator."""
        wait_until(f"{count} pods of {task}", lambda: len(self.containers(task)) >= count, self.patience)

    def wait_containers_gone(self, task: str) -> None:
        """Wait until none of the operator's pods is left."""
        wait_until(f"no pod of {task}", lambda: all(pod.deleted_at for _, pod in self.containers(task)), self.patience)

    def wait_deletion(self, task: str) -> int:
        """Wait until somebody has deleted a pod of the operator; return the seconds it has to end in."""

        def period() -> int | None:
            found = [pod.last["metadata"] for _, pod in self.containers(task)]
            return next((one["deletionGracePeriodSeconds"] for one in found if "deletionTimestamp" in one), None)

        return wait_until(f"a pod of {task} deleted", period, self.patience, pause=0.1)

    def lose_worker(self, task: str) -> None:
        """Delete the worker's pod by force, as a lost node does."""
        pod = next(pod for pod in self.workers(task) if pod.deleted_at is None)
        self.deployment.cluster.core.delete_namespaced_pod(pod.name, pod.namespace, grace_period_seconds=0)

    def bind(self, task: str, node: str) -> None:
        """Give the operator's pod to a node, as a scheduler does."""
        [(_, pod)] = self.containers(task)
        body = {"metadata": {"name": pod.name}, "target": {"apiVersion": "v1", "kind": "Node", "name": node}}
        # The answer is a Status, which the client would take for a Binding.
        core = self.deployment.cluster.core
        core.create_namespaced_pod_binding(pod.name, pod.namespace, body, _preload_content=False)

    def seen(self, task: str, notes: Mapping[str, Any]) -> Seen:
        """Everything there is to see of a task that has ended."""
        pods = tuple(_container(cluster, pod) for cluster, pod in self.containers(task))
        workers = self.workers(task)
        return Seen(
            task=task,
            state=self.state(task),
            log=self.log(task),
            xcom=self._xcom(task),
            pods=pods,
            events=tuple(event for pod in pods for event in self._events(pod)),
            nodes={name: labels for name, (_, labels, _) in NODES.items()},
            workers=len(workers),
            resumed_after=_resumed_after(workers, self.containers(task)),
            notes=notes,
        )

    def _xcom(self, task: str) -> Any:
        with suppress(ApiError):
            return self.deployment.airflow.api.xcom(DAG_ID, self.run, task)
        return None

    def _events(self, pod: Container) -> list[Event]:
        selector = f"involvedObject.name={pod.name}"
        core = (self.deployment.cluster if pod.cluster == "first" else self.other).core
        found = core.list_namespaced_event(pod.namespace, field_selector=selector).items
        return [Event(event.reason, event.message) for event in found]


def _lines(entry: str | dict[str, Any]) -> list[str]:
    """An entry of a log as a person reads it: what was said, and the errors that came with it."""
    if isinstance(entry, str):
        return [entry]
    errors = entry.get("error_detail") or ()
    return [str(entry.get("event", "")), *(f"{one['exc_type']}: {one['exc_value']}" for one in errors)]


def _container(cluster: str, pod: SeenPod) -> Container:
    lived = (pod.deleted_at - pod.seen_at).total_seconds() if pod.deleted_at else None
    return Container(pod.name, pod.namespace, cluster, pod.first, pod.last, lived)


def _resumed_after(workers: list[SeenPod], containers: list[tuple[str, SeenPod]]) -> float | None:
    if len(workers) < 2 or not containers:
        return None
    return (workers[1].seen_at - containers[0][1].seen_at).total_seconds()


def play(
    folder: Path, trials: Mapping[str, tuple[str, ...]], operator: str = KPO, executor: str = HERE
) -> dict[str, Seen]:
    """Run a DAG of these tasks to its end, and return what was seen of each.

    trials: names of rows by the name of the task they share. operator, executor: dotted names of their classes.
    """
    with _stage(folder, trials, operator, executor) as stage:
        drives = {name: row for name, rows in trials.items() for row in map(ROWS.__getitem__, rows) if row.drive}
        with ThreadPoolExecutor(max(len(drives), 1)) as threads:
            driven = {name: threads.submit(_drive, stage, name, row) for name, row in drives.items()}
            notes = {name: future.result() for name, future in driven.items()}
        stage.deployment.airflow.wait_run(DAG_ID, stage.run, timeout=stage.patience)
        return {name: stage.seen(name, notes.get(name, {})) for name in trials}


def _drive(stage: Stage, task: str, row: Row) -> Mapping[str, Any]:
    assert row.drive
    return row.drive(stage, stage.place, task)


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
        deployment = stack.enter_context(_deploy(folder, first, executor))
        watch = stack.enter_context(PodWatch(second.kubeconfig, "default"))
        _connect(deployment, second)
        (deployment.home.dags / PLACE).write_text(json.dumps(asdict(place)))
        deployment.add_dags("kpo_dag", DAG_FILE)
        run = deployment.airflow.trigger(DAG_ID)
        yield Stage(deployment, second, watch, place, run, PATIENCE * max(1.0, len(trials) / AT_ONCE))


@contextmanager
def _deploy(folder: Path, cluster: Cluster, executor: str) -> Iterator[Deployment]:
    env = {"PYTHONPATH": str(REPOSITORY), "KUBECONFIG": str(cluster.kubeconfig)}
    with deploy(
        folder / "deployment",
        cluster,
        namespace=AIRFLOW,
        other_namespaces=(JOBS, FORBIDDEN),
        executor=executor,
        components=("api-server", "scheduler", "dag-processor", "triggerer"),
        env=env,
        # The key is the triggerer's log server's, too; as many workers at once as the tasks of CI.
        options={"api": {"secret_key": token_hex(16)}, "core": {"parallelism": str(AT_ONCE)}},
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
