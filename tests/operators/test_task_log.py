"""A container's log in the task's log: each line once, whatever happens to the stream."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from executor.errors import NotFound, Unreachable
from executor.operators.task_log import ContainerLog
from executor.operators.xcom import ResultReader
from tests.operators.world import play

TEXT = b"".join(b"line %d\n" % number for number in range(50)) + b"the end"


@dataclass
class Source:
    """A log that is read in pieces; the streams break after so many bytes, one after the other."""

    breaks: list[int | None] = field(default_factory=list)
    opened: int = 0
    gone: bool = False

    async def follow_log(self, namespace: str, name: str, *, container: str, tail_lines: int) -> AsyncGenerator[bytes]:
        if self.gone:
            raise NotFound("pods not found", status=404, reason="NotFound")
        until = self.breaks[self.opened] if self.opened < len(self.breaks) else None
        self.opened += 1
        for start in range(0, len(TEXT), 7):
            if until is not None and start >= until:
                raise Unreachable("the answer broke off")
            yield TEXT[start : start + 7]


def followed(source: Source) -> tuple[list[str], ContainerLog]:
    shown: list[str] = []
    log = ContainerLog(source, "ns", "pod", "base", shown.append, ResultReader.of("pod-0123456789abcdef"))
    play(log.follow)
    return shown, log


def test_each_line_once_over_broken_streams() -> None:
    source = Source([3, 100, 101, 333])
    shown, log = followed(source)
    assert shown == TEXT.decode().splitlines()
    assert source.opened == 5
    assert log.problem == ""


def test_a_log_that_is_gone_says_so() -> None:
    shown, log = followed(Source(gone=True))
    assert shown == []
    assert "pods not found" in log.problem
