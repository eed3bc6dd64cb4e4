"""Looks at launches one by one, decides, and carries the decision out.

Only launch ids are queued: a launch marked ten times is looked at once. A decision that needs the row goes to the
reader, which asks for many rows in one query; nobody waits for the database but the launches that need it.
An event that was handed over is confirmed: the row is read again until it has moved on, or the event is handed over
once more (Airflow skips rows that are locked at that moment, and the event is lost with them).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from itertools import islice

from executor.control.chronicle import Chronicle
from executor.control.janitor import Janitor
from executor.control.ledger import Ledger
from executor.control.outbox import Outbox
from executor.control.pod_events import PodEvents
from executor.control.ports import RowsDown, RowsPort
from executor.control.quiet import Quiet
from executor.control.tracker import Tracked, Tracker, is_running
from executor.control.work_queue import backoff
from executor.metrics import Metrics
from executor.model import Event, Outcome, Settled
from executor.observe.decide import (
    NOT_READ,
    GiveBack,
    Keep,
    Policy,
    Progress,
    ReadRow,
    Relaunch,
    Report,
    RowSeen,
    Search,
    Settle,
    Switch,
    decide,
)
from executor.observe.diagnosis import PodClass, diagnose

log = logging.getLogger(__name__)

ROWS_PER_READ = 500
ROWS_DOWN_DELAY = 2.0
SAY_AFTER = 5.0  # a waiting that is over sooner is not worth a line


class Judge:
    """The one place where decisions become actions."""

    def __init__(
        self,
        *,
        tracker: Tracker,
        rows: RowsPort,
        outbox: Outbox,
        janitor: Janitor,
        ledger: Ledger,
        chronicle: Chronicle,
        policy: Policy,
        metrics: Metrics,
        relaunch: Callable[[Tracked, float], None],
        dequeue: Callable[[str], object],
        search: Callable[[Tracked, str], None],
        pod_events: PodEvents,
    ) -> None:
        """relaunch: put back into the work queue after so many seconds; dequeue: take out of it; search: ask whether a
        pod of this name runs the task."""
        self._tracker, self._rows, self._outbox = tracker, rows, outbox
        self._janitor, self._chronicle, self._policy = janitor, chronicle, policy
        self._relaunch, self._dequeue, self._pod_events, self._search = relaunch, dequeue, pod_events, search
        self._metrics, self._ledger, self._quiet = metrics, ledger, Quiet()
        self._marked, self._to_read = dict[str, None](), dict[str, None]()
        self._timers: dict[tuple[Callable[[str], None], str], asyncio.TimerHandle] = {}
        self._wake, self._wake_reader = asyncio.Event(), asyncio.Event()

    def mark(self, launch_id: str) -> None:
        """Something about this launch changed."""
        self._marked[launch_id] = None
        self._wake.set()

    def mark_later(self, launch_id: str, delay: float) -> None:
        self._later(delay, self.mark, launch_id)

    def _later(self, delay: float, act: Callable[[str], None], launch_id: str) -> None:
        """At most one timer of a kind per launch, the earliest: else every look would begin a chain of its own."""
        key, loop = (act, launch_id), asyncio.get_running_loop()
        timer = self._timers.get(key)
        if timer is not None and timer.when() <= loop.time() + delay:
            return
        if timer is not None:
            timer.cancel()
        self._timers[key] = loop.call_later(delay, self._ring, key)

    def _ring(self, key: tuple[Callable[[str], None], str]) -> None:
        del self._timers[key]
        act, launch_id = key
        act(launch_id)

    def want_row(self, launch_id: str) -> None:
        """Read its row and decide with it."""
        self._to_read[launch_id] = None
        self._wake_reader.set()

    async def run(self) -> None:
        """Until cancelled: look at everything that was marked."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            marked, self._marked = self._marked, {}
            for launch_id in marked:
                self._look(launch_id, NOT_READ)
            await asyncio.sleep(0)

    async def run_reader(self) -> None:
        """Until cancelled: read the rows that decisions wait for, many at a time."""
        while True:
            await self._wake_reader.wait()
            ids = list(islice(self._to_read, ROWS_PER_READ))
            wanted = [t for t in map(self._tracker.get, ids) if t is not None]
            for launch_id in ids:
                del self._to_read[launch_id]
            if not self._to_read:
                self._wake_reader.clear()
            if wanted:
                await self._read(wanted)

    async def _read(self, wanted: list[Tracked]) -> None:
        try:
            await self.read_and_look(wanted)
        except RowsDown as error:
            if self._quiet.due():
                log.warning("The database does not answer, %d decisions wait: %s", len(wanted), error)
            await asyncio.sleep(ROWS_DOWN_DELAY)
            for tracked in wanted:
                self.want_row(tracked.launch.id)

    async def read_and_look(self, wanted: Sequence[Tracked]) -> None:
        """Read the rows of these launches and decide with them. Raises RowsDown.

        A row counts only if it was read after the last thing that was seen of the pod: else it is read again.
        """
        seen, drains = [(tracked.seen, tracked.present) for tracked in wanted], self._outbox.drains
        rows = await self._rows.read([tracked.launch for tracked in wanted])
        for tracked, before in zip(wanted, seen, strict=True):
            launch_id = tracked.launch.id
            tracked.read_at_drain = drains
            if (tracked.seen, tracked.present) == before:
                self._look(launch_id, rows.get(launch_id))
            elif self._tracker.get(launch_id) is tracked:
                self.want_row(launch_id)

    def _look(self, launch_id: str, row: RowSeen) -> None:
        """One launch; a defect that it meets harms no other."""
        tracked = self._tracker.get(launch_id)
        if tracked is None:
            return
        try:
            self._decide(tracked, row)
        except Exception:
            log.exception("%s: it could not be decided what to do", tracked.launch)

    def _decide(self, tracked: Tracked, row: RowSeen) -> None:
        now = asyncio.get_running_loop().time()
        self._note_class(tracked, now)
        facts = tracked.facts(self._tracker.others(tracked))
        decision = decide(facts, tracked.seen, tracked.present, row, now, self._policy)
        match decision:
            case Keep():
                self._keep(tracked, decision, now)
            case ReadRow():
                self._read_later(tracked, decision)
            case Settle():
                self.settle(tracked, decision)
            case Relaunch():
                self._launch_again(tracked, decision)
            case Search():
                self._search(tracked, decision.name)
            case Switch():
                self._switch(tracked, decision.uid)
            case GiveBack():
                self._ledger.give_back(tracked, decision, self.want_row)
            case Report():
                self._hand_over(tracked, decision)

    def _note_class(self, tracked: Tracked, now: float) -> None:
        """Times of waiting count from when the present kind of waiting began."""
        cls = diagnose(tracked.seen, present=tracked.present, deleted_by_us=False).cls
        if tracked.cls is not cls:
            if cls is PodClass.RUNNING and tracked.posted_at:
                self._metrics.timing("posted_to_running", now - tracked.posted_at)
            tracked.cls, tracked.class_since = cls, now

    def _keep(self, tracked: Tracked, keep: Keep, now: float) -> None:
        tracked.waiting = keep.fresh
        if keep.again_in is not None:
            self.mark_later(tracked.launch.id, keep.again_in)
        lasted = now - tracked.class_since
        if keep.waiting is not None and keep.waiting.cls is PodClass.STARTING:
            self.mark_later(tracked.launch.id, self._pod_events.ask_if_slow(tracked, lasted))
        if keep.waiting is None or not keep.waiting.reason or keep.waiting.told_as in tracked.said:
            return
        if lasted >= SAY_AFTER:
            self._chronicle.say(tracked, "pod waiting", keep.text, once=keep.waiting.told_as)
        else:
            self.mark_later(tracked.launch.id, SAY_AFTER - lasted)

    def _read_later(self, tracked: Tracked, read: ReadRow) -> None:
        if not read.after:
            self.want_row(tracked.launch.id)
            return
        if read.again and not tracked.reread:
            self._later(read.after, self._reread, tracked.launch.id)

    def _reread(self, launch_id: str) -> None:
        tracked = self._tracker.get(launch_id)
        if tracked is not None:
            tracked.reread = True
            self.want_row(launch_id)

    def settle(self, tracked: Tracked, why: Settle) -> None:
        """The launch needs nothing more: free its slot, deal with its pod."""
        self._dequeue(tracked.launch.id)
        self._tracker.drop(tracked)
        self._outbox.put(Settled(tracked.launch.key, tracked.launch.id))
        log.debug("%s: settled: %s", tracked.launch, why.why)
        tracked.ceded = not why.delete
        if why.delete:
            self._clear_away(tracked, why)
        self._chronicle.end(tracked.launch)

    def _clear_away(self, tracked: Tracked, why: Settle) -> None:
        clean = why.clean and (tracked.handed is None or tracked.handed.outcome is not Outcome.FAILED)
        if tracked.seen is not None:
            pod, gone, doomed = tracked.seen, not tracked.present, why.doomed
            self._janitor.retire(tracked.launch, pod, clean=clean, patient=why.patient, gone=gone, doomed=doomed)
        elif tracked.pod is not None:
            self._janitor.remove(tracked.launch, tracked.pod, doomed=why.doomed)
        elif (unasked := self._tracker.unasked(tracked)) is not None:
            self._janitor.retire(tracked.launch, unasked, clean=clean, patient=is_running(unasked), doomed=why.doomed)

    def _switch(self, tracked: Tracked, uid: str) -> None:
        """Follow the pod that runs the task; the launch's own is not needed any more."""
        runs = next(pod for pod in self._tracker.others(tracked) if pod.metadata.uid == uid)
        turned_away, gone = tracked.seen, not tracked.present
        self._tracker.switch(tracked, runs)
        if turned_away is not None:
            self._janitor.retire(tracked.launch, turned_away, clean=False, gone=gone, shut_out=True)
        self.mark(tracked.launch.id)

    def _launch_again(self, tracked: Tracked, decision: Relaunch) -> None:
        """Another attempt of the same launch, under another name."""
        if tracked.seen is not None:
            gone = not tracked.present  # nothing is asked before it goes: the next one is not to live beside it
            self._janitor.retire(tracked.launch, tracked.seen, gone=gone, clean=False, shut_out=True)
        delay = 0.0 if tracked.relaunches == 0 else backoff(tracked.relaunches, 1.0, 30.0)
        tracked.attempt += 1
        tracked.relaunches += 0 if decision.free else 1
        tracked.pod, tracked.seen, tracked.present = None, None, False
        tracked.progress, tracked.reread, tracked.waiting = Progress.WAITING, False, True
        tracked.said = ()
        tracked.warning, tracked.events, tracked.workload_lost = "", None, False
        if decision.free:
            self._relaunch(tracked, delay)
            return
        sentence = f"{decision.why} Another pod takes its place (number {tracked.attempt}); no retry is spent."
        self._ledger.note_relaunch(tracked, sentence, lambda: self._post_again(tracked, delay))

    def _post_again(self, tracked: Tracked, delay: float) -> None:
        if self._tracker.get(tracked.launch.id) is tracked:
            self._relaunch(tracked, delay)

    def _hand_over(self, tracked: Tracked, report: Report) -> None:
        """Give the scheduler its event, then confirm.

        Again only if the row was read after the drain that followed the one which took the event: the scheduler handles
        what a drain gave it before it drains again, and an event that comes twice could hit the next launch.
        """
        launch = tracked.launch
        if report.outcome is Outcome.STARTED:
            tracked.started_reported = True
            self._outbox.put(Event(launch.key, launch.id, report.outcome, ""))
            return
        sentence = self._with_events(tracked, report)
        if sentence is None:
            return
        self._confirm_later(tracked)
        if tracked.handed is not None and tracked.read_at_drain < tracked.handed_at_drain + 2:
            return
        if tracked.handed is None and report.outcome is Outcome.FAILED:
            self._chronicle.say(tracked, "pod failed", sentence, level="error")
        tracked.handed = Event(launch.key, launch.id, report.outcome, sentence)
        tracked.handed_at_drain = self._outbox.drains
        self._outbox.put(tracked.handed)

    def _with_events(self, tracked: Tracked, report: Report) -> str | None:
        """None: the pod's events are asked for; with them it is decided anew, by a row that is read anew."""
        if report.outcome is not Outcome.FAILED:
            return report.sentence
        return self._pod_events.added_to(report.sentence, tracked, self.want_row)

    def _confirm_later(self, tracked: Tracked) -> None:
        self._later(self._policy.confirm_interval, self.want_row, tracked.launch.id)
