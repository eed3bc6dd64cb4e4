"""Deletes a pod whose worker may be at work, or about to be: looked at once more, and only as it was seen then."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from executor.control.lease import Lease
from executor.control.ports import RowsPort
from executor.errors import NotFound
from executor.kube.port import KubePort, PodRef
from executor.model import Launch
from executor.observe.parting import Parting, part
from executor.observe.pod_view import PodView


class LastLook:
    """One GET, one row and one DELETE with a precondition. Few pods need it: most have ended when they are deleted."""

    def __init__(self, kube: KubePort, rows: RowsPort, lease: Lease, now: Callable[[], datetime]) -> None:
        """now: the calendar, aware of its time zone."""
        self._kube, self._rows, self._lease, self._now = kube, rows, lease, now

    async def delete(self, launch: Launch, pod: PodRef, *, doomed: bool) -> tuple[Parting, PodView | None]:
        """Delete it if that can be done; WAIT too where the lease has lapsed meanwhile: what was seen may be old.

        Returns what was done, and the pod as it was then, None where it was gone.
        Raises ApiError, WriteConflict where the pod has changed meanwhile, and RowsDown.
        """
        try:
            seen = await self._kube.read_pod(pod.namespace, pod.name)
        except NotFound:
            return Parting.GONE, None
        row = (await self._rows.read([launch])).get(launch.id)
        parting = part(launch, seen, row, self._now(), doomed=doomed)
        if not self._lease.held():
            return Parting.WAIT, seen
        if parting is Parting.DELETE:
            await self._kube.delete_pod(pod, version=seen.metadata.resource_version)
        return parting, seen


__all__ = ["LastLook", "Parting"]
