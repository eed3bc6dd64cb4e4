"""Ledger and rows against what each kind says must come out. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tests.soak.container import Entry
from tests.soak.kinds import Kind
from tests.soak.node import TWINS
from tests.soak.rows import FINAL, TaskEnd

_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Outcome:
    """One task: what it was to come to, how its row stands, and whose workers were let in, in their order."""

    kind: Kind
    end: TaskEnd
    runs: tuple[Entry, ...]

    def __str__(self) -> str:
        end, tries = self.end, [entry.try_number for entry in self.runs]
        row = f"{self.kind.name}[{end.number}] is {end.state} in try {end.try_number} (max_tries {end.max_tries})"
        expected = f"{self.kind.state} in try {self.kind.last_try}, workers in tries {list(self.kind.starts)}"
        return f"{row}, workers in tries {tries}; expected {expected}; launches {[entry.launch for entry in self.runs]}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Sentences by kind of fault; none at all is what a soak has to come to."""

    tasks: int
    launches: int
    containers: int
    faults: Mapping[str, list[str]]

    @property
    def good(self) -> bool:
        return not any(self.faults.values())

    def __str__(self) -> str:
        lines = [f"{self.tasks} tasks, {self.launches} launches, {self.containers} containers"]
        for name, sentences in self.faults.items():
            lines.append(f"{name}: {len(sentences)}")
            lines += [f"  {sentence}" for sentence in sentences[:_SHOWN]]
        return "\n".join(lines)


_FAULTS: dict[str, Callable[[Outcome], bool]] = {
    "lost": lambda one: one.end.state not in FINAL,
    "healthy and failed": lambda one: one.kind.state == "success" and one.end.state == "failed",
    "wrong final state": lambda one: one.end.state in FINAL and not _fits(one),
    "run twice": lambda one: len(one.runs) > len(one.kind.starts),
    "not run as often as it had to": lambda one: len(one.runs) < len(one.kind.starts),
    "run in other tries": lambda one: sorted(entry.try_number for entry in one.runs) != sorted(one.kind.starts),
}


def judge(
    kinds: Sequence[Kind],
    ends: Sequence[TaskEnd],
    ledger: Sequence[Entry],
    leftovers: Mapping[str, int],
    logs: Mapping[str, str],
) -> Verdict:
    """kinds: of the tasks by their numbers; leftovers: what is still there, by name; logs: of every process."""
    starts = [entry for entry in ledger if entry.what == "start"]
    outcomes = _outcomes(kinds, ends, starts)
    faults = {name: [str(one) for one in outcomes if is_fault(one)] for name, is_fault in _FAULTS.items()}
    faults["launched twice"] = _twice(starts)
    faults["two live pods of a launch"] = [line for line in logs["node"].splitlines() if line.startswith(TWINS)]
    faults["left over"] = [f"{count} {what}" for what, count in leftovers.items() if count]
    faults["exceptions"] = [f"{name}: {line}" for name, log in logs.items() for line in _exceptions(log)]
    return Verdict(len(kinds), len({entry.launch for entry in starts}), len(starts), faults)


def _outcomes(kinds: Sequence[Kind], ends: Sequence[TaskEnd], starts: Sequence[Entry]) -> list[Outcome]:
    runs: defaultdict[int, list[Entry]] = defaultdict(list)
    for entry in starts:
        runs[entry.number].append(entry)
    return [Outcome(kinds[end.number], end, tuple(runs[end.number])) for end in ends]


def _fits(one: Outcome) -> bool:
    return (one.kind.state, one.kind.last_try) == (one.end.state, one.end.try_number)


def _twice(starts: Sequence[Entry]) -> list[str]:
    counted = Counter(entry.launch for entry in starts)
    return [f"launch {launch} had {count} workers" for launch, count in counted.items() if count > 1]


def _exceptions(log: str) -> list[str]:
    """The last line of each stack trace."""
    lines = log.splitlines()
    return [_last_line(lines, number) for number, line in enumerate(lines) if "Traceback (most recent" in line]


def _last_line(lines: Sequence[str], number: int) -> str:
    return next((line for line in lines[number + 1 :] if line and line[0] not in " │╭╰"), "")
