"""When a container task's pod is deleted: as on_finish_action and on_kill_action say, and never one that another needs.

The actions stand in the pod's annotations, so that whoever finds it later does the same.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from executor.errors import ApiError, NotFound
from executor.kube.port import KubePort, PodRef
from executor.observe.pod_view import PodView
from executor.operators.manifest import ON_FINISH, ON_KILL

log = logging.getLogger(__name__)

ATTEMPTS: Final = 5
PAUSE: Final = 2.0  # seconds
TAKEN_WITHIN: Final = 120.0  # seconds in which Airflow takes an event of the trigger


def ref_of(pod: PodView) -> PodRef:
    """Exactly this pod."""
    return PodRef(pod.metadata.namespace, pod.metadata.name, pod.metadata.uid)


def wanted_after_end(pod: PodView, *, succeeded: bool) -> bool:
    """Whether on_finish_action deletes a pod whose task ended (cncf.kubernetes `process_pod_deletion`)."""
    action = pod.metadata.annotations.get(ON_FINISH, "delete_pod")
    if action == "delete_succeeded_pod":
        return succeeded
    if action == "delete_active_pod":
        return pod.status.phase in ("Pending", "Running")
    return action == "delete_pod"


def wanted_at_kill(pod: PodView) -> bool:
    """Whether on_kill_action deletes a pod whose task was taken from it."""
    return pod.metadata.annotations.get(ON_KILL, "delete_pod") == "delete_pod"


async def delete(api: KubePort, pod: PodRef, grace: int | None) -> bool:
    """Delete it; a busy API server is asked again. True if it is gone or going."""
    for attempt in range(ATTEMPTS):
        try:
            await api.delete_pod(pod, grace_seconds=grace)
        except NotFound:
            return True
        except ApiError as error:
            log.warning("Pod %s/%s could not be deleted (%d): %s", pod.namespace, pod.name, attempt + 1, error)
            await asyncio.sleep(PAUSE)
        else:
            return True
    return False


async def delete_when_taken(
    api: KubePort, pod: PodRef, grace: int | None, taken: Callable[[], Awaitable[bool]]
) -> None:
    """Delete a finished pod once Airflow has the task's end: a pod that is gone before would be made again."""
    loop = asyncio.get_running_loop()
    limit = loop.time() + TAKEN_WITHIN
    while not await taken():
        if loop.time() > limit:
            log.warning("Pod %s/%s is kept: Airflow has not taken its task's end", pod.namespace, pod.name)
            return
        await asyncio.sleep(1.0)
    await delete(api, pod, grace)
