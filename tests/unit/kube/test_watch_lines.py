"""A watch stream cut anywhere gives the same events; what is no event is an error, never silence."""

from __future__ import annotations

import json
import logging
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor.errors import Gone, Throttled, Unreachable
from executor.kube.port import Bookmark, PodChanged, PodGone
from executor.kube.watch_lines import WatchLines
from tests.unit.kube.conftest import pod_body, status_body


def line(kind: str, obj: object) -> bytes:
    return json.dumps({"type": kind, "object": obj}).encode() + b"\n"


BOOKMARK = {  # as a real server writes it: a pod of nulls
    "kind": "Pod",
    "metadata": {"resourceVersion": "12", "creationTimestamp": None},
    "spec": {"containers": None},
    "status": {},
}
STREAM = (
    line("ADDED", pod_body("a", 10))
    + line("MODIFIED", pod_body("группа", 11))
    + b"\n"
    + line("BOOKMARK", BOOKMARK)
    + line("DELETED", pod_body("a", 13))
)


def summary(events):
    return [
        event.resource_version if isinstance(event, Bookmark) else (type(event), event.pod.metadata.name)
        for event in events
    ]


EXPECTED = [(PodChanged, "a"), (PodChanged, "группа"), "12", (PodGone, "a")]


def test_whole():
    assert summary(WatchLines("watch").feed(STREAM)) == EXPECTED


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_cut_anywhere(cuts):
    lines, edges = WatchLines("watch"), [0, *sorted(cuts), len(STREAM)]
    chunks = [STREAM[start:end] for start, end in pairwise(edges)]
    assert summary([event for chunk in chunks for event in lines.feed(chunk)]) == EXPECTED


def test_error_410_is_gone():
    with pytest.raises(Gone, match="too old"):
        WatchLines("watch").feed(line("ERROR", status_body(410, "Expired", "too old resource version")))


def test_error_event_without_code_is_transient():
    with pytest.raises(Throttled):
        WatchLines("watch").feed(line("ERROR", {"kind": "Status", "message": "etcd has no leader"}))


@pytest.mark.parametrize("text", [b"<html>login</html>\n", b'{"type":"ADDED","obj\n', b'{"type":"NEWS","object":{}}\n'])
def test_what_is_no_event_breaks_the_stream(text):
    with pytest.raises(Unreachable, match=r"^watch pods at h: "):
        WatchLines("watch pods at h").feed(text)


def test_a_line_without_end_is_bounded():
    lines = WatchLines("watch", longest_line=1000)
    lines.feed(b"x" * 600)
    with pytest.raises(Unreachable, match="longer than 1000"):
        lines.feed(b"x" * 600)


def test_nulls_where_go_has_none_are_read():
    pod = pod_body("odd")
    pod["metadata"]["labels"] = None
    pod["status"]["reason"] = None
    (event,) = WatchLines("watch").feed(line("MODIFIED", pod))
    assert event.pod.metadata.name == "odd"
    assert event.pod.metadata.labels == {}


def test_one_unreadable_pod_is_said_and_the_others_come(caplog):
    broken = pod_body("broken")
    broken["status"]["containerStatuses"] = [{"name": ["not", "text"]}]
    with caplog.at_level(logging.WARNING):
        events = WatchLines("watch").feed(line("ADDED", broken) + line("ADDED", pod_body("fine")))
    assert summary(events) == [(PodChanged, "fine")]
    assert "containerStatuses" in caplog.text
