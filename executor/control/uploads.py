"""Brings a launch's `.executor.log` file to where Airflow keeps its logs remotely, once, when no more is written to it.

A store may take its time or never answer, so each upload has a thread of its own and a time limit; nobody waits for
it, and at most SLOTS threads are ever held up. What cannot be brought there is still in the event log.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor, Future
from typing import ParamSpec, TypeVar

from executor.control.jobs import Jobs
from executor.control.quiet import Quiet

log = logging.getLogger(__name__)

UPLOAD_SECONDS = 30.0
SLOTS = 4
REMEMBERED = 10_000  # files of launches that have not ended

Upload = Callable[[str], None]
P = ParamSpec("P")
T = TypeVar("T")


class Uploads:
    """upload: brings one file there, blocking, by its path in the base log folder, None where there is no such place;
    flushed: returns when everything written so far is in its file."""

    def __init__(self, upload: Upload | None, flushed: Callable[[], Awaitable[object]]) -> None:
        self._upload, self._flushed = upload, flushed
        self._files: OrderedDict[str, str] = OrderedDict()  # launch id -> path
        self._held: Counter[str] = Counter()
        self._ended: set[str] = set()
        self._slots = asyncio.Semaphore(SLOTS)
        self._jobs = Jobs("uploading what the executor says")
        self._quiet = Quiet()

    @property
    def wanted(self) -> bool:
        return self._upload is not None

    def written(self, launch_id: str, path: str) -> None:
        """This launch has something to bring there."""
        if self._upload is not None:
            self._files[launch_id] = path
            if len(self._files) > REMEMBERED:
                self._files.popitem(last=False)

    def hold(self, launch_id: str) -> None:
        """More will be written, although the launch may end meanwhile: until as many calls of `release`."""
        self._held[launch_id] += 1

    def release(self, launch_id: str) -> None:
        self._held[launch_id] -= 1
        if not self._held[launch_id]:
            del self._held[launch_id]
            if launch_id in self._ended:
                self.end(launch_id)

    def end(self, launch_id: str) -> None:
        """The launch has ended: as soon as nobody holds it, its file is complete."""
        if launch_id in self._held:
            self._ended.add(launch_id)
            return
        self._ended.discard(launch_id)
        path = self._files.pop(launch_id, None)
        if path is not None and self._upload is not None:
            self._jobs.start(self._bring(self._upload, path))

    async def drain(self) -> None:
        """Wait for what is under way."""
        await self._jobs.drain()

    async def close(self) -> None:
        """Give up what is still under way."""
        await self._jobs.cancel()

    async def _bring(self, upload: Upload, path: str) -> None:
        try:
            async with asyncio.timeout(UPLOAD_SECONDS):
                await self._flushed()
                await self._slots.acquire()
                problem = await asyncio.shield(self._in_thread(upload, path))
        except TimeoutError:
            problem = f"there was no answer within {UPLOAD_SECONDS:.0f} s"
        if problem and self._quiet.due():
            log.warning("%s could not be brought to the remote log store: %s", path, problem)

    def _in_thread(self, upload: Upload, path: str) -> asyncio.Future[str]:
        """What went wrong, '' if nothing; a slot is free again when the thread has really ended, whoever waits."""
        done = asyncio.get_running_loop().run_in_executor(_Thread(), _problem_of, upload, path)
        done.add_done_callback(lambda _: self._slots.release())
        return done


def _problem_of(upload: Upload, path: str) -> str:
    """The root of the thread: a store's client may raise anything."""
    try:
        upload(path)
    except Exception as error:  # noqa: BLE001
        return f"{type(error).__name__}: {error}"
    return ""


class _Thread(Executor):
    """A thread that ends with the process, whatever it is doing."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        threading.Thread(
            target=lambda: future.set_result(fn(*args, **kwargs)), name="airflow-log-upload", daemon=True
        ).start()
        return future
