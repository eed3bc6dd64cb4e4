"""Regular expressions with Go's syntax and meaning, in time bounded by pattern times text.

The program of regex_syntax is run by a backtracker that never visits the same place twice (RE2's "bit state"), so no
pattern can take exponential time; a search that would take too many steps is refused. Matches are leftmost, and
first alternatives win, as in Go's regexp.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass

from executor.templating.errors import Refusal
from executor.templating.limits import MAX_OUTPUT
from executor.templating.regex_program import ANY, CHARS, JUMP, MATCH, SAVE, SPLIT, Instruction
from executor.templating.regex_syntax import parse

MAX_REGEX_STEPS = 2_000_000
_META = re.compile(r"[\\.+*?()|\[\]{}^$]")
_REFERENCE = re.compile(r"\$(?:\$|(\w+)|\{(\w+)\})", re.ASCII)


_Thread = tuple[int, int, tuple[int, ...]]  # instruction, position, where groups began and ended


@dataclass(frozen=True, slots=True)
class Regex:
    """A compiled pattern. names: of its groups, by number."""

    program: tuple[Instruction, ...]
    groups: int
    names: Mapping[str, int]

    def search(self, text: str, start: int = 0) -> list[int] | None:
        """Start and end of the leftmost match and of its groups (-1 for one without), None without a match."""
        return _Search(self, text).from_(start)

    def find_all(self, text: str, count: int) -> list[list[int]]:
        """Matches that do not overlap; an empty one right behind another does not count."""
        found: list[list[int]] = []
        search = _Search(self, text)
        at, previous = 0, -1
        size = 0
        while at <= len(text) and (count < 0 or len(found) < count):
            match = search.from_(at)
            if match is None:
                break
            if match[1] > match[0] or match[0] != previous:
                found.append(match)
                size += match[1] - match[0] + 1
            if size > MAX_OUTPUT:
                raise Refusal("a regular expression matches too much text")
            previous = match[1]
            at = match[1] if match[1] > match[0] else match[1] + 1
        return found


class _Search:
    """A text being searched; the steps are counted over all searches in it."""

    def __init__(self, regex: Regex, text: str) -> None:
        self._program = regex.program
        self._slots = 2 * (regex.groups + 1)
        self._text = text
        self._steps = MAX_REGEX_STEPS

    def from_(self, start: int) -> list[int] | None:
        visited: set[int] = set()
        for at in range(start, len(self._text) + 1):
            match = self._at(at, visited)
            if match is not None:
                return match
        return None

    def _at(self, start: int, visited: set[int]) -> list[int] | None:
        jobs: list[_Thread] = [(0, start, (start, *[-1] * (self._slots - 1)))]
        while jobs:
            thread: _Thread | None = jobs.pop()
            while thread is not None and self._is_new(thread, visited):
                step = self._program[thread[0]]
                if step.kind == MATCH:
                    return [start, thread[1], *thread[2][2:]]
                thread = self._advance(step, thread, jobs)
        return None

    def _is_new(self, thread: _Thread, visited: set[int]) -> bool:
        """Whether this place has not been visited; the first thread there had precedence."""
        key = thread[1] * len(self._program) + thread[0]
        if key in visited:
            return False
        visited.add(key)
        self._steps -= 1
        if self._steps < 0:
            raise Refusal("the regular expression takes too long on this text", "Use a simpler pattern.")
        return True

    def _advance(self, step: Instruction, thread: _Thread, jobs: list[_Thread]) -> _Thread | None:
        """Where a thread goes from here, None if nowhere; what it may have to come back to is added to jobs."""
        pc, at, slots = thread
        if step.kind in (CHARS, ANY):
            fits = at < len(self._text) and step.accepts(self._text[at])
            return (pc + 1, at + 1, slots) if fits else None
        if step.kind == SPLIT:
            jobs.append((step.second, at, slots))
            return step.first, at, slots
        if step.kind == JUMP:
            return step.first, at, slots
        if step.kind == SAVE:
            return pc + 1, at, (*slots[: step.first], at, *slots[step.first + 1 :])
        return (pc + 1, at, slots) if step.holds(self._text, at) else None


@functools.lru_cache(maxsize=256)
def compile_regex(pattern: str) -> Regex:
    """A pattern of Go's syntax. Raises Refusal for what Go refuses."""
    program, groups, names = parse(pattern)
    return Regex(program, groups, names)


def quote_meta(text: str) -> str:
    """regexp.QuoteMeta."""
    return _META.sub(lambda match: "\\" + match.group(), text)


def expand(template: str, text: str, found: list[int], names: Mapping[str, int]) -> str:
    """regexp.Expand: `$name`, `${name}`, `$1`, `$$`; a group that is not there is empty."""

    def group(match: re.Match[str]) -> str:
        name = match.group(1) or match.group(2)
        if name is None:
            return "$"
        number = int(name) if name.isdigit() and len(name) < 5 else names.get(name, -1)
        if number < 0 or 2 * number + 1 >= len(found) or found[2 * number] < 0:
            return ""
        return text[found[2 * number] : found[2 * number + 1]]

    return _REFERENCE.sub(group, template)
