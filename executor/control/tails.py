"""Keeps the end of a pod's log from going with the pod.

A pod that we delete is read before. One that others delete (a drain, an eviction, a preemption, `kubectl delete`) takes
its log along at once, so from the first sight of that its log is followed into a ring until its container ends. What
was kept is written beside the task's own log when its launch has ended badly; the lines are the worker's own, so that
Airflow drops those that the worker has uploaded itself. Where nothing could be had, one line says so.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from dataclasses import dataclass

from executor.control.chronicle import Chronicle
from executor.control.jobs import Jobs
from executor.control.tracker import ref_of
from executor.errors import ApiError, Transient
from executor.kube.log_tail import LogTail
from executor.kube.port import KubePort, PodRef
from executor.model import Launch
from executor.observe.diagnosis import BASE, base_started, disruption_of
from executor.observe.pod_view import PodView

log = logging.getLogger(__name__)

TAIL_BYTES = 64 * 1024
READ_LINES = 2_000
FOLLOW_LINES = 1_000
FOLLOWED = 20  # streams at a time
READERS = 32
HELD = 100  # tails whose launch has not ended yet
TRIES = 3  # of a stream that breaks
RETRY_SECONDS = 1.0
GRACE_SECONDS = 600.0  # where nobody says how long the container has
MARGIN_SECONDS = 60.0
GONE_SECONDS = 5.0  # for the rest of a stream whose pod has gone
GONE = "the pod was gone before anybody could read it"
DELETED_BY_US = "before it was deleted"
DELETED_BY_OTHERS = "while somebody else deleted it"
BEFORE_ITS_END = (
    f"when somebody else began to delete it (what came after that is lost: at most {FOLLOWED} are followed)"
)


@dataclass(slots=True)
class _Tail:
    """Of one pod's log; problem: why there is no more."""

    ring: LogTail
    when: str = DELETED_BY_OTHERS
    problem: str = GONE
    reading: asyncio.Task[None] | None = None


class Tails:
    """Tails by the uid of their pod, held until they are saved or dropped."""

    def __init__(self, kube: KubePort, chronicle: Chronicle) -> None:
        self._kube = kube
        self._chronicle = chronicle
        self._jobs = Jobs("reading a pod's log")
        self._readers = asyncio.Semaphore(READERS)
        self._tails: dict[str, _Tail] = {}
        self._followed = 0

    def notice(self, pod: PodView) -> None:
        """Here is the pod of a launch that has not ended: if others end it, keep the end of its log."""
        uid = pod.metadata.uid
        if uid in self._tails or not _is_being_ended(pod):
            return
        self._make_room()
        tail = self._tails[uid] = _Tail(LogTail(TAIL_BYTES))
        if self._followed < FOLLOWED:
            self._followed += 1
            tail.reading = self._jobs.start(self._follow(pod, tail))
            tail.reading.add_done_callback(self._one_less)
        else:
            tail.reading = self._jobs.start(self._read_once(ref_of(pod), tail))

    def drop(self, uid: str) -> None:
        """Nobody needs the end of this log."""
        tail = self._tails.pop(uid, None)
        if tail is not None and tail.reading is not None:
            tail.reading.cancel()

    async def save(self, launch: Launch, pod: PodRef, container: str) -> None:
        """The pod is about to be deleted by us: read its log, else take what was kept of it, and write that."""
        if not launch.log_path:
            return
        tail = self._tails.get(pod.uid) or _Tail(LogTail(0))
        try:
            text, tail.when = await self._read(pod, READ_LINES, container), DELETED_BY_US
        except ApiError as error:
            text, tail.problem = tail.ring.text(), str(error)
        self._write(launch, pod, tail, text, container)

    async def salvage(self, launch: Launch, pod: PodRef) -> None:
        """The pod has gone: write what was kept of its log."""
        if not launch.log_path:
            return
        tail = self._tails.get(pod.uid) or _Tail(LogTail(0))
        if tail.reading is not None:
            await asyncio.wait({tail.reading}, timeout=GONE_SECONDS)
        self._write(launch, pod, tail, tail.ring.text())

    async def close(self) -> None:
        """Give up what is still under way."""
        await self._jobs.cancel()

    def _write(self, launch: Launch, pod: PodRef, tail: _Tail, text: str, container: str = BASE) -> None:
        whose = "" if container == BASE else f"container {container} of "
        if text:
            self._chronicle.write_tail(launch, f"{whose}pod {pod.name}", text, tail.when)
        else:
            where = f"The end of the log of {whose}pod {pod.namespace}/{pod.name} could not be saved"
            self._chronicle.note(launch, f"{where}: {tail.problem if tail.problem else 'it is empty'}.")

    async def _follow(self, pod: PodView, tail: _Tail) -> None:
        grace = pod.metadata.deletion_grace_period_seconds
        seconds = (GRACE_SECONDS if grace is None else grace) + MARGIN_SECONDS
        try:
            async with asyncio.timeout(seconds):
                await self._follow_to_the_end(ref_of(pod), tail)
        except TimeoutError:
            log.info("The log of pod %s was followed for %.0f s and has not ended", pod.metadata.name, seconds)
        except ApiError as error:
            tail.problem = str(error)

    async def _follow_to_the_end(self, pod: PodRef, tail: _Tail) -> None:
        for left in reversed(range(TRIES)):
            try:
                await self._stream(pod, tail)
                return
            except Transient:
                if not left:
                    raise
            await asyncio.sleep(RETRY_SECONDS)

    async def _stream(self, pod: PodRef, tail: _Tail) -> None:
        """One stream from its beginning; what an earlier one gave stays until this one gives something."""
        ring = LogTail(TAIL_BYTES)
        stream = self._kube.follow_log(pod.namespace, pod.name, container=BASE, tail_lines=FOLLOW_LINES)
        async with aclosing(stream) as chunks:
            async for chunk in chunks:
                ring.add(chunk)
                tail.ring = ring
        tail.problem = ""

    async def _read_once(self, pod: PodRef, tail: _Tail) -> None:
        tail.when = BEFORE_ITS_END
        try:
            tail.ring.add((await self._read(pod, FOLLOW_LINES)).encode())
        except ApiError as error:
            tail.problem = str(error)

    async def _read(self, pod: PodRef, lines: int, container: str = BASE) -> str:
        async with self._readers:
            return await self._kube.read_log(
                pod.namespace, pod.name, container=container, tail_lines=lines, limit_bytes=TAIL_BYTES
            )

    def _one_less(self, reading: asyncio.Task[None]) -> None:
        self._followed -= 1

    def _make_room(self) -> None:
        """Launches end sooner or later, unless the database is away: then the oldest tails go."""
        if len(self._tails) >= HELD:
            self.drop(next(iter(self._tails)))


def _is_being_ended(pod: PodView) -> bool:
    """By others, and its log will go with it. A pod that the kubelet evicted stays as Failed, and can be read."""
    started = base_started(pod) and pod.status.phase != "Failed"
    return started and bool(disruption_of(pod, deleted_by_us=False))
