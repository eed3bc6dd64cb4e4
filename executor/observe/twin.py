"""A pod of the name that was to be created exists: is it this launch's own?"""

from __future__ import annotations

from executor.identity import LAUNCH_LABEL, safe_label_value
from executor.model import Launch
from executor.observe.pod_view import PodView


def is_twin(pod: PodView, launch: Launch) -> bool:
    """Alive, and of the same task instance, try and launch: the create whose answer was lost."""
    meta = pod.metadata
    return (
        meta.deletion_timestamp is None
        and pod.status.phase in ("Pending", "Running")
        and meta.labels.get(LAUNCH_LABEL) == safe_label_value(launch.id)
        and meta.annotations.get("task_instance_id") == launch.ti_id
        and meta.annotations.get("try_number") == str(launch.try_number)
    )
