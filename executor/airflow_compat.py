"""What differs, or may differ, between Airflow versions, and everything private of Airflow that is used.

Checked against Airflow 3.3. Where 3.4 is known to change something (keys become uuids, `queued_tasks` moves into
`executor_queues`) the difference is bridged here by looking at the feature, never at the version number.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from copy import copy
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from airflow._shared.observability.metrics import stats
from airflow._shared.timezones import timezone
from airflow.configuration import conf
from airflow.logging_config import get_remote_task_log
from airflow.models.callback import CallbackKey
from airflow.policies import DefaultPolicy
from airflow.settings import get_policy_plugin_manager
from airflow.utils.helpers import log_filename_template_renderer
from airflow.utils.state import CallbackState, TaskInstanceState
from jinja2 import TemplateError

from executor.metrics import PREFIX
from executor.model import Outcome

log = logging.getLogger(__name__)

TASK_STATES = {Outcome.FAILED: TaskInstanceState.FAILED, Outcome.SUCCESS: TaskInstanceState.SUCCESS}
CALLBACK_STATES = {
    Outcome.FAILED: CallbackState.FAILED,
    Outcome.SUCCESS: CallbackState.SUCCESS,
    Outcome.STARTED: CallbackState.RUNNING,
}


class AirflowMetrics:
    """metrics.Metrics on Airflow's own statsd, Datadog or OpenTelemetry."""

    def __init__(self, team_name: str | None) -> None:
        self._tags = {"team_name": team_name} if team_name else {}

    def count(self, name: str, tags: Mapping[str, str] | None = None) -> None:
        stats.incr(PREFIX + name, tags={**self._tags, **(tags or {})})

    def gauge(self, name: str, value: float) -> None:
        stats.gauge(PREFIX + name, value, tags=self._tags)

    def timing(self, name: str, seconds: float) -> None:
        stats.timing(PREFIX + name, timedelta(seconds=seconds), tags=self._tags)


def utcnow() -> datetime:
    """Airflow's idea of now, timezone aware."""
    return timezone.utcnow()


def event_state(key: object, outcome: Outcome) -> Any:
    """The state that an event about this key carries; None for a task's STARTED, which is never sent."""
    states: dict[Outcome, Any] = CALLBACK_STATES if isinstance(key, CallbackKey) else TASK_STATES
    return states.get(outcome)


def mutation_hook() -> Callable[[Any], None] | None:
    """The user's pod_mutation_hook, None where only Airflow's default (which does nothing) is registered."""
    manager = get_policy_plugin_manager()
    registered = [one for one in manager.hook.pod_mutation_hook.get_hookimpls() if one.plugin is not DefaultPolicy]
    if not registered:
        return None

    def call(pod: Any) -> None:
        manager.hook.pod_mutation_hook(pod=pod)

    return call


def log_path_of(ti: object) -> str | None:
    """`[logging] log_filename_template` for anything with the ids of a task instance; None if it wants more of it."""
    try:
        return log_filename_template_renderer()(ti=ti)
    except (AttributeError, TemplateError):
        return None


# Stores whose readers look for one name, or for what was streamed to them: another file beside the log is not shown.
_SHOW_ONE_FILE = frozenset(
    {
        "CloudWatchRemoteLogIO",
        "ElasticsearchRemoteLogIO",
        "HdfsRemoteLogIO",
        "OSSRemoteLogIO",
        "OpensearchRemoteLogIO",
        "StackdriverRemoteLogIO",
    }
)


def remote_store() -> Any:
    """Airflow's remote log store; None where there is none, or none could be made of the configuration."""
    try:
        return get_remote_task_log()
    except Exception:
        log.exception("[logging] cannot be used; what the executor says is not brought to the remote log store")
        return None


def remote_upload(base_log_folder: str) -> Callable[[str], None] | None:
    """Brings a file, by its path in the base log folder, to where `[logging] remote_logging` keeps the task logs.

    Blocking; raises whatever the store's client does. None where there is no such store, or where its reader would not
    show the file: S3, GCS and WASB list all that begins with the name of the task's log.
    """
    store = remote_store()
    if store is None or type(store).__name__ in _SHOW_ONE_FILE:
        return None
    deletes = bool(getattr(store, "delete_local_copy", False))
    if deletes:  # it would take the whole folder, with files that others are writing
        store = copy(store)
        store.delete_local_copy = False

    def upload(path: str) -> None:
        store.upload(path, None)
        if deletes:
            Path(base_log_folder, path).unlink(missing_ok=True)

    return upload


def log_folder_mode() -> int:
    """The mode Airflow gives its task log folders (`utils/log/file_task_handler.py`)."""
    return int(conf.get("logging", "file_task_handler_new_folder_permissions", fallback="0o775"), 8)
