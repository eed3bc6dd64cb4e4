"""What one row of the table of the KubernetesPodOperator is, and how rows share a task.

A `Row` is data: what it gives the operator, shell lines that show the effect from inside the container, how its task
ends, and a check of what was seen. Nothing in it knows which operator class or executor it runs with. Rows share a
task where their arguments go together (`combine`); each of them can have a task of its own.

The same modules are read by the DAG file (`tests.operators.kpo.dag`) and by the tests.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from typing import Any, NamedTuple, Protocol

Kwargs = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """Where tasks run: what a DAG's author would know of the clusters.

    folder: files that DAG and test share. kubeconfig: a file with both clusters; the second one is `context`.
    trials: names of rows by the name of the task they share.
    """

    folder: str
    kubeconfig: str
    context: str
    operator: str
    trials: Mapping[str, tuple[str, ...]]

    def gate(self, task: str) -> Path:
        """The file whose appearance lets a waiting container end."""
        return Path(self.folder) / "gates" / task

    def task_of(self, row: str) -> str:
        """The task that a row is part of."""
        return next(task for task, rows in self.trials.items() if row in rows)


class Event(NamedTuple):
    """An Event of Kubernetes."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Container:
    """A pod that the operator made, as it was seen: first and last JSON; `cluster` is first or second."""

    name: str
    namespace: str
    cluster: str
    first: Mapping[str, Any] = field(repr=False)
    last: Mapping[str, Any] = field(repr=False)
    lived: float | None  # seconds until it was deleted; None: it is still there

    @property
    def spec(self) -> Mapping[str, Any]:
        """Its spec, in the end."""
        found: Mapping[str, Any] = self.last["spec"]
        return found

    def status(self, container: str = "base") -> Mapping[str, Any]:
        """One container's status; {} if there is none."""
        found = self.last["status"].get("containerStatuses") or ()
        return next((one for one in found if one["name"] == container), {})


@dataclass(frozen=True, slots=True)
class Seen:
    """What there was to see of a task: its row, its log, what it returned, the operator's pods and their events.

    workers: how many pods the executor made for this task. noticed_after: seconds from the opening of the task's gate
    to the event of the provider's trigger. notes: what the row's `drive` wants its check to know.
    """

    task: str
    state: str | None
    log: str = field(repr=False)
    xcom: Any
    pods: tuple[Container, ...]
    events: tuple[Event, ...] = field(repr=False)
    nodes: Mapping[str, Mapping[str, str]] = field(repr=False)
    workers: int
    noticed_after: float | None
    notes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def pod(self) -> Container:
        """The operator's only pod."""
        assert len(self.pods) == 1, f"{self.task}: not one pod but {[pod.name for pod in self.pods]}\n{self.log}"
        return self.pods[0]

    def said(self, row: str) -> list[str]:
        """The lines that a row's script printed in the container, by the task's log."""
        mark = re.compile(rf"^(?:\[\S+\] (?:logs: )?)?{slug(row)}> (.*)$", re.MULTILINE)
        return mark.findall(self.log)


class Hands(Protocol):
    """What a row's `drive` can do while its task runs; `tests.operators.kpo.stage.Stage` is it."""

    def state(self, task: str) -> str | None:
        """Its state in Airflow's database."""

    def mark(self, task: str, state: str) -> None:
        """Set its state by hand."""

    def lose_worker(self, task: str) -> None:
        """Delete its worker's pod by force."""

    def wait_log(self, task: str, words: str) -> str:
        """Wait until words are in its log, and return it."""

    def wait_early(self, task: str, words: str, period: float) -> None:
        """Wait for the early part of a period of so many seconds, the first of which began with words in its log."""

    def bind(self, task: str, node: str) -> None:
        """Give its container to a node, as a scheduler does."""

    def wait_no_worker(self, task: str) -> None:
        """Wait until it has no worker pod."""

    def wait_containers(self, task: str, count: int) -> None:
        """Wait until it has had so many pods of the operator."""

    def wait_containers_gone(self, task: str) -> None:
        """Wait until none of them is left."""

    def wait_deletion(self, task: str) -> int:
        """Wait until one of them is being deleted; return the seconds it has to end in."""


Check = Callable[[Seen], None]
Drive = Callable[[Hands, str], Mapping[str, Any]]


def nothing(place: Place) -> Kwargs:
    """No arguments."""
    return {}


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table.

    kwargs: its arguments of the operator, by place. script: shell lines for the container; what they print is
    `seen.said(name)`. exit_code: of the container, after all scripts. ends: the task's state. check: raises
    AssertionError. make: makes the task instead of the operator, for decorators, from (place, arguments). drive: acts
    while the task runs, on (stage, task), and returns notes for `Seen.notes`; the task's gate opens after all of them.
    after: rows whose tasks run before. spec_only: the effect cannot be seen on one machine.
    """

    name: str
    says: str
    check: Check
    kwargs: Callable[[Place], Kwargs] = nothing
    script: str = ""
    exit_code: int = 0
    ends: str = "success"
    make: Callable[[Place, Kwargs], Any] | None = None
    drive: Drive | None = None
    after: tuple[str, ...] = ()
    spec_only: bool = False


def slug(name: str) -> str:
    """A row's name as the id of a task."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


class Clash(ValueError):
    """Two rows of a task want different things."""


def combine(task: str, rows: Iterable[Row], place: Place) -> Kwargs:
    """The arguments of a task that several rows share: lists and maps added up, anything else must be the same.

    Raises Clash, naming task and argument.
    """
    shared = list(rows)
    merged = reduce(lambda done, row: _merge(task, done, row.kwargs(place)), shared, dict[str, Any]())
    blocks = [_block(row) for row in shared if row.script]
    code = max(row.exit_code for row in shared)
    return merged | ({"cmds": ["sh", "-c", "\n".join([*blocks, f"exit {code}"])]} if blocks else {})


def ends(rows: Iterable[Row]) -> str:
    """How a task that several rows share ends: as any of them wants that wants more than success.

    Raises Clash: they want different ends.
    """
    wanted = {row.ends for row in rows} - {"success"} or {"success"}
    if len(wanted) > 1:
        raise Clash(f"ends: {', '.join(sorted(wanted))}")
    return wanted.pop()


def _merge(task: str, left: Kwargs, right: Kwargs) -> Kwargs:
    return left | {
        name: _join(f"{task}.{name}", left[name], value) if name in left else value for name, value in right.items()
    }


def _join(where: str, left: Any, right: Any) -> Any:
    if isinstance(left, list) and isinstance(right, list):
        return [*left, *(one for one in right if one not in left)]
    if isinstance(left, dict) and isinstance(right, dict):
        return left | {
            key: _join(f"{where}.{key}", left[key], value) if key in left else value for key, value in right.items()
        }
    if left != right:
        raise Clash(f"{where}: {left!r} and {right!r}")
    return left


def _block(row: Row) -> str:
    """A row's shell lines, in a subshell, each line of output with the row's name before it."""
    return f"( {row.script}\n) 2>&1 | sed -u 's/^/{slug(row.name)}> /'"
