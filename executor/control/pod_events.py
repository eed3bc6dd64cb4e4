"""What Kubernetes' events tell about a pod where its status does not: why it starts so slowly, and why it died.

A volume that cannot be mounted or a sandbox that cannot be made leaves the container in ContainerCreating without a
word; a node that is lost, or a victim of preemption, leaves a pod that is gone. Asked for slow pods, and once for a
launch that fails for want of its pod: a task that starts in time, or fails by its own code, costs no call.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from executor.control.chronicle import Chronicle
from executor.control.jobs import Jobs
from executor.control.tracker import Tracked
from executor.errors import ApiError
from executor.kube.port import KubePort, PodEvent, PodRef
from executor.observe.diagnosis import PULL_REASONS, base_end, base_running_since, disruption_of
from executor.observe.pod_view import PodView
from executor.observe.wording import in_short, killed_by

log = logging.getLogger(__name__)

SLOW_AFTER = 10.0  # most pods have started by then
ASK_EVERY = 30.0
READERS = 16
PATIENCE = 5.0  # seconds that the end of a launch waits for its events
MOST = 3
LONGEST = 240
CLOCK_SKEW = timedelta(seconds=1)
# Of type Normal, and yet why a pod had to go (kube-scheduler and the taint eviction controller write them).
TELLING = frozenset({"Preempted", "TaintManagerEviction"})


class PodEvents:
    """Reads events of pods, a few at a time."""

    def __init__(self, kube: KubePort, chronicle: Chronicle) -> None:
        self._kube = kube
        self._chronicle = chronicle
        self._jobs = Jobs("reading a pod's events")
        self._readers = asyncio.Semaphore(READERS)

    def ask_if_slow(self, tracked: Tracked, lasted: float) -> float:
        """It has been starting for so many seconds: tell its last warning once. Returns when to look again, seconds."""
        if lasted < SLOW_AFTER:
            return SLOW_AFTER - lasted
        if tracked.pod is not None:
            self._jobs.start(self._tell_why_slow(tracked, tracked.pod))
        return ASK_EVERY

    def added_to(self, sentence: str, tracked: Tracked, then: Callable[[str], None]) -> str | None:
        """The sentence of a failed launch with its pod's last events, where these add something.

        None: they are being asked for; then `then(launch id)` is called, once, and the answer is known.
        """
        if tracked.pod is None or _tells_itself(tracked.seen):
            return sentence
        if tracked.events is None:
            if not tracked.asking:
                tracked.asking = True
                self._jobs.start(self._ask(tracked, tracked.pod, then))
            return None
        since = base_running_since(tracked.seen) if tracked.seen is not None else None
        return sentence + last_words_of(tracked.events, sentence, since)

    async def close(self) -> None:
        await self._jobs.cancel()

    async def _tell_why_slow(self, tracked: Tracked, pod: PodRef) -> None:
        warnings = [event for event in await self._read(tracked, pod) if event.type == "Warning"]
        if warnings and tracked.pod == pod:
            last = warnings[-1]
            tracked.warning = f"{last.reason}: {last.message}"
            sentence = f"Pod {pod.namespace}/{pod.name} does not start: {tracked.warning}"
            self._chronicle.say(tracked, "pod waiting", sentence, once=last.reason)

    async def _ask(self, tracked: Tracked, pod: PodRef, then: Callable[[str], None]) -> None:
        found: Sequence[PodEvent] = ()
        try:
            async with asyncio.timeout(PATIENCE):
                found = await self._read(tracked, pod)
        except TimeoutError:
            log.info("%s: the events of pod %s did not come in time", tracked.launch, pod.name)
        tracked.asking = False
        if tracked.pod == pod:
            tracked.events = tuple(found)
        then(tracked.launch.id)

    async def _read(self, tracked: Tracked, pod: PodRef) -> Sequence[PodEvent]:
        """Oldest first; none where they cannot be had."""
        try:
            async with self._readers:
                return await self._kube.list_pod_events(pod)
        except ApiError as error:
            log.info("%s: the events of pod %s are not known: %s", tracked.launch, pod.name, error)
            return ()


def last_words_of(events: Sequence[PodEvent], sentence: str, since: datetime | None) -> str:
    """The last few distinct events that say more than the sentence does, as a further one; '' if there are none.

    events: oldest first; since: older ones are not why, None: none is too old.
    """
    told: dict[tuple[str, str], str] = {}
    for event in events:
        text = in_short(event.message)
        if _tells(event, since) and text.rstrip(".") not in sentence and text not in PULL_REASONS:
            times = f" ({event.count} times)" if event.count > 1 else ""
            told.pop((event.reason, text), None)
            told[event.reason, text] = f"{event.reason}: {text[:LONGEST].rstrip('.')}{times}"
    last = list(told.values())[-MOST:]
    stop = "" if sentence.endswith((".", "!", "?")) else "."
    return f"{stop} Its last events: {'; '.join(last)}." if last else ""


def _tells(event: PodEvent, since: datetime | None) -> bool:
    late = since is None or event.last_seen is None or event.last_seen >= since - CLOCK_SKEW
    return late and (event.type == "Warning" or event.reason in TELLING)


def _tells_itself(pod: PodView | None) -> bool:
    """`base` ended by itself, or for want of memory: how says everything."""
    end = base_end(pod) if pod is not None else None
    if pod is None or end is None:
        return False
    return end.reason == "OOMKilled" or not (killed_by(end) or disruption_of(pod, deleted_by_us=False))
