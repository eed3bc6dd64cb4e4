"""Pods whose task needs them no more, and that nobody follows: a triggerer died between a task's end and its pod's.

Looked for by whoever watches the namespace, at intervals of minutes; what to do with a pod stands in its annotations. A
pod is touched only if its task instance is in a final state or gone: in any other, a triggerer has it, or will.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Final

from executor.identity import Identity
from executor.observe.diagnosis import BASE
from executor.observe.pod_view import PodView
from executor.operators import outcome, removal
from executor.operators.airflow_side import AirflowSide
from executor.operators.hub import NamespaceWatch
from executor.operators.manifest import CONTAINER

log = logging.getLogger(__name__)

FIRST: Final = 30.0  # seconds after which the triggerers have what is theirs
EVERY: Final = 300.0
YOUNG: Final = timedelta(seconds=60)
FINAL: Final = frozenset({None, "success", "failed", "skipped", "upstream_failed", "removed"})


async def collect_for_ever(watch: NamespaceWatch, airflow: AirflowSide, now: Callable[[], datetime]) -> None:
    """Until cancelled. What goes wrong with one pod is logged, and tried again."""
    wait = FIRST
    while True:
        await asyncio.sleep(wait)
        wait = EVERY
        for pod in list(_unfollowed(watch, now() - YOUNG)):
            try:
                await _judge(watch, airflow, pod)
            except Exception:
                log.exception("Pod %s, which nobody follows, could not be judged", pod.metadata.name)


def _unfollowed(watch: NamespaceWatch, before: datetime) -> Iterator[PodView]:
    for name, pod in watch.pods.items():
        made = pod.metadata.creation_timestamp
        if made is not None and made < before and not watch.followed(name):
            yield pod


async def _judge(watch: NamespaceWatch, airflow: AirflowSide, pod: PodView) -> None:
    who = identity_of(pod)
    if who is None or await airflow.state(who) not in FINAL or watch.followed(pod.metadata.name):
        return
    end = outcome.end_of(pod, pod.metadata.annotations.get(CONTAINER, BASE))
    needless = removal.wanted_at_kill(pod) if end is None else _after_end(pod, end.exit_code)
    if needless:
        log.info("Pod %s is deleted: its task has ended, and nobody follows it", pod.metadata.name)
        await removal.delete(watch.api, removal.ref_of(pod), None)


def _after_end(pod: PodView, exit_code: int) -> bool:
    return removal.wanted_after_end(pod, succeeded=exit_code == 0)


def identity_of(pod: PodView) -> Identity | None:
    """Whose pod it is, by its annotations; None for one that does not say."""
    notes = pod.metadata.annotations
    if not {"dag_id", "task_id", "run_id", "try_number", "task_instance_id"} <= notes.keys():
        return None
    ti = notes["task_instance_id"]
    return Identity(
        launch_id=ti,
        attempt=1,
        ti_id=ti,
        dag_id=notes["dag_id"],
        task_id=notes["task_id"],
        run_id=notes["run_id"],
        try_number=int(notes["try_number"]),
        map_index=int(notes.get("map_index", -1)),
        deployment="",
        job_id="",
        airflow_version="",
    )
