"""Callbacks that nobody runs: queued or running in the database, with no pod anywhere, for longer than two leases.

Airflow offers no adoption for callbacks (`jobs/scheduler_job_runner.py` enqueues PENDING ones only), so those of a
dead scheduler would stay for ever. They are failed with a reason and never run again: at most once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from executor.control.outbox import Outbox
from executor.control.ports import RowsDown, RowsPort
from executor.control.tracker import Tracker
from executor.identity import LAUNCH_LABEL
from executor.model import Event, Kind, Launch, Outcome

log = logging.getLogger(__name__)

REASON = "The scheduler that ran this callback is gone, and so is its pod. It is not run again."


class StaleCallbacks:
    """Fails callbacks that were seen without a pod twice, `patience` seconds apart."""

    def __init__(
        self,
        rows: RowsPort,
        tracker: Tracker,
        outbox: Outbox,
        callback_launch: Callable[[Launch], Launch],
        patience: float,
    ) -> None:
        self._rows, self._tracker, self._outbox = rows, tracker, outbox
        self._callback_launch, self._patience = callback_launch, patience
        self._suspects: dict[str, float] = {}

    async def check(self) -> None:
        """One look."""
        try:
            stale = await self._rows.stale_callbacks(self._patience)
        except RowsDown as error:
            log.warning("The database does not answer, stale callbacks are not looked for: %s", error)
            return
        now = asyncio.get_running_loop().time()
        with_pods = {pod.metadata.labels.get(LAUNCH_LABEL) for pod in self._tracker.pods.values()}
        alone = [one for one in stale if self._tracker.get(one) is None and one not in with_pods]
        self._suspects = {one: self._suspects.get(one, now) for one in alone}
        for one, since in list(self._suspects.items()):
            if now - since >= self._patience:
                del self._suspects[one]
                self._fail(one)

    def _fail(self, callback_id: str) -> None:
        found = Launch(callback_id, Kind.CALLBACK, None, callback_id, "", "", "", 1, -1)
        launch = self._callback_launch(found)
        log.warning("Callback %s: %s", callback_id, REASON)
        self._outbox.put(Event(launch.key, launch.id, Outcome.FAILED, REASON))
