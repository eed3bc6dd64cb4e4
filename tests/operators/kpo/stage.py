"""A real Airflow on two clusters, with a run of the table's tasks: to act on them, and to see what there is to see."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import httpx

from executor.demo.api import ApiError
from executor.demo.cluster import Cluster
from executor.demo.database import TaskRow
from executor.demo.pods import PodWatch, SeenPod
from executor.demo.processes import wait_until
from executor.operators.manifest import ON_FINISH
from tests.airflow.harness import Deployment
from tests.operators.kpo.clusters import NODES
from tests.operators.kpo.dag import DAG_ID
from tests.operators.kpo.row import Container, Event, Place, Seen


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
        return [line for entry in self._entries(task, number) for line in _lines(entry)]

    def _entries(self, task: str, number: int = 1) -> list[str | dict[str, Any]]:
        path = f"/dags/{DAG_ID}/dagRuns/{quote(self.run)}/taskInstances/{task}/logs/{number}"
        try:
            answer = self.deployment.airflow.api.request("GET", path, params={"full_content": True})
        except ApiError:
            return []
        content: list[str | dict[str, Any]] = answer["content"]
        return content

    def _noticed_after(self, task: str, notes: Mapping[str, Any]) -> float | None:
        told = self._said_at(task, "Trigger fired event")
        return (told[-1] - notes["opened"]).total_seconds() if told and "opened" in notes else None

    def _said_at(self, task: str, words: str) -> list[datetime]:
        """When these words were written into the log of the first try."""
        entries = [one for one in self._entries(task) if isinstance(one, dict) and words in str(one["event"])]
        return [datetime.fromisoformat(one["timestamp"]) for one in entries]

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

    def wait_early(self, task: str, words: str, period: float) -> None:
        """Wait for the early part of a period of so many seconds, the first of which began with words in its log."""

        def said_at() -> list[datetime]:
            with suppress(httpx.TransportError):
                return self._said_at(task, words)
            return []

        began = wait_until(f"{words!r} in the log of {task}", said_at, self.patience)[0]

        def early() -> bool:
            # Not at the very beginning: looks come a little later each time.
            part = (datetime.now(UTC) - began).total_seconds() % period / period
            return 0.2 < part < 0.3

        wait_until(f"the beginning of {period} s of {task}", early, self.patience, pause=0.1)

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

    def wait_at_rest(self) -> None:
        """Wait until pods that go with their tasks are gone, which may be a moment after them, or seem to stay."""

        def at_rest() -> bool:
            pods, live = [pod for task in self.place.trials for _, pod in self.containers(task)], self._live()
            return all(pod.deleted_at or (pod.uid in live and not _goes(pod)) for pod in pods)

        with suppress(TimeoutError):
            wait_until("no pod that goes", at_rest, 90)

    def _live(self) -> set[str]:
        """The uids of the pods there are: the watches may be a moment behind."""
        cores = (self.deployment.cluster.core, self.other.core)
        return {pod.metadata.uid for core in cores for pod in core.list_pod_for_all_namespaces().items}

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
            log=self.wait_log(task, ""),
            xcom=self._xcom(task),
            pods=pods,
            events=tuple(event for pod in pods for event in self._events(pod)),
            nodes={name: labels for name, (_, labels, _) in NODES.items()},
            workers=len(workers),
            noticed_after=self._noticed_after(task, notes),
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


def _goes(pod: SeenPod) -> bool:
    """It is being deleted, or PodOperator will delete it."""
    return "deletionTimestamp" in pod.last["metadata"] or pod.annotations.get(ON_FINISH) == "delete_pod"


def _container(cluster: str, pod: SeenPod) -> Container:
    lived = (pod.deleted_at - pod.seen_at).total_seconds() if pod.deleted_at else None
    return Container(pod.name, pod.namespace, cluster, pod.first, pod.last, lived)
