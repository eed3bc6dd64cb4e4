"""``pods/log``: the files that the node agent writes, served as the kubelet serves them.

Files: ``<state>/pods/<uid>/<container>/<restartCount>.log`` in CRI format, one ``<time> <stream> <F|P> <text>`` a line,
``P`` for a part of a line. Sources: ``pkg/registry/core/pod/strategy.go`` (which container), kubelet
``kuberuntime/logs/logs.go`` (what of the file).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from aiohttp import web

from executor.localcluster.cluster import Cluster
from executor.localcluster.request_info import RequestInfo
from executor.localcluster.resources import PODS
from executor.localcluster.stamps import utc_now
from executor.localcluster.status import FieldError, bad_request, invalid
from executor.localcluster.types import Json

_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class LogOptions:
    """What of a log is asked for; ``since`` compares with the time that starts a line; ``limit`` in bytes."""

    follow: bool
    tail: int | None
    limit: int | None
    since: str
    timestamps: bool
    previous: bool


@dataclass(frozen=True, slots=True)
class LogPlace:
    """One container's folder of logs, and the pod it belongs to (an API key and a uid)."""

    cluster: Cluster
    key: tuple[str, str]
    uid: str
    container: str

    @property
    def folder(self) -> Path:
        return self.cluster.state_dir / "pods" / self.uid / self.container

    def status(self) -> Json | None:
        """The container's status now; ``None`` when the pod is gone or says nothing about it."""
        stored = self.cluster.store.find(PODS, self.key)
        if stored is None or stored.uid != self.uid:
            return None
        return container_status(stored.object, self.container)

    def files(self) -> list[Path]:
        """Logs of all runs of the container, oldest first."""
        return sorted(self.folder.glob("*.log"), key=lambda path: int(path.stem))


async def serve(cluster: Cluster, request: web.Request, info: RequestInfo) -> web.StreamResponse:
    """Answer with text. Raises 404 (no such pod), 400 (which container, not started yet), 422 (bad options)."""
    pod = cluster.store.get(PODS, (info.namespace, info.name)).object
    options = read_options(info)
    container = choose_container(pod, info.query.get("container", ""))
    answer = web.StreamResponse(headers={"Content-Type": "text/plain"})
    if not pod["spec"].get("nodeName"):
        await answer.prepare(request)
        return answer
    place = LogPlace(cluster, (info.namespace, info.name), pod["metadata"]["uid"], container)
    path = _file(place, info.name, options.previous)
    await answer.prepare(request)
    async for piece in _pieces(place, path, options):
        await answer.write(piece)
    await answer.write_eof()
    return answer


def read_options(info: RequestInfo) -> LogOptions:
    seconds, tail, limit = info.number("sinceSeconds"), info.number("tailLines"), info.number("limitBytes")
    since = info.query.get("sinceTime", "")
    errors = []
    if tail is not None and tail < 0:
        message = f"Invalid value: {tail}: must be greater than or equal to 0"
        errors.append(FieldError("FieldValueInvalid", "tailLines", message))
    if limit is not None and limit < 1:
        errors.append(FieldError("FieldValueInvalid", "limitBytes", f"Invalid value: {limit}: must be greater than 0"))
    if seconds is not None and seconds < 1:
        message = f"Invalid value: {seconds}: must be greater than 0"
        errors.append(FieldError("FieldValueInvalid", "sinceSeconds", message))
    if errors:
        raise invalid("PodLogOptions", "", info.name, errors)
    if seconds is not None:
        since = (utc_now() - timedelta(seconds=seconds)).isoformat()
    return LogOptions(
        info.flag("follow"), tail, limit, _line_time(since), info.flag("timestamps"), info.flag("previous")
    )


def _line_time(text: str) -> str:
    """A time as log lines have it, so that texts compare as times do; raises a 400."""
    if not text:
        return ""
    try:
        moment = datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        raise bad_request(f'sinceTime: parsing time "{text}" as "2006-01-02T15:04:05Z07:00" failed') from None
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f000Z")


