"""The end of a container's log, as people read it."""

from __future__ import annotations

import json

import pytest

from executor.observe.last_words import LIMIT, last_words

FRAMES = [{"filename": "/opt/airflow/dags/etl.py", "lineno": 3, "name": "load"}]
RAISED = {
    "timestamp": "2026-11-20T17:36:01Z",
    "level": "error",
    "event": "Task failed with exception",
    "exception": [
        {"exc_type": "KeyError", "exc_value": "'id'", "frames": FRAMES},
        {"exc_type": "OSError", "exc_value": "disk full", "frames": FRAMES},
    ],
}


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("", ""),
        ("no such table\n", "no such table"),
        ("one\n  two\n", "one\n  two"),
        (json.dumps({"event": "Done", "level": "info"}), "Done"),
        (json.dumps(RAISED), "Task failed with exception: KeyError: 'id': OSError: disk full"),
        ("x" * 2000 + '":252}\n' + json.dumps({"event": "Done"}), "Done"),
        ("Killed\n" + json.dumps({"event": "Done"}) + "\n", "Killed\nDone"),
        (json.dumps({"event": "Done"}) + "\nKilled", "Done\nKilled"),
        ('{"event": 3}', '{"event": 3}'),
        ("{not json", "{not json"),
        (json.dumps({"event": "e", "exception": "text"}), "e"),
        (json.dumps({"event": "e", "exception": [7]}), "e"),
    ],
)
def test_lines_become_words(message: str, expected: str) -> None:
    assert last_words(message) == expected


def test_the_end_is_what_counts() -> None:
    assert last_words("a" * LIMIT + "the end") == ("a" * LIMIT + "the end")[-LIMIT:]
