"""What several promises' tests need beside `stage`: the world with the executor's own defaults, in virtual time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from executor.airflow_config import AirflowFacts
from executor.assembly import token_life
from executor.identity import LAUNCH_LABEL
from executor.manifest import ManifestSettings, PodBuilder, PodRequest, TemplateSource
from executor.model import Launch
from executor.settings import Settings
from tests.fakes.kube_play import Play
from tests.promises.wire import Driven, Namespace
from tests.unit.control.pods import Attempt, identity_of
from tests.unit.control.world import TOKEN, World

SETTINGS = Settings()
FACTS = AirflowFacts(
    version="3.3.2",
    parallelism=32,
    task_queued_timeout=600.0,
    scheduler_health_check_threshold=30.0,
    base_log_folder="logs",
    remote_logging=False,
    execution_api_server_url="http://airflow/execution/",
)


class QueuePods:
    """control.ports.PodSource on the real builder, which is told the task's queue as well."""

    def __init__(self, settings: ManifestSettings) -> None:
        self._builder = PodBuilder(settings, TemplateSource.of(settings))

    def build(self, attempt: Attempt) -> Any:
        return self._builder.build(self._request(attempt))

    def finalize(self, attempt: Attempt, manifest: dict[str, Any]) -> dict[str, Any]:
        return self._builder.finalize(manifest, self._request(attempt))

    def _request(self, attempt: Attempt) -> PodRequest:
        return PodRequest(
            identity=identity_of(attempt.launch, attempt.number),
            args=attempt.args,
            executor_config=attempt.launch.executor_config,
            queue=attempt.launch.queue,
            workload_secret=attempt.mount,
        )


class DefaultsWorld(World):
    """A world with the policies that the executor's own defaults give, tokens that expire, and pods of a template."""

    def __init__(self, *, template: ManifestSettings | None = None, **given: Any) -> None:
        policy = {
            "launch_retries": SETTINGS.pod_launch_failure_retries,
            "excluded_reasons": frozenset(SETTINGS.pod_launch_failure_excluded_container_reasons),
            "fatal_reasons": SETTINGS.fatal_waiting_reasons,
            "timeout_unschedulable": SETTINGS.pending_timeout_unschedulable,
            "timeout_pulling": SETTINGS.pending_timeout_pulling,
            "timeout_config": SETTINGS.pending_timeout_config,
            "token_life": token_life(SETTINGS, FACTS),
        }
        super().__init__(**{**policy, **given})
        airflow = replace(self.plan.airflow, mint=self._mint)
        if template is not None:
            airflow = replace(airflow, pods=QueuePods(template))
        self.plan = replace(self.plan, airflow=airflow)

    def _mint(self, launch: Launch, life: float) -> str:
        """A token that says when it expires, in seconds of the loop."""
        return f"{TOKEN}.{self.loop.time() + life:.0f}"

    def runs(self, launch: Launch) -> Play:
        """The worker passes `/run`, if its token is still good."""
        assert self.token_left(launch) > 0, "the token of the pod has expired"
        return super().runs(launch)

    def token_left(self, launch: Launch) -> float:
        """Seconds for which the token that lies in the pod's volume is still good."""
        workload = self.workload_of(self.pod_of(launch), launch)
        expires = workload.split(TOKEN.encode() + b".")[1].split(b'"')[0]
        return int(expires) - self.loop.time()

    def shows(self, launch: Launch) -> dict[str, Any]:
        """The pod as `kubectl get -o json` shows it."""
        (pod,) = [p for p in self.kube.pods.values() if p["metadata"]["labels"].get(LAUNCH_LABEL) == launch.id]
        return pod


def write_log(namespace: Namespace, pod: dict[str, Any], lines: Iterable[str]) -> None:
    """`base` of this pod has printed these lines: the file that a node agent writes (CRI logging format)."""
    file = namespace.cluster.state / "pods" / pod["metadata"]["uid"] / "base" / "0.log"
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as out:
        out.writelines(f"2026-01-01T00:00:00.000000000Z stdout F {line}\n" for line in lines)


class Player:
    """Whatever pod there is runs, and reports success at the next look."""

    def __init__(self, driven: Driven, namespace: Namespace) -> None:
        self._driven, self._namespace = driven, namespace

    def __call__(self) -> bool:
        by_name = {ti.task_id: ti for ti in self._driven.rows.tis.values()}
        for pod in self._namespace.pods():
            ti = by_name[pod["metadata"]["annotations"]["task_id"]]
            if ti.state == "queued":
                self._namespace.running(pod)
                ti.state, ti.hostname = "running", pod["metadata"]["name"]
            elif ti.state == "running":
                ti.state = "success"
                self._namespace.ended(pod)
        return all(ti.state == "success" for ti in by_name.values()) and self._driven.slots == 0
