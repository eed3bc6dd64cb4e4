"""Facts about Airflow's own configuration and database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from airflow.configuration import conf

from executor.airflow_compat import remote_store, remote_upload
from executor.airflow_config import OUR_PATHS, AirflowFacts
from executor.cli.doctor.facts import AirflowSide, Stranger, Triggerers, Unread
from executor.control.ports import RowsDown, RowsPort
from executor.control.strays import launch_of
from executor.errors import ApiError
from executor.identity import LAUNCH_LABEL, TI_LABEL, deployment_selector
from executor.kube.port import KubePort
from executor.observe.diagnosis import is_alive
from executor.observe.pod_view import PodView

JOB_LABEL = "airflow-worker"
TRIGGERER = "TriggererJob"


def airflow_side(facts: AirflowFacts) -> AirflowSide:
    """As the configuration has it."""
    executors = conf.get_mandatory_value("core", "executor")
    store = remote_store() if facts.remote_logging else None
    bundles: Any = conf.getjson("dag_processor", "dag_bundle_config_list", fallback=None)
    return AirflowSide(
        executors=executors,
        listed=any(path in executors for path in OUR_PATHS),
        execution_api=facts.execution_api_server_url,
        bundles=tuple(bundles or ()),
        dags_folder=conf.get("core", "dags_folder", fallback="") or "",
        base_log_folder=facts.base_log_folder,
        remote_logging=facts.remote_logging,
        store=store and type(store).__name__,
        shows_reasons=facts.remote_logging and remote_upload(facts.base_log_folder) is not None,
        parallelism=facts.parallelism,
        warnings=facts.warnings,
    )


def triggerers() -> Triggerers | Unread:
    """Where the triggerers run, by their heartbeats."""
    from airflow.jobs.job import Job, JobState
    from airflow.utils.net import get_hostname
    from airflow.utils.session import create_session
    from sqlalchemy import select
    from sqlalchemy.exc import SQLAlchemyError

    asked = select(Job).where(Job.job_type == TRIGGERER, Job.state == JobState.RUNNING)
    try:
        with create_session() as session:
            hosts = {str(one.hostname) for one in session.scalars(asked) if one.is_alive()}
    except SQLAlchemyError as error:
        return Unread(f"the database does not say where triggerers run ({type(error).__name__})")
    return Triggerers(tuple(sorted(hosts)), get_hostname())  # type: ignore[no-untyped-call]


async def strangers(
    kube: KubePort, rows: RowsPort, deployment: str, namespaces: Sequence[str | None]
) -> Sequence[Stranger] | Unread:
    """Living pods with our deployment's id whose task is not in our database."""
    try:
        listed = [await kube.list_pods(namespace, deployment_selector(deployment)) for namespace in namespaces]
        pods = [pod for one in listed for pod in one.pods if _is_launched(pod)]
        launches = [launch_of(pod) for pod in pods]
        found = await rows.read(launches)
    except (ApiError, RowsDown) as error:
        return Unread(str(error))
    missing = [pod for pod, launch in zip(pods, launches, strict=True) if launch.id not in found]
    return _described(missing) if missing else ()


def _is_launched(pod: PodView) -> bool:
    labels = pod.metadata.labels
    return LAUNCH_LABEL in labels and TI_LABEL in labels and is_alive(pod)


def _described(pods: Sequence[PodView]) -> list[Stranger]:
    """A task that was cleared has a new row and keeps its id in the history; a run may have been deleted."""
    from airflow.jobs.job import Job
    from airflow.models.dag import DagModel
    from airflow.models.taskinstancehistory import TaskInstanceHistory
    from airflow.utils.session import create_session
    from sqlalchemy import select

    launches = [launch_of(pod) for pod in pods]
    jobs = {int(text) for pod in pods if (text := pod.metadata.labels.get(JOB_LABEL, "")).isdecimal()}
    with create_session() as session:
        named = {one.dag_id for one in launches}
        dags = set(session.scalars(select(DagModel.dag_id).where(DagModel.dag_id.in_(named))))
        known_jobs = {str(job) for job in session.scalars(select(Job.id).where(Job.id.in_(jobs)))}
        ids = [UUID(one.ti_id) for one in launches if _is_uuid(one.ti_id)]
        history = select(TaskInstanceHistory.task_instance_id).where(TaskInstanceHistory.task_instance_id.in_(ids))
        cleared = {str(one) for one in session.scalars(history)}
    return [
        Stranger(
            f"{pod.metadata.namespace}/{pod.metadata.name}",
            str(launch),
            launch.dag_id in dags and pod.metadata.labels.get(JOB_LABEL) in known_jobs,
        )
        for pod, launch in zip(pods, launches, strict=True)
        if launch.ti_id not in cleared
    ]


def _is_uuid(text: str) -> bool:
    try:
        return bool(UUID(text))
    except ValueError:
        return False
