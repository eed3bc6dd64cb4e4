"""What can be wrong with a template, in words for the person who wrote it.

TemplateError is the only exception that leaves this package for a faulty template or values file. Refusal is its
inner half: a function or an operator says what it cannot do, the evaluator adds where that was.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

LONGEST_ACTION = 200


@dataclass(frozen=True, slots=True)
class Source:
    """A template's text and the name it is known by in messages."""

    name: str
    text: str

    def place(self, position: int) -> tuple[int, int]:
        """Line and column of a character offset, both from 1, the column in characters."""
        before = self.text[:position]
        return before.count("\n") + 1, position - (before.rfind("\n") + 1) + 1

    def action(self, position: int) -> str:
        """The `{{ ... }}` around (or right after) an offset; the line's text where there is none."""
        start = self.text.rfind("{{", 0, position + 2)
        if start < 0:
            start = self.text.rfind("\n", 0, position) + 1
            return self.text[start:].split("\n", 1)[0][:LONGEST_ACTION].strip()
        end = self.text.find("}}", max(position, start))
        whole = self.text[start : end + 2] if end >= 0 else self.text[start:].split("\n", 1)[0]
        return whole if len(whole) <= LONGEST_ACTION else whole[: LONGEST_ACTION - 3] + "..."


class TemplateError(Exception):
    """A template, or the values for it, cannot be rendered.

    file: the name of the template, helper file or values file; line and column: from 1 (Helm counts columns from 0);
    action: the text of the action at fault; problem: what is wrong, in Go's words where Go has some;
    advice: what to write instead, "" where it cannot be known;
    called_from: `file:line:column` of the includes that led there, innermost first.
    """

    def __init__(
        self,
        file: str,
        line: int,
        column: int,
        action: str,
        problem: str,
        advice: str = "",
        called_from: tuple[str, ...] = (),
    ) -> None:
        super().__init__(file, line, column, action, problem, advice, called_from)
        self.file = file
        self.line = line
        self.column = column
        self.action = action
        self.problem = problem
        self.advice = advice
        self.called_from = called_from

    def __str__(self) -> str:
        text = f"{self.file}:{self.line}:{self.column}: {self.problem}"
        if self.action:
            text += f", in {self.action}"
        if self.called_from:
            text += f" (called from {', '.join(self.called_from)})"
        return f"{text}. {self.advice}" if self.advice else text


class Refusal(Exception):
    """Something cannot be done with these values; where it happened is not known yet."""

    def __init__(self, problem: str, advice: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.advice = advice


def fault(source: Source, position: int, problem: str, advice: str = "") -> TemplateError:
    """The error for a place in a text."""
    line, column = source.place(position)
    return TemplateError(source.name, line, column, source.action(position), problem, advice)


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name most like this one, "" if none is."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return close[0] if close else ""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Advice for a name that is not known, "" if nothing resembles it."""
    best = nearest(name, known)
    return f'Did you mean "{best}"?' if best else ""
