"""A log that becomes full while somebody reads it: every line once, in order."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from executor.localcluster.log_files import LogReader
from executor.localcluster.node.cri_log import LineSplitter, RotatingLog
from executor.localcluster.resources import PODS
from tests.unit.localcluster.conftest import Running
from tests.unit.localcluster.test_pod_log import pod, set_state

LINE = len("1970-01-01T00:00:00.000000000Z stdout F 000000000\n")
LINES_OF_A_FILE = 8
LIMIT = LINES_OF_A_FILE * LINE
_LOG = "/api/v1/namespaces/default/pods/a/log"


class Program:
    """Numbered lines, as a container writes them, into a log of `LIMIT` bytes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._log, self._splitter = RotatingLog(path, LIMIT), LineSplitter("stdout")
        self.printed = 0

    def print(self, count: int) -> None:
        for _ in range(count):
            self._log.write(self._splitter.feed(f"{self.printed:09}\n".encode(), 0))
            self.printed += 1

    def close(self) -> None:
        self._log.close()


def numbers(text: bytes) -> list[int]:
    return [int(line.rpartition(b" ")[2]) for line in text.splitlines()]


@settings(max_examples=30)
@given(st.lists(st.integers(0, 2 * LINES_OF_A_FILE), max_size=12))
def test_what_is_printed_between_two_looks_may_fill_two_files(counts: list[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        program = Program(Path(folder) / "0.log")
        seen: list[int] = []
        with LogReader(program.path) as reader:
            for count in counts:
                program.print(count)
                seen += numbers(b"".join(reader.lines()))
        program.close()
    assert seen == list(range(program.printed))


def test_a_line_that_is_not_whole_yet_waits(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    path.write_bytes(b"t stdout F on")
    with LogReader(path) as reader, path.open("ab") as file:
        assert list(reader.lines()) == []
        file.write(b"e\n")
        file.flush()
        assert list(reader.lines()) == [b"t stdout F one\n"]


def test_a_folder_that_is_being_removed_shows_nothing_old(tmp_path: Path) -> None:
    program = Program(tmp_path / "0.log")
    program.print(LINES_OF_A_FILE + 1)
    with LogReader(program.path) as reader:
        assert numbers(b"".join(reader.lines())) == [LINES_OF_A_FILE]
        program.path.unlink()
        assert list(reader.lines()) == []
    program.close()
    assert (tmp_path / "0.log.1").exists()


async def test_following_goes_on_over_full_files(running: Running) -> None:
    await running.call("POST", "/api/v1/namespaces/default/pods", pod("base"))
    uid = running.cluster.store.get(PODS, ("default", "a")).uid
    program = Program(running.cluster.state_dir / "pods" / uid / "base" / "0.log")
    set_state(running, {"running": {}})
    program.print(1)
    answer = await running.call("GET", _LOG, follow="true")
    text = b""
    async with asyncio.timeout(10):
        for count in (1, LINES_OF_A_FILE, 2 * LINES_OF_A_FILE - 1):
            program.print(count)
            while len(text.splitlines()) < program.printed:
                text += await answer.content.readany()
    program.close()
    set_state(running, {"terminated": {"exitCode": 0}})
    text += await answer.read()
    assert numbers(text) == list(range(program.printed))
