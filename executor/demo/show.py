"""The demo's screen: a live table on a terminal, one line per change elsewhere (CI, a pipe)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from executor.demo.board import LaunchLine
from executor.demo.verdict import Verdict

_COLOURS = {"success": "green", "failed": "red", "up_for_retry": "yellow", "running": "cyan", "deferred": "magenta"}
_TIMES = ("queued", "launched", "running", "finished", "deleted")
#: A terminal narrower than this gets lines, not a table that is broken into unreadable columns.
_NARROW = 110
#: From here on there is room for whole names. What is no terminal has room.
_WIDE = 190


class Screen:
    """Shows launches while they go on. Times are seconds since `start`."""

    def __init__(self, start: datetime) -> None:
        self._console = Console(highlight=False)
        if not self._console.is_terminal:
            self._console.width = _WIDE
        self._live_wanted = self._console.is_terminal and self._console.width >= _NARROW
        self._start = start
        self._live: Live | None = None

    def __enter__(self) -> Screen:
        if self._live_wanted:
            self._live = Live(console=self._console, refresh_per_second=4, transient=True)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def say(self, text: str) -> None:
        """Print one line."""
        self._console.print(escape(text), soft_wrap=True)

    def show(self, lines: Sequence[LaunchLine], changed: Iterable[LaunchLine], now: datetime) -> None:
        """Bring the table up to date, or print the changes."""
        if self._live:
            self._live.update(self._table(lines))
            return
        for line in changed:
            pod = line.pods[-1].name if line.pods else "-"
            title = f"{line.title} try {line.try_number}"
            self.say(f"{self._seconds(now):>6} s  {title:<52} {line.stage:<9} {line.state or '':<13} {pod}")

    def summary(self, lines: Sequence[LaunchLine], verdict: Verdict) -> None:
        """Print the whole table, why tasks failed, and the proof."""
        self._console.print(self._table(lines))
        self.say("\nTasks that were meant to fail, and what Airflow's event log says:")
        for failure in verdict.failures:
            self.say(f"  {failure.expected.dag_id}.{failure.expected.task_id}: {failure.sentence or '(nothing)'}")
        for problem in verdict.problems:
            self._console.print(f"[red]problem:[/] {escape(problem)}", soft_wrap=True)
        left = sum(1 for line in lines for pod in line.pods if not pod.deleted_at)
        self.say(f"\n{verdict.launches} launches, {verdict.pods} pods seen by our own watch, {left} left.")
        if not verdict.problems:
            self._console.print("[green]Every task ended as it should, each launch in exactly one pod.[/]")

    def _table(self, lines: Sequence[LaunchLine]) -> Table:
        table = Table(title="launches (times in seconds since the start)")
        table.add_column("task", no_wrap=True)
        table.add_column("try", justify="right")
        table.add_column("state", no_wrap=True)
        table.add_column("pod", no_wrap=True)
        for name in _TIMES:
            table.add_column(name, justify="right", no_wrap=True)
        for line in lines:
            table.add_row(*self._cells(line))
        return table

    def _cells(self, line: LaunchLine) -> list[str]:
        colour = _COLOURS.get(line.state or "", "white")
        pod = line.pods[-1] if line.pods else None
        times: tuple[datetime | None, ...] = (line.queued_at,)
        times += (pod.seen_at, pod.running_at, pod.finished_at, pod.deleted_at) if pod else (None,) * 4
        state = f"[{colour}]{line.state or ''}[/]"
        name = self._short(pod.name) if pod else ""
        return [escape(line.title), str(line.try_number), state, name, *map(self._seconds, times)]

    def _short(self, pod: str) -> str:
        """Pod names differ in their last part, which is all a narrow table has room for."""
        return pod if self._console.width >= _WIDE else "…" + pod.rpartition("-")[2]

    def _seconds(self, at: datetime | None) -> str:
        return f"{(at - self._start).total_seconds():.1f}" if at else ""
