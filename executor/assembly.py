"""From settings and Airflow's own facts to the plan of the loop. No policy here: values are carried over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol, cast

from executor.airflow_compat import AirflowMetrics, log_folder_mode, log_path_of, mutation_hook, remote_upload
from executor.airflow_config import AirflowFacts, coordinator_of
from executor.control.launcher import LaunchPolicy
from executor.control.machine import MachinePlan
from executor.control.ports import Airflow, Attempt, RowsPort
from executor.control.reconciler import Rhythm
from executor.control.retention import KeepPolicy
from executor.identity import Identity
from executor.intake import callback_launch, intake
from executor.kube.client import KubeApi
from executor.kube.hook import apply_hook
from executor.kube.metered import MeteredKube
from executor.kube.port import KubePort
from executor.manifest import BuiltPod, PodBuilder, PodRequest, TemplateSource
from executor.model import Launch
from executor.observe.decide import Policy
from executor.settings import Settings

DAY = 86_400.0
TOKEN_MARGIN = 600.0


class TokenGenerator(Protocol):
    """Airflow's JWTGenerator, as far as it is used."""

    def generate(self, extras: dict[str, Any] | None = None, *, valid_for: float | None = None) -> str: ...


class Pods:
    """control.ports.PodSource on top of manifest.PodBuilder."""

    def __init__(self, settings: Settings, facts: AirflowFacts, job_id: object, team: str | None) -> None:
        self._builder = PodBuilder(settings.manifest, TemplateSource.of(settings.manifest))
        self._deployment, self._version = settings.deployment_id, facts.version
        self._job_id, self._team = str(job_id), team

    def build(self, attempt: Attempt) -> BuiltPod:
        return self._builder.build(self._request(attempt))

    def finalize(self, attempt: Attempt, manifest: dict[str, Any]) -> dict[str, Any]:
        return self._builder.finalize(manifest, self._request(attempt))

    def _request(self, attempt: Attempt) -> PodRequest:
        launch = attempt.launch
        coordinator = coordinator_of(launch.queue)
        return PodRequest(
            identity=self._identity(launch, attempt.number),
            args=attempt.args,
            executor_config=launch.executor_config,
            queue=launch.queue,
            team=self._team,
            coordinator_template=coordinator.pod_template_file,
            coordinator_image=coordinator.image,
            workload_secret=attempt.mount,
        )

    def _identity(self, launch: Launch, attempt: int) -> Identity:
        return Identity(
            launch_id=launch.id,
            attempt=attempt,
            ti_id=launch.ti_id,
            dag_id=launch.dag_id,
            task_id=launch.task_id,
            run_id=launch.run_id,
            try_number=launch.try_number,
            map_index=launch.map_index,
            deployment=self._deployment,
            job_id=self._job_id,
            airflow_version=self._version,
            kind=launch.kind.value,
        )


def minter(generator: TokenGenerator) -> Callable[[Launch, float], str]:
    """A worker's first token: good for `/run` of this task instance only (Airflow `executors/workloads/base.py`)."""

    def mint(launch: Launch, life: float) -> str:
        return generator.generate(extras={"sub": launch.ti_id, "scope": "workload"}, valid_for=life)

    return mint


def token_life(settings: Settings, facts: AirflowFacts) -> float:
    """Seconds: as long as the pod may wait."""
    waits = (settings.pending_timeout_unschedulable, settings.pending_timeout_pulling, settings.pending_timeout_config)
    pending = DAY if 0.0 in waits else sum(waits)
    return max(facts.task_queued_timeout, pending) + TOKEN_MARGIN


def make_plan(
    settings: Settings, facts: AirflowFacts, rows: RowsPort, generator: TokenGenerator, job_id: Any, team: str | None
) -> MachinePlan:
    """The loop's plan for one executor (or one team's)."""
    lease = facts.scheduler_health_check_threshold / 2
    hook = mutation_hook()
    metrics = AirflowMetrics(team)

    async def connect() -> KubePort:
        metered: Any = MeteredKube(await KubeApi.open(settings.kube), metrics)
        return cast("KubePort", metered)

    mutate: Callable[[Mapping[str, Any]], dict[str, Any]] | None = partial(apply_hook, hook) if hook else None
    return MachinePlan(
        deployment=settings.deployment_id,
        namespaces=settings.namespaces,
        connect=connect,
        airflow=Airflow(
            rows=rows,
            intake=intake,
            mint=minter(generator),
            pods=Pods(settings, facts, job_id, team),
            callback_launch=callback_launch,
            log_path=log_path_of,
            mutate=mutate,
        ),
        policy=_policy(settings, facts, job_id),
        keep=KeepPolicy(
            settings.delete_worker_pods,
            settings.delete_worker_pods_on_failure,
            settings.pod_ttl_succeeded,
            settings.pod_ttl_failed,
            settings.pod_keep_last,
        ),
        launch=LaunchPolicy(
            settings.create_concurrency, settings.workload_delivery == "secret", settings.task_publish_max_retries
        ),
        rhythm=Rhythm(
            reconcile=settings.reconcile_interval,
            freshen=facts.task_queued_timeout / 4 if settings.hold_queued_while_waiting else 0.0,
            lease=lease,
        ),
        lease=lease,
        create_qps=settings.create_qps,
        log_folder=Path(facts.base_log_folder),
        log_folder_mode=log_folder_mode(),
        upload=remote_upload(facts.base_log_folder),
        metrics=metrics,
    )


def _policy(settings: Settings, facts: AirflowFacts, job_id: Any) -> Policy:
    return Policy(
        job_id=job_id,
        launch_retries=settings.pod_launch_failure_retries,
        excluded_reasons=frozenset(settings.pod_launch_failure_excluded_container_reasons),
        fatal_reasons=settings.fatal_waiting_reasons,
        timeout_unschedulable=settings.pending_timeout_unschedulable,
        timeout_pulling=settings.pending_timeout_pulling,
        timeout_config=settings.pending_timeout_config,
        confirm_interval=settings.confirm_interval,
        token_life=token_life(settings, facts),
    )
