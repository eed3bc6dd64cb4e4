"""A watch stream as text: chunks of bytes in, events out. No I/O.

A watch answers one JSON document per line (API concepts, "Efficient detection of changes"). Lines may be split over
chunks anywhere; an ERROR event carries a Status object and ends the stream. With a selector, DELETED also means "does
not match any more". Excluded: time limits and reconnecting.
"""

from __future__ import annotations

import logging
from typing import Any

import msgspec

from executor.kube import classify, decode
from executor.kube.port import Bookmark, PodChanged, PodGone, WatchEvent
from executor.observe.pod_view import ListMeta, PodView, View

log = logging.getLogger(__name__)

LONGEST_LINE = 8 * 1024 * 1024  # etcd takes objects of 1.5 MiB; far beyond that it is not a watch


class _Added(msgspec.Struct, tag_field="type", tag="ADDED", gc=False):
    object: PodView


class _Modified(msgspec.Struct, tag_field="type", tag="MODIFIED", gc=False):
    object: PodView


class _Deleted(msgspec.Struct, tag_field="type", tag="DELETED", gc=False):
    object: PodView


class _Marked(View, frozen=True):
    metadata: ListMeta = ListMeta()  # the rest of a bookmark's pod is nulls


class _Bookmark(msgspec.Struct, tag_field="type", tag="BOOKMARK", gc=False):
    object: _Marked


class _Error(msgspec.Struct, tag_field="type", tag="ERROR", gc=False):
    object: classify.StatusObject


class _Loose(msgspec.Struct):
    type: str
    object: Any


_Line = _Added | _Modified | _Deleted | _Bookmark | _Error
_typed: msgspec.json.Decoder[_Line] = msgspec.json.Decoder(_Line)
_loose = msgspec.json.Decoder(_Loose)


class WatchLines:
    """Collects chunks and gives back the events of the lines that are complete.

    where: what is watched, for messages. The buffer never holds more than `longest_line` bytes and a chunk.
    """

    def __init__(self, where: str, *, longest_line: int = LONGEST_LINE) -> None:
        self._where = where
        self._longest_line = longest_line
        self._rest = bytearray()

    def feed(self, chunk: bytes) -> list[WatchEvent]:
        """Events completed by this chunk. Raises Gone or another ApiError for an ERROR event, Unreachable for a
        line that is no watch event or too long; events before such a line are lost with the stream."""
        if b"\n" not in chunk:
            self._keep(chunk)
            return []
        lines = (bytes(self._rest) + chunk).split(b"\n")
        self._rest.clear()
        self._keep(lines.pop())
        events = (self._event(line) for line in lines if line.strip())
        return [event for event in events if event is not None]

    def _keep(self, chunk: bytes) -> None:
        if len(self._rest) + len(chunk) > self._longest_line:
            raise classify.not_understood(self._where, f"a line is longer than {self._longest_line} bytes")
        self._rest += chunk

    def _event(self, line: bytes) -> WatchEvent | None:
        try:
            return _to_event(_typed.decode(line))
        except msgspec.ValidationError:
            return self._lenient(line)
        except msgspec.DecodeError as error:
            raise classify.not_understood(self._where, f"a line is not JSON ({error})") from None

    def _lenient(self, line: bytes) -> WatchEvent | None:
        """A pod with an odd field is read leniently; one that cannot be read at all is left out and said."""
        try:
            loose = _loose.decode(line)
            if loose.type in ("ADDED", "MODIFIED", "DELETED"):
                pod = decode.lenient_pod(loose.object)
                return PodGone(pod) if loose.type == "DELETED" else PodChanged(pod)
        except msgspec.ValidationError as error:
            log.warning("%s: an event could not be read and is left out: %s", self._where, error)
            return None
        raise classify.not_understood(self._where, "a line is not a watch event")


def _to_event(line: _Line) -> WatchEvent:
    match line:
        case _Added() | _Modified():
            return PodChanged(line.object)
        case _Deleted():
            return PodGone(line.object)
        case _Bookmark():
            return Bookmark(line.object.metadata.resource_version)
        case _Error():
            raise classify.from_status(line.object)
