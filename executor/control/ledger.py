"""What a launch has cost so far, where a failover cannot lose it: in Airflow's event log.

Each relaunch is one row `pod relaunched`, written before the next pod is posted; each disruption that gave a try back
is one row `pod disrupted`, in the same transaction as the raised max_tries. Budgets are counted by these rows.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from executor.control.chronicle import Chronicle
from executor.control.jobs import Jobs
from executor.control.ports import RowsDown, RowsPort
from executor.control.quiet import Quiet
from executor.control.tracker import Tracked
from executor.model import GivenBack
from executor.observe.decision import GiveBack

log = logging.getLogger(__name__)

ROWS_DOWN_DELAY = 2.0
SENTENCES = {
    GivenBack.GIVEN: "This was no fault of the task: its try is given back, no retry is spent.",
    GivenBack.SPENT: "It costs a retry, because the task's disruption_retries are spent.",
    GivenBack.NO_RETRIES: "The task has no retries, so it stays failed.",
}


class Ledger:
    """Writes without being waited for; what depends on it is called afterwards, on the loop."""

    def __init__(self, rows: RowsPort, chronicle: Chronicle) -> None:
        self._rows = rows
        self._chronicle = chronicle
        self._jobs = Jobs("writing what a launch has cost")
        self._quiet = Quiet()

    async def close(self) -> None:
        await self._jobs.cancel()

    def give_back(self, tracked: Tracked, decision: GiveBack, then: Callable[[str], object]) -> None:
        """Give the try back, once however often it is asked; then `then(launch id)`."""
        if not tracked.settling_up:
            tracked.settling_up = True
            self._jobs.start(self._give_back(tracked, decision, then))

    def note_relaunch(self, tracked: Tracked, sentence: str, then: Callable[[], object]) -> None:
        """Write it down; then `then()`, which posts the next pod."""
        self._chronicle.say(tracked, "pod relaunched", sentence, entry=False)
        self._jobs.start(self._note_relaunch(tracked, sentence, then))

    async def _give_back(self, tracked: Tracked, decision: GiveBack, then: Callable[[str], object]) -> None:
        while True:
            try:
                given = await self._rows.give_back(tracked.launch, decision.sentence, reported=decision.reported)
                break
            except RowsDown as error:
                await self._wait(error)
        tracked.settling_up = False
        tracked.given_back = SENTENCES.get(given, "")
        if given is GivenBack.GIVEN:
            self._chronicle.say(tracked, "pod disrupted", f"{decision.sentence} {tracked.given_back}", entry=False)
        then(tracked.launch.id)

    async def _note_relaunch(self, tracked: Tracked, sentence: str, then: Callable[[], object]) -> None:
        while True:
            try:
                await self._rows.note_relaunch(tracked.launch, sentence)
                break
            except RowsDown as error:
                await self._wait(error)
        then()

    async def _wait(self, error: RowsDown) -> None:
        if self._quiet.due():
            log.warning("The database does not answer, relaunches and disruptions wait: %s", error)
        await asyncio.sleep(ROWS_DOWN_DELAY)