def choose_container(pod: Json, asked: str) -> str:
    """The container meant: the one asked for, or the only one; raises a 400 with the real sentence."""
    name, spec = pod["metadata"]["name"], pod["spec"]
    main = [c["name"] for c in spec.get("containers") or ()]
    initial = [c["name"] for c in spec.get("initContainers") or ()]
    if asked in (*main, *initial):
        return asked
    if asked:
        raise bad_request(f"container {asked} is not valid for pod {name}")
    if len(main) == 1:
        return str(main[0])
    choice = f"choose one of: [{' '.join(main)}]"
    if initial:
        choice += f" or one of the init containers: [{' '.join(initial)}]"
    raise bad_request(f"a container name must be specified for pod {name}, {choice}")


def container_status(pod: Json, container: str) -> Json | None:
    status = pod.get("status") or {}
    for statuses in ("containerStatuses", "initContainerStatuses"):
        for entry in status.get(statuses) or ():
            if entry.get("name") == container:
                found: Json = entry
                return found
    return None


def _file(place: LogPlace, pod_name: str, previous: bool) -> Path:
    """The file to read; raises a 400 when the container has not run (once more)."""
    files = place.files()
    if previous and len(files) < 2:
        raise bad_request(f'previous terminated container "{place.container}" in pod "{pod_name}" not found')
    if files:
        return files[-2 if previous else -1]
    return _unwritten(place, pod_name)


def _unwritten(place: LogPlace, pod_name: str) -> Path:
    """The file of a container that ran and wrote nothing so far; raises a 400 when it has not run."""
    status = place.status() or {}
    state = status.get("state") or {}
    if "terminated" in state or "running" in state:
        return place.folder / f"{status.get('restartCount', 0)}.log"
    reason = (state.get("waiting") or {}).get("reason") or "ContainerCreating"
    raise bad_request(f'container "{place.container}" in pod "{pod_name}" is waiting to start: {reason}')


async def _pieces(place: LogPlace, path: Path, options: LogOptions) -> AsyncIterator[bytes]:
    """The text of the log, in pieces, no longer than the limit."""
    left = options.limit
    printer = _Printer(options)
    async for lines in _line_batches(place, path, options):
        piece = printer.text(lines)
        if left is not None:
            piece = piece[:left]
            left -= len(piece)
        if piece:
            yield piece
        if left == 0:
            return


async def _line_batches(place: LogPlace, path: Path, options: LogOptions) -> AsyncIterator[Iterable[bytes]]:
    """Whole lines of the file, first what is there (or its tail), then, when following, what comes."""
    while (file := _open(path)) is None:
        if not options.follow or _ended(place, path):
            return
        await asyncio.sleep(_POLL_SECONDS)
    with file:
        if options.tail is not None:
            yield deque(file, maxlen=options.tail)
        rest, ended = b"", False
        while not ended:
            ended = not options.follow or _ended(place, path)
            *lines, rest = (rest + file.read()).split(b"\n")
            yield (line + b"\n" for line in lines)
            await asyncio.sleep(0 if ended else _POLL_SECONDS)


def _open(path: Path) -> BinaryIO | None:
    return path.open("rb") if path.exists() else None


def _ended(place: LogPlace, path: Path) -> bool:
    """Whether nothing can be added to the file any more: its run is over, or the pod is gone."""
    status = place.status()
    if status is None:
        return place.cluster.store.find(PODS, place.key) is None or not place.folder.exists()
    over = int(status.get("restartCount", 0)) > int(path.stem)
    return over or "terminated" in (status.get("state") or {})


class _Printer:
    """CRI lines to the text a reader gets; a long line that was cut into parts is whole again."""

    def __init__(self, options: LogOptions) -> None:
        self._since = options.since.encode()
        self._timestamps = options.timestamps
        self._at_start = True

    def text(self, lines: Iterable[bytes]) -> bytes:
        return b"".join(map(self._one, lines))

    def _one(self, line: bytes) -> bytes:
        parts = line.split(b" ", 3)
        if len(parts) < 4 or parts[0] < self._since:
            return b""
        stamp, tag, content = parts[0], parts[2], parts[3]
        prefix = stamp + b" " if self._timestamps and self._at_start else b""
        self._at_start = not tag.startswith(b"P")
        return prefix + (content if self._at_start else content.rstrip(b"\n"))
