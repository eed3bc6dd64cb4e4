"""A pod of the name that was to be created exists: is it this launch's own?"""

from __future__ import annotations

from executor.identity import DEPLOYMENT_LABEL, LAUNCH_LABEL, safe_label_value
from executor.model import Launch
from executor.observe.pod_view import PodView


def is_twin(pod: PodView, launch: Launch, deployment: str) -> bool:
    """Alive, and the launch's own: whoever created it, it is as good as one that is created now."""
    alive = pod.metadata.deletion_timestamp is None and pod.status.phase in ("Pending", "Running")
    return alive and is_own(pod, launch, deployment)


def is_own(pod: PodView, launch: Launch, deployment: str) -> bool:
    """Of the same task instance, try and launch, dead or alive.

    deployment: the value of our own label. Launch ids are unique in one database only: a copy of it has them again.
    """
    meta = pod.metadata
    return (
        meta.labels.get(DEPLOYMENT_LABEL) == deployment
        and meta.labels.get(LAUNCH_LABEL) == safe_label_value(launch.id)
        and meta.annotations.get("task_instance_id") == launch.ti_id
        and meta.annotations.get("try_number") == str(launch.try_number)
    )
