"""Why a pod takes so long to start, when its status does not say: the last warning of its Kubernetes events.

A volume that cannot be mounted or a sandbox that cannot be made leaves the container in ContainerCreating without a
word; the kubelet tells only an event. Asked for slow pods only, so that a task that starts in time costs no call.
"""

from __future__ import annotations

import logging

from executor.control.chronicle import Chronicle
from executor.control.jobs import Jobs
from executor.control.tracker import Tracked
from executor.errors import ApiError
from executor.kube.port import KubePort

log = logging.getLogger(__name__)


class PodEvents:
    """Reads events of pods that are slow to start, and tells the last warning once."""

    def __init__(self, kube: KubePort, chronicle: Chronicle) -> None:
        self._kube = kube
        self._chronicle = chronicle
        self._jobs = Jobs("reading a pod's events")

    def ask(self, tracked: Tracked) -> None:
        """Does not wait."""
        if tracked.pod is not None:
            self._jobs.start(self._ask(tracked))

    async def close(self) -> None:
        await self._jobs.cancel()

    async def _ask(self, tracked: Tracked) -> None:
        pod = tracked.pod
        if pod is None:
            return
        try:
            events = await self._kube.list_pod_events(pod)
        except ApiError as error:
            log.info("%s: the events of pod %s are not known: %s", tracked.launch, pod.name, error)
            return
        warnings = [event for event in events if event.type == "Warning"]
        if warnings and tracked.pod == pod:
            last = warnings[-1]
            tracked.warning = f"{last.reason}: {last.message}"
            sentence = f"Pod {pod.namespace}/{pod.name} does not start: {tracked.warning}"
            self._chronicle.say(tracked, "pod waiting", sentence, once=last.reason)
