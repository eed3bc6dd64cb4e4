"""``pods/log``: the files that the node agent writes, served as the kubelet serves them.

Sources: ``pkg/registry/core/pod/strategy.go`` (which container), kubelet ``kuberuntime/logs/logs.go`` (what of it).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aiohttp import web

from executor.localcluster.cluster import Cluster
from executor.localcluster.log_files import LogPlace, line_batches
from executor.localcluster.request_info import RequestInfo
from executor.localcluster.resources import PODS
from executor.localcluster.stamps import utc_now
from executor.localcluster.status import FieldError, bad_request, invalid
from executor.localcluster.types import Json


@dataclass(frozen=True, slots=True)
class LogOptions:
    """What of a log is asked for; ``since`` compares with the time that starts a line; ``limit`` in bytes."""

    follow: bool
    tail: int | None
    limit: int | None
    since: str
    timestamps: bool
    previous: bool


async def serve(cluster: Cluster, request: web.Request, info: RequestInfo) -> web.StreamResponse:
    """Answer with text. Raises 404 (no such pod), 400 (which container, not started yet), 422 (bad options)."""
    pod = cluster.store.get(PODS, (info.namespace, info.name)).object
    options = read_options(info)
    container = choose_container(pod, info.query.get("container", ""))
    if not pod["spec"].get("nodeName"):
        return web.Response(status=204)
    answer = web.StreamResponse(headers={"Content-Type": "text/plain"})
    place = place_of(cluster, pod, container)
    path = _file(place, info.name, options.previous)
    await answer.prepare(request)
    async for piece in _pieces(place, path, options):
        await answer.write(piece)
    await answer.write_eof()
    return answer


def place_of(cluster: Cluster, pod: Json, container: str) -> LogPlace:
    """Where the logs of a pod's container are."""
    metadata = pod["metadata"]
    key = (metadata["namespace"], metadata["name"])
    return LogPlace(cluster.store, cluster.state_dir, key, metadata["uid"], container)


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
    state = place.state()
    if "terminated" in state or "running" in state:
        return current_file(place)
    reason = (state.get("waiting") or {}).get("reason") or "ContainerCreating"
    raise bad_request(f'container "{place.container}" in pod "{pod_name}" is waiting to start: {reason}')


def current_file(place: LogPlace) -> Path:
    """The log of the container's present run."""
    return place.folder / f"{(place.status() or {}).get('restartCount', 0)}.log"


async def _pieces(place: LogPlace, path: Path, options: LogOptions) -> AsyncIterator[bytes]:
    """The text of the log, in pieces, no longer than the limit."""
    left = options.limit
    printer = _Printer(options)
    async for lines in line_batches(place, path, options.tail, options.follow):
        piece = printer.text(lines)
        if left is not None:
            piece = piece[:left]
            left -= len(piece)
        if piece:
            yield piece
        if left == 0:
            return


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
