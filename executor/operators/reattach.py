"""A new try on the worker path goes on with the pod that the try before left at work, as reattach_on_restart says.

That is what a worker leaves which was lost with its node. The pod must be the very one that the earlier try would make
now; one that has ended, or is being deleted, is not gone on with (cncf.kubernetes `get_or_create_pod`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from executor.observe.pod_view import PodView
from executor.operators import manifest, outcome
from executor.operators.hub import NamespaceWatch
from executor.operators.launch import older_tries
from executor.operators.orphans import identity_of
from executor.operators.task import ContainerTask

LISTED_WITHIN: Final = 60.0  # seconds


def wanted(parameters: Mapping[str, Any]) -> bool:
    """durable, else reattach_on_restart, else True."""
    given = [parameters.get(name) for name in ("durable", "reattach_on_restart")]
    return bool(next((value for value in given if value is not None), True))


async def going_on(task: ContainerTask, watch: NamespaceWatch) -> ContainerTask:
    """The task as the try whose pod is still at work; as it is if there is none. Raises ManifestError."""
    with suppress(TimeoutError):
        async with asyncio.timeout(LISTED_WITHIN):
            await watch.listed()
    for pod in older_tries(watch, task.identity):
        before = _as_tried(task, pod)
        if before is not None:
            return before
    return task


def _as_tried(task: ContainerTask, pod: PodView) -> ContainerTask | None:
    who = identity_of(pod)
    if who is None or not _is_at_work(pod, task.base):
        return None
    identity = replace(task.identity, launch_id=who.launch_id, ti_id=who.ti_id, try_number=who.try_number)
    built = manifest.build(manifest.Wanted(identity, task.parameters, task.template, task.namespace))
    return replace(task, identity=identity) if built["metadata"]["name"] == pod.metadata.name else None


def _is_at_work(pod: PodView, base: str) -> bool:
    going = pod.metadata.deletion_timestamp is None and pod.status.phase not in ("Failed", "Succeeded")
    return going and outcome.end_of(pod, base) is None
