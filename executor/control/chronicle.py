"""Says what happens to a launch where people look: Airflow's event log and the `.executor.log` file of the attempt.

The file lies beside the attempt's own log, which is why the UI shows it for queued, scheduled, retried and failed
tasks wherever scheduler and API server share the folder (Airflow `utils/log/file_task_handler.py` reads
`<log_path>*`). JSON lines: timestamp, level, event, logger. Written by a thread of its own: a log folder on a network
file system must not hold up the loop. Where logs are kept remotely, the file goes there when its launch has ended.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from executor.control.outbox import Outbox
from executor.control.tracker import Tracked
from executor.control.uploads import Upload, Uploads
from executor.metrics import Metrics, NoMetrics
from executor.model import Kind, Launch, LogEntry

log = logging.getLogger(__name__)

LOGGER_NAME = "executor.kubernetes"
MAX_EXTRA = 8_000


class Chronicle:
    """base_folder: Airflow's base_log_folder, None writes no files; folder_mode: for folders made here, so that a
    worker under another user id can write its own log beside ours."""

    def __init__(
        self,
        outbox: Outbox,
        base_folder: Path | None,
        folder_mode: int = 0o775,
        metrics: Metrics | None = None,
        upload: Upload | None = None,
    ) -> None:
        """upload: brings a file, by its path in base_folder, to where Airflow keeps its logs remotely."""
        self._outbox = outbox
        self._metrics = metrics or NoMetrics()
        self._base = base_folder
        self._mode = folder_mode
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="airflow-executor-log")
        self._uploads = Uploads(upload, self._flushed)

    def say(
        self,
        tracked: Tracked,
        event: str,
        text: str,
        *,
        once: str = "",
        level: str = "info",
        common: bool = False,
        entry: bool = True,
    ) -> None:
        """A line about this launch; `once` names a reason that is told only the first time.

        common: all launches have this trouble, and the scheduler's own log needs no line for each of them; entry: False
        where the event log has it already.
        """
        if once:
            if once in tracked.said:
                return
            tracked.said = (*tracked.said, once)
        launch = tracked.launch
        self._metrics.count("told", {"event": event})
        log.log(logging.DEBUG if common else logging.getLevelName(level.upper()), "%s: %s: %s", launch, event, text)
        if entry and launch.kind is Kind.TASK:
            self._outbox.put(LogEntry(launch.key, event, text[:MAX_EXTRA]))
        self.write(launch, [_line(level, text)])

    def note(self, launch: Launch, text: str) -> None:
        """A line for the file alone."""
        self.write(launch, [_line("info", text)])

    def write_tail(self, launch: Launch, whose: str, tail: str, when: str) -> None:
        """The last lines of a log, as they were: Airflow drops those that the worker uploaded itself.

        whose, when: complete "Saved the last lines of the log of ... ...".
        """
        lines = tail.removesuffix("\n").split("\n")  # splitlines() would cut a line at what JSON may hold as it is
        note = f"Saved the last {len(lines)} lines of the log of {whose} {when}."
        self.write(launch, [_line("info", note), *lines])

    def write(self, launch: Launch, lines: list[str]) -> None:
        if self._base is None or not launch.log_path:
            return
        path = self._path_of(launch, launch.log_path)
        self._writer.submit(_append, self._base / path, self._base, lines, self._mode)
        self._uploads.written(launch.id, path)

    def hold(self, launch: Launch) -> None:
        """More will be written about this launch, although it may end meanwhile: until as many calls of `release`."""
        self._uploads.hold(launch.id)

    def release(self, launch: Launch) -> None:
        self._uploads.release(launch.id)

    def end(self, launch: Launch) -> None:
        """Nothing more is said about this launch, but for what is being written."""
        self._uploads.end(launch.id)

    async def drain(self) -> None:
        """Wait for what is being uploaded."""
        await self._uploads.drain()

    async def close(self) -> None:
        await self._uploads.close()
        await asyncio.to_thread(self._writer.shutdown)

    def _path_of(self, launch: Launch, log_path: str) -> str:
        """An upload adds to what is there under the same name: so each launch of a try has a name of its own."""
        return f"{log_path}.executor.{launch.id}.log" if self._uploads.wanted else f"{log_path}.executor.log"

    async def _flushed(self) -> None:
        """Everything written so far is in its file."""
        await asyncio.get_running_loop().run_in_executor(self._writer, lambda: None)


def _line(level: str, text: str) -> str:
    stamp = datetime.now(UTC).isoformat()
    return json.dumps({"timestamp": stamp, "level": level, "event": text, "logger": LOGGER_NAME}, ensure_ascii=False)


def _append(path: Path, base: Path, lines: list[str], mode: int) -> None:
    try:
        _make_folders(path.parent, base, mode)
        with path.open("a", encoding="utf-8") as file:
            file.write("".join(f"{line}\n" for line in lines))
    except OSError as error:
        log.warning("Could not write %s: %s", path, error)


def _make_folders(folder: Path, base: Path, mode: int) -> None:
    """Like mkdir -p, with the mode Airflow gives its log folders whatever the umask is."""
    if folder.exists() or folder == base.parent:
        return
    _make_folders(folder.parent, base, mode)
    try:
        folder.mkdir()
    except FileExistsError:
        return
    os.chmod(folder, mode)
