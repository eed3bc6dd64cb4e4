"""What a running pod has written so far, for the API server's log page.

The API server builds an executor object only for this and never starts it; nothing is left behind by a call.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

from executor.airflow_config import read_settings
from executor.identity import task_selector
from executor.kube.logs import LiveLog, read_live_log
from executor.model import Row
from executor.observe.elsewhere import speakers
from executor.settings import SettingsError

if TYPE_CHECKING:
    from airflow.models.taskinstance import TaskInstance

SECONDS = 5.0


def task_log(ti: TaskInstance, team_name: str | None) -> tuple[list[str], Iterable[str]]:
    """(messages about where the log comes from or why there is none, lines). Raises nothing.

    The lines of a long log are on disk until they are read; Airflow goes through them once, and needs no list.
    """
    if not ti.external_executor_id:
        return ["This task has no pod yet."], []
    try:
        settings = read_settings(team_name)
    except SettingsError as error:
        return [f"The log cannot be read from the pod: {error}"], []
    row = Row(str(ti.id), ti.state, external_executor_id=ti.external_executor_id, hostname=ti.hostname)
    found = read_live_log(
        settings.kube,
        settings.namespaces or (None,),
        task_selector(row.ti_id),
        partial(speakers, row),
        tail_lines=settings.running_pod_log_lines or None,
        timeout=SECONDS,
    )
    if isinstance(found, LiveLog):
        return [f"Live log of pod {found.namespace}/{found.pod}"], found.lines
    return [found], []
