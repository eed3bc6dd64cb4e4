"""`cleanup` as a command: what it is told, a bar while it works, and what it prints."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from executor.airflow_config import read_facts, read_settings
from executor.assembly import make_plan
from executor.cli.cleanup import Removal, Scope, clean
from executor.cli.output import print_note
from executor.task_rows import TaskRows

if TYPE_CHECKING:
    from argparse import Namespace

    from executor.control.machine import MachinePlan


def run(args: Namespace) -> bool:
    """Clean up, or show what would be; whether all could be deleted. Raises ApiError, RowsDown, SettingsError."""
    rows = TaskRows(None)
    try:
        plan = make_plan(read_settings(args.team), read_facts(args.team), rows, cast("Any", None), None, args.team)
        removals = asyncio.run(_removals(plan, _scope(args), dry=args.dry_run))
    finally:
        rows.close()
    _print(removals, args.output, dry=args.dry_run)
    return not any(one.error for one in removals)


def _scope(args: Namespace) -> Scope:
    return Scope(
        frozenset(args.namespace) if args.namespace else None,
        timedelta(minutes=args.min_pending_minutes),
        timedelta(minutes=args.min_completed_minutes),
    )


async def _removals(plan: MachinePlan, scope: Scope, *, dry: bool) -> list[Removal]:
    """What was deleted, by namespace and name; a look beforehand tells the bar how much there is."""
    kube = await plan.connect()
    planned: list[Removal] = []
    done: list[Removal] = []
    try:
        await clean(plan, kube, scope, planned.append, dry=True)
        if dry:
            return _sorted(planned)
        with _bar(len(planned)) as advance:

            def told(one: Removal) -> None:
                done.append(one)
                advance()

            await clean(plan, kube, scope, told)
    finally:
        await kube.close()
    return _sorted(done)


def _sorted(removals: Sequence[Removal]) -> list[Removal]:
    return sorted(removals, key=lambda one: (one.kind, one.namespace, one.name))


@contextmanager
def _bar(total: int) -> Iterator[Callable[[], None]]:
    """A bar on the error stream, if that is a terminal; what it gives is called for each removal."""
    columns = (TextColumn("deleting"), BarColumn(), MofNCompleteColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("", total=total)
        yield lambda: progress.advance(bar)


def _print(removals: Sequence[Removal], form: str, *, dry: bool) -> None:
    """One line each (or JSON), and on the error stream how many."""
    if form == "json":
        sys.stdout.write(json.dumps({"dry_run": dry, "removed": [asdict(one) for one in removals]}, indent=2) + "\n")
    else:
        sys.stdout.writelines(f"{_line(one, dry=dry)}\n" for one in removals)
    done = Counter(one.kind for one in removals if not one.error)
    text = ", ".join(f"{done[kind]} {kind}{'' if done[kind] == 1 else 's'}" for kind in ("pod", "secret"))
    failed = len(removals) - done.total()
    print_note(f"{text} {'would be deleted' if dry else 'deleted'}{f', {failed} could not be' if failed else ''}")


def _line(one: Removal, *, dry: bool) -> str:
    return f"{one.kind} {one.namespace}/{one.name}: {_told(one, dry=dry)} ({one.about})"


def _told(one: Removal, *, dry: bool) -> str:
    if one.error:
        return f"could not be deleted: {one.error}"
    return "would be deleted" if dry else "deleted"
