"""Where faults are played for real: executors driven as schedulers drive them, against a local cluster without nodes.

Pods are played by status writes. The rows are those of the unit tests' database, which applies events as Airflow does.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from executor.demo.cluster import LocalCluster
from executor.demo.processes import wait_until
from executor.identity import LAUNCH_LABEL
from executor.kubernetes_executor import KubernetesExecutor
from executor.model import LIVE_STATES, Event, Launch, Outcome
from tests.speed.burst import make_workload
from tests.unit.control.database import Database, Ti

Pod = dict[str, Any]
PATIENCE = 90.0  # seconds, reached only when something is wrong; any process may stand still for some of them


class Rows(Database):
    """control.ports.ClosableRows for real executors."""

    def close(self) -> None:
        """The rows stay: several executors share them."""

    def workload(self, ti: Ti) -> Any:
        """What the scheduler hands to the executor for this row."""
        made = make_workload(0)
        made.ti = made.ti.model_copy(
            update={
                "id": UUID(ti.ti_id),
                "dag_id": "dag",
                "task_id": ti.task_id,
                "try_number": ti.try_number,
                "external_executor_id": ti.external_executor_id,
                "executor_config": dict(ti.config) or None,
            }
        )
        return made


class Namespace:
    """One test's own on the cluster, and the hand that plays its pods."""

    def __init__(self, cluster: LocalCluster, name: str) -> None:
        self.cluster, self.name = cluster, name
        cluster.ensure_namespace(name)

    def pods(self) -> list[Pod]:
        return self.cluster.pods(self.name)

    def pods_of(self, launch: Launch) -> list[Pod]:
        return [pod for pod in self.pods() if pod["metadata"]["labels"].get(LAUNCH_LABEL) == launch.id]

    def secrets(self) -> list[Any]:
        listed = self.cluster.core.list_namespaced_secret(self.name, label_selector="airflow-deployment")
        return list(listed.items)

    def delete(self, pod: Pod) -> None:
        """Somebody else deletes it."""
        self.cluster.core.delete_namespaced_pod(pod["metadata"]["name"], self.name, grace_period_seconds=0)

    def running(self, pod: Pod, *sidecars: str) -> None:
        """All its containers run."""
        states = {name: {"running": {"startedAt": _now()}} for name in ("base", *sidecars)}
        self.write(pod, "Running", states)

    def ended(self, pod: Pod, code: int = 0, reason: str = "") -> None:
        """`base` has ended, and it was the only container."""
        self.write(pod, "Failed" if code else "Succeeded", {"base": terminated(code, reason)})

    def write(self, pod: Pod, phase: str, states: dict[str, Any]) -> None:
        """The status as a kubelet writes it; `states` by container."""
        common = {"image": "i", "imageID": "", "ready": False, "restartCount": 0}
        statuses = [{"name": name, **common, "state": state} for name, state in states.items()]
        body = {"status": {"phase": phase, "containerStatuses": statuses}}
        self.cluster.core.patch_namespaced_pod_status(pod["metadata"]["name"], self.name, body)


def terminated(code: int = 0, reason: str = "") -> dict[str, Any]:
    why = reason or ("Error" if code else "Completed")
    return {"terminated": {"exitCode": code, "reason": why, "startedAt": _now(), "finishedAt": _now()}}


class Driven:
    """One scheduler: a real executor, and what the scheduler does with it. `job` is the id of its SchedulerJob."""

    def __init__(self, rows: Rows, job: int = 1) -> None:
        class Played(KubernetesExecutor):
            def _open_rows(self, settings: Any) -> Any:
                return rows

        self.rows, self.job = rows, job
        self.executor = Played(parallelism=10_000)
        self.executor.job_id = job  # type: ignore[assignment]
        self.events: list[Event] = []
        self.executor.start()

    def queue(self, *tis: Ti) -> list[Launch]:
        """Queued in the database and handed to the executor."""
        launches = [self.rows.queue(ti, self.job) for ti in tis]
        self.hand_over(*tis)
        return launches

    def hand_over(self, *tis: Ti) -> None:
        """As they stand in the database."""
        for ti in tis:
            self.executor.queue_workload(self.rows.workload(ti), session=None)  # type: ignore[arg-type]

    def adopt(self, *tis: Ti) -> None:
        """The rows of a scheduler that died become this one's."""
        for ti in tis:
            ti.queued_by_job_id = self.job
            self.executor.running.add(ti.key)  # type: ignore[arg-type]
        supervisor = self.executor._supervisor
        assert supervisor is not None
        supervisor.adopt([ti.adopted() for ti in tis if ti.state in LIVE_STATES])

    def beat(self) -> None:
        """One round of the scheduler's loop."""
        self.executor.heartbeat()
        for key, (state, info) in self.executor.get_event_buffer().items():
            event = Event(key, "", Outcome(getattr(state, "value", state)), str(info or ""))
            self.events.append(event)
            self.rows.apply(event)

    def beat_until(self, what: str, fits: Callable[[], Any], timeout: float = PATIENCE) -> Any:
        """Rounds until `fits()` is true; returns its value."""

        def one_round() -> Any:
            self.beat()
            return fits()

        return wait_until(what, one_round, timeout, pause=0.02)

    def knows_running(self, number: int) -> bool:
        """The loop has seen so many running pods."""
        machine = self.executor._supervisor and self.executor._supervisor._machine
        pods = list(machine.tracker.pods.values()) if machine else []
        return sum(pod.status.phase == "Running" for pod in pods) == number

    @property
    def posted(self) -> int:
        """Pods that the loop believes to have created."""
        return self._totals.get("pods posted", 0)

    @property
    def unposted(self) -> int:
        """Launches whose turn has not come yet."""
        return self._totals.get("waiting to be posted", 1)

    @property
    def _totals(self) -> dict[str, int]:
        return self.executor._supervisor.totals() if self.executor._supervisor else {}

    @property
    def slots(self) -> int:
        return int(self.executor.slots_occupied)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
