"""Tasks that Airflow's own Kubernetes executor started, on the day this one takes over.

Their rows hold a scheduler's job id where ours hold a launch id, and their pods carry no label of ours: they are found
by upstream's labels and annotations, followed read-only, and never deleted. While such a pod lives nothing is said
about its task; its worker reports the result itself. Where none lives, a QUEUED task is launched by us, and a RUNNING
one was lost.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence

from executor.control.quiet import Quiet
from executor.control.tracker import Tracked, Tracker
from executor.errors import ApiError
from executor.kube.port import KubePort
from executor.model import Launch
from executor.observe.diagnosis import is_alive
from executor.observe.pod_view import PodView

log = logging.getLogger(__name__)

UPSTREAM_PODS = "kubernetes_executor=True,!airflow-deployment"
LOOKS = 2  # a worker may be between its report and its end

TaskName = tuple[str, str, str, str, str]


class Switchover:
    """Follows what upstream's executor left."""

    def __init__(self, kube: KubePort, tracker: Tracker, lost: Callable[[Tracked], None]) -> None:
        """lost: called for a task that no pod runs."""
        self._kube, self._tracker, self._lost = kube, tracker, lost
        self._followed: dict[str, int] = {}  # launch id -> looks without a pod
        self._quiet = Quiet()

    def follow(self, launch_id: str) -> None:
        self._followed[launch_id] = 0

    async def look(self, namespaces: Sequence[str | None]) -> None:
        """One list per namespace, and only while there is something to follow."""
        self._followed = {one: n for one, n in self._followed.items() if self._tracker.get(one) is not None}
        if not self._followed:
            return
        try:
            listed = [await self._kube.list_pods(namespace, UPSTREAM_PODS) for namespace in namespaces]
        except ApiError as error:
            if self._quiet.due():
                log.warning("Pods of Airflow's own Kubernetes executor cannot be listed, their tasks wait: %s", error)
            return
        alive = _alive(pod for one in listed for pod in one.pods)
        for launch_id in list(self._followed):
            self._judge(launch_id, alive)

    def _judge(self, launch_id: str, alive: set[TaskName]) -> None:
        tracked = self._tracker.get(launch_id)
        if tracked is None or _task_of(tracked.launch) in alive:
            self._followed[launch_id] = 0
            return
        self._followed[launch_id] += 1
        if self._followed[launch_id] >= LOOKS:
            del self._followed[launch_id]
            self._lost(tracked)


def _alive(pods: Iterable[PodView]) -> set[TaskName]:
    return {_task_in(pod) for pod in pods if is_alive(pod)}


def _task_in(pod: PodView) -> TaskName:
    """Annotations hold the ids as they are (cncf-kubernetes, `pod_generator.py`)."""
    notes = pod.metadata.annotations
    names = ("dag_id", "task_id", "run_id", "try_number")
    dag_id, task_id, run_id, try_number = (notes.get(name, "") for name in names)
    return dag_id, task_id, run_id, try_number, notes.get("map_index", "-1")


def _task_of(launch: Launch) -> TaskName:
    return launch.dag_id, launch.task_id, launch.run_id, str(launch.try_number), str(launch.map_index)
