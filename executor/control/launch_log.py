"""A line in the scheduler's log for each pod that was posted; what is posted together is written together.

A record of Airflow's logging costs as much as building a pod (0.14 ms), in which the scheduler's thread waits as well.
"""

from __future__ import annotations

import asyncio
import logging

from executor.control.tracker import Tracked
from executor.kube.port import PodRef

log = logging.getLogger(__name__)

FLUSH_SECONDS = 0.25


class LaunchLog:
    """Collects lines for FLUSH_SECONDS of the loop's time, at most."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def posted(self, tracked: Tracked, pod: PodRef) -> None:
        if not self._lines:
            asyncio.get_running_loop().call_later(FLUSH_SECONDS, self.flush)
        self._lines.append(f"{tracked.launch}: posted pod {pod.namespace}/{pod.name} (attempt {tracked.attempt})")

    def flush(self) -> None:
        """Write what there is."""
        lines, self._lines = self._lines, []
        if len(lines) == 1:
            log.info("%s", lines[0])
        elif lines:
            log.info("%d pods:\n%s", len(lines), "\n".join(lines))
